"""The response matrix and the runbooks, as people take them along."""

from collections.abc import Iterable

from drills.domain.baseline import POLICY
from drills.models import MatrixRow, OperatorRunbook
from drills.services import runbook_uses
from drills.services.runbook_uses import Standing
from drills.services.telling import facts
from portal.domain.markdown import (
    bullets,
    code,
    inline,
    join,
    numbered,
    said,
    tokens,
)
from portal.domain.markdown import facts as pairs
from portal.domain.redaction import redact
from rollout.models import Rollout

ROW = ("severity", "version", "rollback_trigger", "fallback_action")


def write_matrix(rollout: Rollout, *, most: int) -> str:
    """The body of the matrix: every row that is in use."""
    rows = MatrixRow.objects.filter(is_live=True)
    runbooks = list(OperatorRunbook.objects.filter(is_live=True))
    return join(POLICY, *(_row(each, runbooks) for each in rows))


def _row(row: MatrixRow, runbooks: Iterable[OperatorRunbook]) -> str:
    signs = [code(f"{each['sign']} {each['gate']}".strip()) for each in row.matches]
    about = [code(each.key) for each in runbooks if row.key in each.rows]
    return join(
        f"## {inline(row.symptom)}",
        pairs(
            [
                ("row", code(row.key)),
                ("matches", ", ".join(signs) or "people only"),
                ("runbooks", ", ".join(about) or "none"),
            ]
        ),
        facts(row, *ROW),
        "Diagnosis:",
        numbered(inline(step) for step in row.diagnosis),
        "Artifacts:",
        bullets(code(path) for path in row.artifacts),
    )


def write_runbooks(rollout: Rollout, *, most: int) -> str:
    """The body of the runbooks: every one that is in use, in full."""
    rows = list(OperatorRunbook.objects.filter(is_live=True))
    standings = runbook_uses.standings(rows)
    contents = (f"{inline(each.title)} ({code(each.key)})" for each in rows)
    return join(
        bullets(contents), *(_runbook(each, standings[each.pk]) for each in rows)
    )


def _runbook(runbook: OperatorRunbook, standing: Standing) -> str:
    return join(
        f"## {inline(runbook.title)}",
        pairs(
            [
                ("runbook", code(runbook.key)),
                ("version", said(runbook.version)),
                ("rows", ", ".join(map(code, runbook.rows)) or "no row of the matrix"),
                ("scenarios", ", ".join(map(code, runbook.scenarios)) or "none"),
                ("last used", said(standing.last_used)),
                ("last drilled", said(standing.last_drilled)),
            ]
        ),
        _lowered(redact(runbook.body)),
    )


def _lowered(body: str) -> str:
    """A runbook's Markdown, with its headings below the one that it gets here."""
    lines = body.split("\n")
    for token in tokens(body):
        if token.type == "heading_open" and token.map and token.markup.startswith("#"):
            at = token.map[0]
            level = min(len(token.markup) + 1, 6)
            lines[at] = "#" * level + lines[at].lstrip()[len(token.markup) :]
    return "\n".join(lines)
