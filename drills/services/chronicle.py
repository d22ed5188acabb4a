"""The evidence transcript: what was verified and judged, gone wrong and gone back."""

from drills.models import (
    Incident,
    VerificationResult,
    VerificationRun,
    VerificationVerdict,
)
from drills.services.drills_log import use_of_runbook
from drills.services.telling import cell, facts, newest, table
from portal.domain.markdown import (
    block,
    bullets,
    code,
    inline,
    join,
    moment,
    said,
)
from portal.domain.markdown import table as cells
from rollout.models import (
    Evaluation,
    FailureReview,
    Rollback,
    Rollout,
    TriggerFiring,
)

NONE = "None."
LONGEST_TIMELINE = 200  # entries of an incident, the newest


def write(rollout: Rollout, *, most: int) -> str:
    """The body of the transcript."""
    return join(
        _verifications(rollout, most),
        _evaluations(rollout, most),
        _firings(rollout, most),
        _rollbacks(rollout, most),
        _reviews(rollout, most),
        _incidents(rollout, most),
    )


VERDICT = ("has_passed", "says", "suite_digest", "host", "finished_at")
RESULT = (
    *("outcome", "exit_code", "started_at", "duration_s", "suite_digest"),
    *("transcript_digest", "output_size", "outlived", "tools", "sandbox"),
)


def _verifications(rollout: Rollout, most: int) -> str:
    found = VerificationRun.objects.filter(rollout=rollout)
    runs, cut = newest(
        found.select_related("asked_by", "verdict").prefetch_related("results"), most
    )
    return join("# Verification", cut, *(map(_verification, runs) if runs else [NONE]))


def _verification(run: VerificationRun) -> str:
    verdict = getattr(run, "verdict", None)
    return join(
        f"## Verification {run.pk}",
        facts(run, "asked_by", "asked_at", "reason"),
        _verdict(verdict)
        if verdict is not None
        else "It goes on; there is no verdict.",
        *(_result(run, each) for each in run.results.all()),
    )


def _verdict(verdict: VerificationVerdict) -> str:
    checks = (_check(each) for each in sorted(verdict.suite, key=lambda e: e["name"]))
    return join(
        facts(verdict, *VERDICT), "Its suite, as it was defined:", bullets(checks)
    )


def _check(check: dict[str, object]) -> str:
    parts = (f"{inline(name)} {said(value)}" for name, value in sorted(check.items()))
    return ", ".join(parts)


def _result(run: VerificationRun, result: VerificationResult) -> str:
    return join(
        f"### {code(result.name)} in verification {run.pk}",
        facts(result, *RESULT),
        block(result.transcript) if result.transcript else "It said nothing.",
    )


EVALUATION = (
    *("number", "stage", "attempt", "mode", "verdict", "judged_runs", "sentence"),
    *("rule", "fingerprint", "ratio_upto", "digest", "evaluated_by", "evaluated_at"),
)


def _evaluations(rollout: Rollout, most: int) -> str:
    found = Evaluation.objects.filter(stage__rollout=rollout)
    rows, cut = newest(
        found.select_related("stage", "attempt__stage", "evaluated_by").defer("body"),
        most,
    )
    return join("# Evaluations", cut, table(rows, *EVALUATION))


FIRING = (
    *("trigger", "trigger_digest", "stage", "attempt", "subject", "run"),
    *("evaluation", "says", "facts", "action", "outcome", "at"),
)


def _firings(rollout: Rollout, most: int) -> str:
    found = TriggerFiring.objects.filter(trigger__rollout=rollout)
    rows, cut = newest(
        found.select_related(
            *("trigger", "stage", "attempt__stage", "run"),
            "evaluation__attempt__stage",
        ).defer("evaluation__body"),
        most,
    )
    return join("# Firings of triggers", cut, table(rows, *FIRING))


ROLLBACK = (
    *("stage", "to_stage", "trigger", "evaluation", "reason", "affected_runs"),
    *("snapshot", "inventory_digest", "rolled_back_by", "rolled_back_at", "attempt"),
)
RECONCILIATION = ("is_clean", "counts", "missing", "digest", "reconciled_at")


def _rollbacks(rollout: Rollout, most: int) -> str:
    found = Rollback.objects.filter(rollout=rollout)
    rows, cut = newest(
        found.select_related(
            *("stage", "to_stage", "snapshot__rollout", "rolled_back_by"),
            *("attempt__stage", "evaluation__attempt__stage", "reconciliation"),
        ).defer("inventory", "evaluation__body", "snapshot__body"),
        most,
    )
    return join("# Rollbacks", cut, *(map(_rollback, rows) if rows else [NONE]))


