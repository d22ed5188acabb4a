"""`manage.py write_reference`: the pages of docs/reference, from the code."""

import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from drills.domain import baseline as drills_baseline
from drills.domain import baseline_runbooks, documents, drills, incidents, tasks
from drills.domain import refusals as drills_codes
from drills.domain import verbs as drills_verbs
from drills.domain.release_gates import GATES
from portal.commands import PortalCommand
from portal.domain import approvals, jobs
from portal.domain import notifications as told
from portal.domain import refusals as portal_codes
from portal.domain import verbs as portal_verbs
from portal.domain.roles import GRANTS, SCOPE_GRANTS, May
from portal.services import metrics, notifications
from rollout.domain import baseline, changes, directives, runs, stages, switch
from rollout.domain import refusals as rollout_codes
from rollout.domain import verbs as rollout_verbs
from rollout.domain.bucketing import COVERAGE_SEED, VARIANT_SEED, bucket
from rollout.domain.flags import for_display

ABOUT_PROBLEMS = """\
Every refusal is `application/problem+json` (RFC 9457): decide by `code`, show `detail`
to people, and give the operator `request_id`. A code goes on meaning what it says here.

*Again?* says whether the same request can help: `yes`, the same with the same
`Idempotency-Key`, after a wait; `changed`, once what it names has been put right;
`no`."""
HEAD = "<!-- Written by `make reference`; edit the code, not this page. -->\n\n"


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def permissions() -> str:
    """Who may do what, and which scope of a token does."""
    rows = [
        [
            f"`{act}`",
            *("✓" if act in grants else "" for grants in GRANTS.values()),
            ", ".join(f"`{s}`" for s, acts in SCOPE_GRANTS.items() if act in acts),
        ]
        for act in May
    ]
    header = ["act", *(str(role) for role in GRANTS), "token scopes"]
    return f"# Permissions\n\n{_table(header, rows)}"


def states() -> str:
    """Every state machine: state, act, next state."""
    machines = {
        "Switch": switch.MOVES,
        "Stage of a rollout": stages.MOVES,
        "Change": changes.MOVES,
        "Run": runs.MOVES,
        "Directive": directives.MOVES,
        "Incident": incidents.MOVES,
        "Task of an incident": tasks.MOVES,
        "Drill": drills.MOVES,
        "Approval": approvals.MOVES,
        "Job": jobs.MOVES,
        "Endpoint": told.ENDPOINT_MOVES,
        "Delivery": told.DELIVERY_MOVES,
    }
    parts = ["# States\n"]
    for name, moves in machines.items():
        rows = [[str(s), str(act), str(after)] for (s, act), after in moves.items()]
        parts.append(f"## {name}\n\n{_table(['state', 'act', 'next'], rows)}")
    rows = [[str(here), str(onward)] for here, onward in runs.TRANSITIONS]
    parts.append(f"## Stages of a run\n\n{_table(['from', 'to'], rows)}")
    return "\n".join(parts)


def verbs() -> str:
    """What the ledger can say."""
    kinds = (portal_verbs, rollout_verbs, drills_verbs)
    rows = [[f"`{verb}`"] for kind in kinds for verb in kind.Verb]
    return f"# Verbs of the ledger\n\n{_table(['verb'], rows)}"


def flags() -> str:
    """The baseline's flags, stages, triggers, matrix and runbooks."""
    rows = [
        [
            f"`{spec.key}`",
            str(spec.type),
            for_display(spec.default),
            ", ".join(spec.options) or f"{spec.minimum} to {spec.maximum}"
            if spec.options or spec.minimum is not None
            else "",
            description,
        ]
        for spec, description in baseline.FLAGS
    ]
    parts = [
        "# The baseline\n\n## Flags\n",
        _table(["flag", "type", "default", "can be", "meaning"], rows),
        "## Stages\n",
    ]
    stage_rows = [
        [
            str(position),
            name,
            ", ".join(plan.teams),
            ", ".join(plan.query_classes),
            ", ".join(plan.modes),
            plan.sensitivity,
            ", ".join(str(cap) for cap in plan.caps.values()),
            "a person" if plan.promote_bar is None else str(plan.promote_bar),
        ]
        for position, (_, name, plan) in enumerate(baseline.STAGES)
    ]
    header = ["", "stage", "teams", "query classes", "modes", "at most", "caps", "bar"]
    parts += [_table(header, stage_rows), "## Triggers\n", triggers()]
    parts += ["## Response matrix\n", matrix(), "## Runbooks\n", runbooks()]
    parts += [f"## Release gate {letter}\n{gate(letter)}" for letter in GATES]
    return "\n".join(parts).replace("| * ", "| any ")


def triggers() -> str:
    """The baseline's triggers, and what each of them takes."""
    rows = [
        [
            f"`{each.key}`",
            each.description,
            str(each.action).replace("_", " "),
            "" if each.threshold is None else f"{each.threshold:.0%}",
            "" if each.at_least is None else str(each.at_least),
            f"{each.window_s} s" if each.window_s else "",
            f"{each.cooldown_s} s" if each.cooldown_s else "",
        ]
        for each in baseline.TRIGGERS
    ]
    header = ["trigger", "fires when", "action", "rate", "count", "within", "rests"]
    return _table(header, rows)


