"""Incidents: what is the matter, what was done, what is left to do."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html

from drills.admin.incident_acts import ACTS
from drills.admin.runbooks import progress_of
from drills.domain.durations import Span
from drills.domain.incidents import Kind, State
from drills.domain.roles import IncidentRole
from drills.domain.timers import TimerKind
from drills.models import Incident, IncidentLink, IncidentTimer
from drills.services import checklists, durations, postmortems, runbook_uses, runbooks
from portal import clock
from portal.admin.governed import GovernedAdmin
from portal.streams import stream_url
from rollout.services import freezes

MOST_SHOWN = 200
MARKS = {
    State.OPEN: "■",
    State.ACKNOWLEDGED: "▶",
    State.MITIGATED: "◐",
    State.RESOLVED: "✓",
    State.REVIEWED: "✓",
    State.CLOSED: "✓",
    State.CANCELLED: "✗",
}
WAITS = {
    TimerKind.ACKNOWLEDGE: "acknowledged",
    TimerKind.SAFETY: "safe",
    TimerKind.RESOLVE: "resolved",
    TimerKind.ACTIVITY: "something done",
}
MOMENTS = (
    ("began", "began_at"),
    ("opened", "opened_at"),
    ("acknowledged", "acknowledged_at"),
    ("mitigated", "mitigated_at"),
    ("resolved", "resolved_at"),
    ("reviewed", "reviewed_at"),
    ("closed", "closed_at"),
    ("cancelled", "cancelled_at"),
)


@admin.register(Incident)
class IncidentAdmin(GovernedAdmin):
    """What is not over comes first."""

    list_display = [
        "number",
        "shown_state",
        "severity",
        "title",
        "kind",
        "stage",
        "commander",
        "seen",
        "opened_at",
    ]
    list_display_links = ["number", "title"]
    list_filter = ["is_over", "state", "severity", "kind", "rollout"]
    search_fields = ["title", "says", "cause"]
    list_select_related = ["stage__rollout", "commander"]
    ordering = ["is_over", "-pk"]
    sortable_by = ()
    change_form_template = "drills/incident.html"
    change_list_template = "drills/incidents.html"
    empty_says = (
        "Nothing was ever the matter. Failures, blocked sources, hangs, triggers open "
        "incidents by themselves; what you notice yourself you open here."
    )
    acts = ACTS

    @admin.display(description="incident")
    def number(self, incident: Incident) -> str:
        return f"{incident.pk}"

    @admin.display(description="state")
    def shown_state(self, incident: Incident) -> str:
        mark = MARKS[State(incident.state)]
        return format_html('<span class="nowrap">{} {}</span>', mark, incident.state)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Incident]:
        found = super().get_queryset(request)
        return found.select_related(
            "rollout",
            "stage__rollout",
            "row",
            "previous",
            "opened_by",
            "commander",
            "scribe",
            "communications",
        )

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        spans = {
            kind: [(span, found) for span, found in durations.of(kind).items()]
            for kind in (Kind.REAL, Kind.DRILL)
        }
        context = {**(extra_context or {}), "spans": spans, "names": list(Span)}
        return super().changelist_view(request, context)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        incident = self.get_object(request, object_id)
        context = {
            **(extra_context or {}),
            **(_page_of(incident) if incident else {}),
            "stream_url": stream_url(request),
        }
        return super().change_view(request, object_id, form_url, context)


def _page_of(incident: Incident) -> dict[str, Any]:
    """Everything that the page shows, in a fixed number of queries."""
    results = checklists.results_of(incident)
    entries = incident.timeline.select_related("actor").order_by("-at", "-pk")
    shown = list(entries[: MOST_SHOWN + 1])
    return {
        "incident": incident,
        "mark": MARKS[State(incident.state)],
        "moments": [
            (name, at) for name, field in MOMENTS if (at := getattr(incident, field))
        ],
        "on_call": freezes.on_call_now(incident.rollout_id),
        "roles": [(role, incident.who(role)) for role in IncidentRole],
        "timers": [_timer(each) for each in incident.timers.all()],
        "steps": [
            (number, step, results.get(number))
            for number, step in enumerate(incident.steps, start=1)
        ],
        "timeline": shown[:MOST_SHOWN],
        "is_cut": len(shown) > MOST_SHOWN,
        "tasks": incident.tasks.select_related("owner").order_by("pk")[:MOST_SHOWN],
        "links": [_link(each) for each in incident.links.all()[:MOST_SHOWN]],
        "postmortem": postmortems.of(incident),
        "runbooks": runbooks.for_row(incident.row.key) if incident.row else [],
        "runbook_uses": progress_of(runbook_uses.within(incident.runbook_uses)),
    }


def _timer(timer: IncidentTimer) -> dict[str, Any]:
    ended = timer.stopped_at or clock.now()
    return {
        "waits_for": WAITS[TimerKind(timer.kind)],
        "timer": timer,
        "is_late": ended > timer.due_at,
    }


def _link(link: IncidentLink) -> dict[str, Any]:
    app, _, model = link.subject_type.partition(".")
    try:
        page = reverse(f"admin:{app}_{model}_change", args=[link.subject_id])
    except NoReverseMatch:
        page = ""
    return {"what": model, "name": link.subject_name, "page": page}
