"""What was asked of runs, and the runs that hung."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from portal import clock
from portal.admin.acts import Act
from portal.admin.governed import GovernedAdmin
from portal.domain.roles import May
from portal.models import Actor
from portal.services.reading import read_once
from rollout.domain.directives import DirectiveKind, DirectiveState
from rollout.domain.runs import FINAL, RunKind, RunStatus
from rollout.models import Directive, Run, RunTimeout
from rollout.services import directives


class Overdue(admin.SimpleListFilter):
    """Those that nobody acknowledged in time."""

    title = "overdue"
    parameter_name = "overdue"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Overdue")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() == "yes":
            return queryset.filter(state=DirectiveState.ISSUED, due_at__lt=clock.now())
        return queryset


@admin.register(Directive)
class DirectiveAdmin(GovernedAdmin):
    """Sent again until the run acknowledges."""

    list_display = [
        "run",
        "kind",
        "state",
        "proof",
        "issued_at",
        "is_overdue",
        "ended_at",
    ]
    list_filter = ["state", "proof", "kind", Overdue]
    search_fields = ["run__run_id", "reason"]
    empty_says = (
        "No run was asked for anything. That is done on the page of a run, or of all "
        "runs on that of the rollout."
    )
    list_select_related = ["run"]

    @admin.display(boolean=True, description="overdue")
    def is_overdue(self, directive: Directive) -> bool:
        is_open = directive.state == DirectiveState.ISSUED
        return is_open and directive.due_at < clock.now()


@admin.register(RunTimeout)
class RunTimeoutAdmin(GovernedAdmin):
    """Runs that the watchdog has ended."""

    list_display = ["run", "stage", "timeout_s", "elapsed_s", "at"]
    list_filter = ["stage"]
    search_fields = ["run__run_id"]
    empty_says = "The watchdog has ended no run."
    list_select_related = ["run"]


EFFECTS = {
    DirectiveKind.PAUSE: [
        "The run is asked to pause at its next checkpoint; paused time does not count.",
    ],
    DirectiveKind.RESUME: ["The run is asked to go on where it paused."],
    DirectiveKind.CANCEL: [
        "The run is asked to stop for good; what it wrote is kept.",
    ],
    DirectiveKind.REROUTE: [
        "The run is cancelled at once, and is asked to stop.",
        "Its request gets the standard workflow; what it wrote is kept.",
    ],
}
TITLES = {
    DirectiveKind.PAUSE: "Pause",
    DirectiveKind.RESUME: "Resume",
    DirectiveKind.CANCEL: "Cancel",
    DirectiveKind.REROUTE: "Reroute to the standard workflow",
}


def _is_pointless(kind: DirectiveKind, run: Run) -> bool:
    if run.status in FINAL or run.kind == RunKind.IMPORTED:
        return True
    if kind in _asked_now(run):
        return True
    is_paused = run.status == RunStatus.PAUSED
    return (kind == DirectiveKind.RESUME and not is_paused) or (
        kind == DirectiveKind.PAUSE and is_paused
    )


@read_once
def _asked_now(run: Run) -> list[str]:
    """What it is asked and has not followed yet."""
    asked = run.directives.filter(state=DirectiveState.ISSUED)
    return list(asked.values_list("kind", flat=True))


def _act(kind: DirectiveKind) -> Act:
    def perform(run: Run, actor: Actor, said: dict[str, Any]) -> str:
        directives.issue(
            run.rollout.key, run.run_id, kind, by=actor, reason=said["reason"]
        )
        return f"{run.run_id} is asked: {kind}. It is overdue after a minute."

    return Act(
        name=kind,
        title=TITLES[kind],
        may=May.DIRECT_RUN,
        perform=perform,
        is_dangerous=kind in (DirectiveKind.CANCEL, DirectiveKind.REROUTE),
        hidden=lambda run, actor: _is_pointless(kind, run),
        effects=lambda run: EFFECTS[kind],
    )


RUN_ACTS = tuple(_act(kind) for kind in DirectiveKind)
