"""The drills log: everything that was practised, with what came of it."""

from collections.abc import Collection, Mapping

from drills.domain import drills as domain
from drills.domain.scenarios import CHECKLIST, PLANS, Scenario
from drills.models import Drill, DrillLever, DrillNote, DrillSchedule, RunbookUse
from drills.services import runbook_uses, standing
from drills.services.telling import cell, facts, newest, table
from portal.domain.markdown import (
    bullets,
    code,
    inline,
    join,
    said,
)
from portal.domain.markdown import facts as pairs
from portal.domain.markdown import table as cells
from rollout.models import Rollout
from rollout.services import scans
from rollout.services.scans import Standing

DRILL = (
    *("scenario", "stage", "means", "state", "conductor", "observer", "observed_at"),
    *("asked_at", "started_at", "ended_at", "environment", "fingerprint", "twin"),
    *("run_id", "token", "reason", "stop_reason"),
)
STEP = (
    *("number", "name", "phase", "does", "expects", "actual", "outcome", "target_s"),
    *("took_s", "started_at", "ended_at", "facts"),
)
SCHEDULE = ("scenario", "every_days", "starts_by_itself", "next_at", "reminded_at")


def write(rollout: Rollout, *, most: int) -> str:
    """The body of the drills log."""
    found = Drill.objects.filter(rollout=rollout).select_related(
        *("stage", "conductor", "observer", "twin", "token")
    )
    drills, cut = newest(
        found.prefetch_related(
            "steps",
            "captures__captured_by",
            "notes__noted_by",
            "runbook_uses__runbook",
            "runbook_uses__started_by",
            "runbook_uses__ticks__ticked_by",
        ),
        most,
    )
    digests = {each.digest for drill in drills for each in drill.captures.all()}
    read = scans.standings(digests)
    schedules = DrillSchedule.objects.filter(rollout=rollout).order_by("scenario")
    return join(
        "## What is practised",
        bullets(
            f"{code(plan.scenario)} {inline(plan.title)}: {inline(plan.proves)}"
            for plan in PLANS.values()
        ),
        "## Plans",
        table(schedules, *SCHEDULE),
        "## Safety lever",
        _lever(),
        cut,
        *(_drill(each, read) for each in drills),
    )


LEVER = ("is_pulled", "reason", "moved_at", "moved_by")


def _lever() -> str:
    lever = DrillLever.objects.select_related("moved_by").first()
    return facts(lever, *LEVER) if lever else "It was never touched."


def _drill(drill: Drill, read: Mapping[str, Standing]) -> str:
    captures = list(drill.captures.all())
    judged = standing.facts_from(drill, captures, read)
    lacking = domain.lacking(judged)
    until = domain.counts_until(judged)
    counts = "no: " + inline("; ".join(lacking)) if lacking else f"until {said(until)}"
    title = inline(PLANS[Scenario(drill.scenario)].title)
    return join(
        f"## Drill {drill.pk}: {title}",
        facts(drill, *DRILL),
        pairs([("counts", counts), ("scan of its artifacts", said(judged.scan))]),
        "Reasons against it:",
        bullets(inline(each) for each in drill.reasons),
        f"### Plan of drill {drill.pk}",
        cells(
            ["name", "phase", "does", "expects", "within"],
            (
                [
                    *(said(step[n]) for n in ("name", "phase", "does", "expects")),
                    said(step["target_s"]),
                ]
                for step in drill.plan
            ),
        ),
        f"### Steps of drill {drill.pk}",
        table(drill.steps.all(), *STEP),
        f"### Artifacts of drill {drill.pk}",
        cells(
            [*CAPTURE, "scan"],
            (
                [
                    *(cell(each, name) for name in CAPTURE),
                    said(read[each.digest].verdict) if each.digest in read else "-",
                ]
                for each in captures
            ),
        ),
        f"### Checklist and observations of drill {drill.pk}",
        _notes(drill.notes.all()),
        *(use_of_runbook(each) for each in reversed(drill.runbook_uses.all())),
    )


CAPTURE = (
    *("moment", "path", "digest", "size", "trouble", "captured_at", "captured_by"),
)


def _notes(notes: Collection[DrillNote]) -> str:
    header = ["item", "asked", "text", "noted by", "noted at"]
    return cells(
        header,
        (
            [
                cell(each, "item"),
                inline(CHECKLIST.get(each.item, "What was observed?")),
                *(cell(each, name) for name in ("text", "noted_by", "noted_at")),
            ]
            for each in notes
        ),
    )


def use_of_runbook(use: RunbookUse) -> str:
    """That somebody followed a runbook: every step, and what came of it."""
    ticks = list(use.ticks.all())
    left = runbook_uses.left(use)
    return join(
        f"### Runbook {code(use.runbook.key)}, version {use.version}, use {use.pk}",
        facts(use, "version", "started_by", "started_at", "is_practice"),
        pairs([("steps without a result", said(left))]),
        cells(
            ["step", "kind", "part", "what", "wait"],
            (
                [
                    *(said(step[name]) for name in ("number", "kind", "section")),
                    inline(step["text"]),
                    f"{step['wait_s']} s" if step["wait_s"] else "-",
                ]
                for step in use.steps
            ),
        ),
        table(ticks, "number", "result", "note", "ticked_by", "ticked_at"),
    )
