"""Drills: started with one click, watched live, observed by another person."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html

from drills.admin.drill_acts import ACTS, SCHEDULE_ACTS
from drills.admin.runbooks import progress_of
from drills.domain import drills as domain
from drills.domain.drills import COUNTS, Moment, Outcome, State
from drills.domain.scenarios import CHECKLIST, PLANS, Phase, Scenario
from drills.models import Drill, DrillCapture, DrillSchedule
from drills.services import (
    captures,
    drills,
    obstacles,
    runbook_uses,
    runbooks,
    standing,
)
from portal.admin.governed import GovernedAdmin
from portal.domain.roles import May, who_may
from portal.services.access import may
from portal.sessions import actor_of
from portal.streams import stream_url
from rollout.models import OPEN_STATES, RolloutKind, Run, Stage
from rollout.services import scans

MARKS = {
    State.WAITING: "…",
    State.RUNNING: "▶",
    State.PASSED: "✓",
    State.FAILED: "✗",
    State.ABORTED: "■",
}
STEP_MARKS = {
    Outcome.AS_EXPECTED: "✓",
    Outcome.LATE: "!",
    Outcome.OTHERWISE: "✗",
    Outcome.NOT_DONE: "-",
}
STARTS = who_may(May.CONDUCT_DRILL)
PHASES = {
    Phase.BEFORE: "Steady state before",
    Phase.METHOD: "Method",
    Phase.AFTER: "Steady state after",
    Phase.ROLLBACK: "Rollback, always",
}


@admin.register(Drill)
class DrillAdmin(GovernedAdmin):
    """What was practised, newest first."""

    list_display = [
        "number",
        "shown_state",
        "scenario",
        "stage",
        "means",
        "conductor",
        "observer",
        "asked_at",
        "ended_at",
    ]
    list_display_links = ["number"]
    list_filter = ["state", "scenario", "means", "rollout"]
    search_fields = ["=id", "reason"]
    list_select_related = ["stage", "conductor", "observer"]
    change_form_template = "drills/drill.html"
    change_list_template = "drills/drills.html"
    empty_says = (
        f"Nothing was practised so far. {STARTS[0].upper()}{STARTS[1:]} can start a "
        "drill with a button here; whoever works on incidents can log one that was "
        "conducted by hand."
    )
    acts = ACTS

    @admin.display(description="drill")
    def number(self, drill: Drill) -> str:
        return f"{drill.pk}"

    @admin.display(description="verdict")
    def shown_state(self, drill: Drill) -> str:
        mark = MARKS[State(drill.state)]
        return format_html('<span class="nowrap">{} {}</span>', mark, drill.state)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Drill]:
        found = super().get_queryset(request)
        return found.select_related(
            *("rollout", "stage__rollout", "twin", "conductor", "observer", "token")
        )

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {
            **(extra_context or {}),
            "standings": _standings(),
            "starts": STARTS,
            "may_start": may(actor_of(request), May.CONDUCT_DRILL),
            "lever": obstacles.lever(),
            "under_way": drills.under_way().select_related("rollout")[:20],
            "stream_url": stream_url(request),
        }
        return super().changelist_view(request, context)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        drill = self.get_object(request, object_id)
        context = {
            **(extra_context or {}),
            **(_page_of(drill) if drill else {}),
            "stream_url": stream_url(request),
        }
        return super().change_view(request, object_id, form_url, context)


def _standings() -> list[dict[str, Any]]:
    """What the open stage of each live rollout, or else its first, has by now."""
    live = Stage.objects.filter(rollout__kind=RolloutKind.LIVE)
    shown: dict[int, Stage] = {}
    for stage in live.select_related("rollout").order_by("rollout", "position"):
        if stage.rollout_id not in shown or stage.state in OPEN_STATES:
            shown[stage.rollout_id] = stage
    return [
        {
            "stage": stage,
            "scenarios": [
                (PLANS[each.scenario], each, each.validity.replace("_", " "))
                for each in standing.of_stage(stage)
            ],
        }
        for stage in shown.values()
    ]


def _page_of(drill: Drill) -> dict[str, Any]:
    """Everything that the page shows, in a fixed number of queries."""
    facts = standing.facts_of(drill)
    validity, says = domain.validity(facts, standing.terms_of(drill.stage))
    notes = list(drill.notes.select_related("noted_by"))
    run = None
    if drill.twin_id and drill.run_id:
        run = Run.objects.filter(rollout=drill.twin_id, run_id=drill.run_id).first()
    return {
        "drill": drill,
        "plan": PLANS[Scenario(drill.scenario)],
        "mark": MARKS[State(drill.state)],
        "run": run,
        "phases": _phases(drill),
        "captures": _captures(drill),
        "scan": facts.scan,
        "validity": validity.replace("_", " "),
        "counts": validity in COUNTS,
        "validity_says": says,
        "until": domain.counts_until(facts) if validity in COUNTS else None,
        "runbooks": runbooks.for_scenario(drill.scenario),
        "runbook_uses": progress_of(runbook_uses.within(drill.runbook_uses)),
        "observations": [each for each in notes if not each.item],
        "checklist": [
            (question, _last(notes, item)) for item, question in CHECKLIST.items()
        ],
    }


def _last(notes: list, item: str) -> Any:
    """The newest answer counts."""
    return next((each for each in reversed(notes) if each.item == item), None)


def _phases(drill: Drill) -> list[dict[str, Any]]:
    """The steps as they were planned, with what came of those that were done."""
    done = {each.number: each for each in drill.steps.all()}
    planned = [
        (number, step["phase"], step["does"], step["expects"])
        for number, step in enumerate(drill.plan, start=1)
    ] or [(each.number, each.phase, each.does, each.expects) for each in done.values()]
    next_one = min(
        (number for number, *_ in planned if number not in done), default=None
    )
    phases: dict[str, list[dict[str, Any]]] = {}
    for number, phase, does, expects in planned:
        row = done.get(number)
        phases.setdefault(phase, []).append(
            {
                "number": number,
                "does": does,
                "expects": expects,
                "row": row,
                "mark": STEP_MARKS[Outcome(row.outcome)] if row else "",
                "is_now": number == next_one and drill.state == State.RUNNING,
            }
        )
    return [{"title": PHASES[Phase(p)], "steps": rows} for p, rows in phases.items()]


def _captures(drill: Drill) -> list[dict[str, Any]]:
    """Each path with what it was before and after, side by side."""
    standings = scans.standings(captures.digests_of(drill))
    rows: dict[str, dict[str, Any]] = {}
    for each in drill.captures.all():
        row = rows.setdefault(each.path, {"path": each.path, "size": each.size})
        row[each.moment] = each
        if found := standings.get(each.digest):
            row["scan"] = found
    return [{**row, "says": _compared(row)} for row in rows.values()]


def _compared(row: dict[str, Any]) -> str:
    before: DrillCapture | None = row.get(Moment.BEFORE)
    after: DrillCapture | None = row.get(Moment.AFTER)
    troubled = [each for each in (before, after) if each and each.trouble]
    if troubled:
        return f"✗ {troubled[0].trouble}"
    if before and after:
        return "✓ the same" if before.digest == after.digest else "≠ another content"
    return "" if row.get(Moment.UPLOADED) else "new" if after else "only before"


@admin.register(DrillSchedule)
class DrillScheduleAdmin(GovernedAdmin):
    """How often each scenario is practised."""

    list_display = [
        *("scenario", "rollout", "every_days", "starts_by_itself", "next_at"),
        "reminded_at",
    ]
    list_filter = ["scenario", "rollout"]
    search_fields = ["scenario", "reason"]
    list_select_related = ["rollout"]
    empty_says = "No drill is planned. Plan how often each scenario is practised."
    acts = SCHEDULE_ACTS


def page_of(drill: Drill) -> str:
    """The address of a drill's page."""
    return reverse("admin:drills_drill_change", args=[drill.pk])
