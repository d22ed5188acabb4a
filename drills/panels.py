"""Boxes on the start page: what is the matter, and what waits for me."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from drills.domain.incidents import State
from drills.domain.tasks import TaskState
from drills.models import Incident, IncidentTask
from portal import clock
from portal.dashboard import Panel, register
from portal.domain.roles import May
from portal.models import Actor
from portal.panels import MOST_NEEDS, NEEDS, Need
from portal.services.access import may

SHOWN = 8


def open_incidents(request: HttpRequest) -> dict[str, Any]:
    """What is not over, the worst first."""
    found = Incident.objects.filter(is_over=False).select_related("commander")
    shown = list(found.order_by("severity", "-pk")[: SHOWN + 1])
    return {"incidents": shown[:SHOWN], "has_more": len(shown) > SHOWN}


def page_of(incident_id: int) -> str:
    """The address of an incident's page."""
    return reverse("admin:drills_incident_change", args=[incident_id])


def tasks_of(actor: Actor) -> list[Need]:
    """The tasks that this person has to do, the most urgent first."""
    mine = IncidentTask.objects.filter(
        owner=actor.person_behind, state=TaskState.OPEN
    ).order_by("due_at")
    now = clock.now()
    return [
        Need(
            url=reverse("admin:drills_incidenttask_change", args=[task.pk]),
            title=f"Do a task · {task.title}",
            says=f"{'Overdue since' if task.due_at < now else 'Due'} "
            f"{task.due_at:%Y-%m-%d %H:%M} UTC, of incident {task.incident_id}.",
        )
        for task in mine[:MOST_NEEDS]
    ]


def unacknowledged(actor: Actor) -> list[Need]:
    """Incidents that nobody works on, for whoever may."""
    if not may(actor, May.WORK_INCIDENT):
        return []
    found = Incident.objects.filter(is_over=False, state=State.OPEN)
    return [
        Need(
            url=page_of(each.pk),
            title=f"Acknowledge incident {each.pk} · {each.title}",
            says=f"Severity {each.severity}: {each.says}",
        )
        for each in found.order_by("severity", "-pk")[:MOST_NEEDS]
    ]


NEEDS += [unacknowledged, tasks_of]
register(Panel(15, "drills/panels/incidents.html", open_incidents))