def gate(letter: str) -> str:
    """A release gate that ships: each item of its rubric, and what that rests on."""
    ships = GATES[letter]
    says = {item.key: item.says for item in ships.rubric}
    rows = [
        [says[each.item], each.title, each.threshold, f"`{each.source}` {each.of}"]
        for each in ships.requirements
    ]
    header = ["rubric", "requirement", "threshold", "source"]
    return f"\n{ships.title}: {ships.purpose}\n\n{_table(header, rows)}"


def matrix() -> str:
    """The baseline's matrix: what is seen, how to find out, what to do."""
    rows = [
        [
            f"`{key}`",
            row.symptom,
            str(int(row.severity)),
            ", ".join(f"`{m.sign}` {m.gate}".strip() for m in row.matches),
            "<br>".join(row.diagnosis),
            row.rollback_trigger,
            row.fallback_action,
            ", ".join(f"`{path}`" for path in row.artifacts),
        ]
        for key, row in drills_baseline.ROWS.items()
    ]
    header = ["row", "symptom", "severity", "recognised by", "diagnosis"]
    header += ["rollback trigger", "fallback action", "artifacts"]
    return f"{drills_baseline.POLICY}\n\n{_table(header, rows)}"


def runbooks() -> str:
    """The baseline's runbooks; the portal has them in full."""
    rows = [
        [
            f"`{key}`",
            runbook.title,
            str(len(runbook.steps)),
            ", ".join(f"`{row}`" for row in runbook.rows),
            ", ".join(f"`{scenario}`" for scenario in runbook.scenarios),
        ]
        for key, runbook in baseline_runbooks.RUNBOOKS.items()
    ]
    header = ["runbook", "title", "steps", "rows of the matrix", "drills"]
    return _table(header, rows)


def written() -> str:
    """The documents that a portal writes."""
    rows = [
        [f"`{name}`", documents.TITLES[name], documents.SAYS[name]]
        for name in documents.Name
    ]
    return f"# Documents\n\n{_table(['document', 'title', 'says'], rows)}"


def counts() -> str:
    """What `/metrics` says."""
    rows = [
        [
            f"`{each.name}`",
            each.kind,
            ", ".join(f"`{label}`" for label in each.labels),
            each.meaning,
        ]
        for each in sorted(metrics.DEFINED, key=lambda each: each.name)
    ]
    return f"# Metrics\n\n{_table(['metric', 'type', 'labels', 'meaning'], rows)}"


def events() -> str:
    """What endpoints can be told of."""
    rows = [
        [
            f"`{event.name}`",
            str(event.severity),
            event.meaning,
            ", ".join(f"`{fact}`" for fact in event.facts),
            f"`{verb}`",
        ]
        for verb, event in sorted(
            notifications.EVENTS.items(), key=lambda each: each[1].name
        )
    ]
    header = ["event", "severity", "meaning", "facts", "verb of the ledger"]
    return f"# Events\n\n{_table(header, rows)}"


def problems() -> str:
    """Every code that a refusal over HTTP can have."""
    known = portal_codes.CODES | rollout_codes.CODES | drills_codes.CODES
    by_status = sorted(known.items(), key=lambda each: each[1].statuses[0])
    rows = [
        [
            f"`{code}`",
            ", ".join(map(str, each.statuses)),
            each.means,
            each.way_out,
            str(each.again),
        ]
        for code, each in by_status
    ]
    header = ["code", "status", "means", "what to do", "again?"]
    return f"# Problems\n\n{ABOUT_PROBLEMS}\n\n{_table(header, rows)}"


def bucketing() -> str:
    """Vectors for whoever computes buckets in another language."""
    salts = ("salt", "0123456789abcdef")
    units = ("run-1", "run-2", "a unit with spaces", "ünïcödé", "火", "x" * 100)
    vectors = [
        {
            "salt": salt,
            "unit": unit,
            "seed": seed,
            "bucket": bucket(salt, unit, seed=seed),
        }
        for salt in salts
        for unit in units
        for seed in (COVERAGE_SEED, VARIANT_SEED)
    ]
    about = "murmur3_x86_32(utf8(salt + ':' + unit), seed) mod 10000"
    return json.dumps({"bucket": about, "vectors": vectors}, indent=1) + "\n"


PAGES = {
    "bucketing.json": bucketing,
    "permissions.md": permissions,
    "states.md": states,
    "verbs.md": verbs,
    "baseline.md": flags,
    "documents.md": written,
    "metrics.md": counts,
    "events.md": events,
    "problems.md": problems,
}


class Command(PortalCommand):
    help = "Write docs/reference from the code; with --check only say what is stale."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--check", action="store_true")

    def carry_out(self, check: bool, **_: Any) -> None:
        folder = Path(settings.BASE_DIR) / "docs" / "reference"
        folder.mkdir(parents=True, exist_ok=True)
        stale = []
        for name, page in PAGES.items():
            text = HEAD + page() if name.endswith(".md") else page()
            path = folder / name
            if not path.exists() or path.read_text() != text:
                stale.append(name)
                if not check:
                    path.write_text(text)
        self.say(f"written: {', '.join(stale) or 'nothing'}", stale=stale)
        if check and stale:
            self.found(f"stale: {', '.join(stale)}; run `make reference`")