def _rollback(row: Rollback) -> str:
    reconciliation = getattr(row, "reconciliation", None)
    return join(
        f"## Rollback {row.pk}",
        facts(row, *ROLLBACK),
        f"### Reconciliation of rollback {row.pk}",
        facts(reconciliation, *RECONCILIATION) if reconciliation else "Not yet.",
    )


def _reviews(rollout: Rollout, most: int) -> str:
    found = FailureReview.objects.filter(run__rollout=rollout)
    rows, cut = newest(found.select_related("run", "reviewer"), most)
    names = ("run", "gate", "note", "reviewer", "reviewed_at")
    return join("# Reviews of failures", cut, table(rows, *names))


INCIDENT = (
    *("kind", "state", "severity", "cause", "gate", "stage", "configuration"),
    *("fingerprint", "previous", "row", "row_version", "opened_by", "commander"),
    *("scribe", "communications", "began_at", "opened_at", "acknowledged_at"),
    *("mitigated_at", "resolved_at", "reviewed_at", "closed_at", "cancelled_at"),
    *("reopened", "seen", "last_seen_at", "says"),
)
TASK = (
    *("title", "owner", "due_at", "is_required", "state", "given_by", "given_at"),
    "ended_at",
)
GLASS = (
    *("precautions", "reason", "asked_by", "confirmed_by", "begun_at", "expires_at"),
    *("ended_at", "ended_by", "task", "review_due_at", "reviewed_at", "reviewed_by"),
    "finding",
)
TIMER = ("kind", "since", "due_at", "stopped_at", "reminders")
LINK = ("subject_type", "subject_id", "subject_name", "linked_by", "linked_at")


def _incidents(rollout: Rollout, most: int) -> str:
    found = Incident.objects.filter(rollout=rollout)
    rows, cut = newest(
        found.select_related(
            *("stage", "previous", "row", "opened_by", "commander", "scribe"),
            *("communications", "postmortem__written_by"),
        ).prefetch_related(
            *("results__recorded_by", "tasks__owner", "tasks__given_by", "timers"),
            *("timeline__actor", "links__linked_by", "runbook_uses__runbook"),
            *("runbook_uses__started_by", "runbook_uses__ticks__ticked_by"),
            *("broken_glass__asked_by", "broken_glass__confirmed_by"),
            *("broken_glass__ended_by", "broken_glass__reviewed_by"),
            "broken_glass__task",
        ),
        most,
    )
    return join("# Incidents", cut, *(map(_incident, rows) if rows else [NONE]))


def _incident(incident: Incident) -> str:
    number = incident.pk
    results = (
        [
            said(e.number),
            said(e.step),
            said(e.finding),
            said(e.note),
            cell(e, "recorded_by"),
            said(e.recorded_at),
        ]
        for e in incident.results.all()
    )
    links = sorted(incident.links.all(), key=lambda each: each.pk)
    return join(
        f"## Incident {number}: {inline(incident.title)}",
        facts(incident, *INCIDENT),
        f"### Diagnosis of incident {number}",
        bullets(inline(step) for step in incident.steps),
        cells(["step", "what", "finding", "note", "by", "at"], results),
        f"### Timers of incident {number}",
        table(incident.timers.all(), *TIMER),
        f"### Tasks of incident {number}",
        table(sorted(incident.tasks.all(), key=lambda each: each.pk), *TASK),
        f"### Glass broken because of incident {number}",
        table(sorted(incident.broken_glass.all(), key=lambda each: each.pk), *GLASS),
        f"### Links of incident {number}",
        table(links, *LINK),
        f"### Timeline of incident {number}",
        _timeline(incident),
        *(use_of_runbook(each) for each in reversed(incident.runbook_uses.all())),
        *_postmortem(incident),
    )


def _timeline(incident: Incident) -> str:
    entries = sorted(incident.timeline.all(), key=lambda each: (each.at, each.pk))
    shown = entries[-LONGEST_TIMELINE:]
    cut = f"The newest {LONGEST_TIMELINE}; the API reads all."
    header = ["at", "kind", "by", "says", "times", "last"]
    lines = (
        [
            moment(e.at),
            said(e.kind),
            cell(e, "actor"),
            inline(e.says),
            said(e.count),
            moment(e.last_at),
        ]
        for e in shown
    )
    return join(cut if len(shown) < len(entries) else "", cells(header, lines))


def _postmortem(incident: Incident) -> list[str]:
    postmortem = getattr(incident, "postmortem", None)
    if postmortem is None:
        return []
    return [
        f"### Postmortem of incident {incident.pk}",
        facts(postmortem, "revision", "written_by", "written_at"),
        block(postmortem.text),
    ]
