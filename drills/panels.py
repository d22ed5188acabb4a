"""Boxes on the start page: what is the matter, and what waits for me."""

from typing import Any

from django.db.models import Case, Q, Value, When
from django.http import HttpRequest
from django.urls import reverse

from drills.domain import drills as practice
from drills.domain.incidents import ACTIVE, Kind, Severity, State
from drills.domain.scenarios import PLANS, Scenario
from drills.domain.signoffs import SigningRole
from drills.domain.tasks import TaskState
from drills.domain.verbs import Verb
from drills.models import (
    BreakGlass,
    Drill,
    DrillSchedule,
    Incident,
    IncidentLink,
    IncidentTask,
    ReleaseGate,
)
from drills.services import (
    break_glass,
    delegations,
    drills,
    obstacles,
    packs,
    schedules,
    standing,
)
from portal import banners, clock
from portal.banners import Banner
from portal.dashboard import Panel, register
from portal.domain.roles import May
from portal.models import Actor
from portal.panels import MOST_NEEDS, NEEDS, TROUBLES, Need
from portal.services.access import may
from portal.since import ROUTINE
from rollout.admin.run_page import ELSEWHERE, Elsewhere
from rollout.models import OPEN_STATES, RolloutKind, Run, Stage

SHOWN = 8


def open_incidents(request: HttpRequest) -> dict[str, Any]:
    """What is not over: what is active first, of that the worst."""
    found = Incident.objects.filter(is_over=False).select_related("commander")
    is_done = Case(When(state__in=list(ACTIVE), then=Value(0)), default=Value(1))
    shown = list(found.order_by(is_done, "severity", "-pk")[: SHOWN + 1])
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
            says=f"Severity {each.severity}{_kind(each)}: {each.says}",
        )
        for each in found.order_by("severity", "-pk")[:MOST_NEEDS]
    ]


def commanded(actor: Actor) -> list[Need]:
    """Incidents that this person works on."""
    mine = Incident.objects.filter(
        is_over=False,
        commander=actor.person_behind,
        state__in=(State.ACKNOWLEDGED, State.MITIGATED),
    )
    return [
        Need(
            url=page_of(each.pk),
            title=f"Go on with incident {each.pk} · {each.title}",
            says=f"Severity {each.severity}{_kind(each)}, {each.state}; it is yours.",
        )
        for each in mine.order_by("severity", "-pk")[:MOST_NEEDS]
    ]


def _kind(incident: Incident) -> str:
    """Said of what is not real."""
    return "" if incident.kind == Kind.REAL else f", of a {incident.kind}"


def serious_incidents(request: HttpRequest) -> list[Need]:
    """Real incidents that are not over, of the two worst severities."""
    found = Incident.objects.filter(
        is_over=False,
        kind=Kind.REAL,
        severity__lte=Severity.HIGH,
        state__in=(State.OPEN, State.ACKNOWLEDGED, State.MITIGATED),
    ).order_by("severity", "-pk")
    return [
        Need(page_of(each.pk), f"{each.title} · severity {each.severity}", "")
        for each in found[:SHOWN]
    ]


def broken_glass() -> list[Banner]:
    """Precautions that are passed over now: on every page, for everybody."""
    if not break_glass.in_force().exists():  # as nearly always, and much cheaper
        return []
    return [
        Banner(
            says=f"Glass is broken for {broken.rollout}, until "
            f"{broken.expires_at:%H:%M} UTC: {', '.join(broken.precautions)} passed "
            f"over because of {broken.incident}.",
            url=reverse("admin:drills_breakglass_change", args=[broken.pk]),
        )
        for broken in break_glass.in_force()
    ]


def reviews_of_broken_glass(actor: Actor) -> list[Need]:
    """Broken glass that this person could review."""
    person = actor.person_behind
    if person is None or not may(actor, May.WORK_INCIDENT):
        return []
    waiting = BreakGlass.objects.filter(reviewed_at=None).exclude(
        Q(asked_by=person) | Q(confirmed_by=person)
    )
    return [
        Need(
            url=reverse("admin:drills_breakglass_change", args=[broken.pk]),
            title=f"Review the broken glass · {broken.incident}",
            says=f"By {broken.review_due_at:%Y-%m-%d %H:%M} UTC: {broken.reason}",
        )
        for broken in waiting.select_related("incident")[:MOST_NEEDS]
    ]


def practice_box(request: HttpRequest) -> dict[str, Any]:
    """What drills the open stages have, what is under way, and the lever."""
    found = Stage.objects.filter(
        rollout__kind=RolloutKind.LIVE, state__in=OPEN_STATES
    ).select_related("rollout")
    return {
        "stages": [
            {
                "stage": stage,
                "scenarios": [
                    (PLANS[each.scenario].title, each)
                    for each in standing.of_stage(stage)
                ],
            }
            for stage in found[:SHOWN]
        ],
        "under_way": list(drills.under_way()[:SHOWN]),
        "lever": obstacles.lever(),
    }


def drills_to_observe(actor: Actor) -> list[Need]:
    """Drills that passed lately, and count as soon as this person confirms them."""
    if not may(actor, May.OBSERVE_DRILL) or actor.person_behind is None:
        return []
    lately = clock.now() - practice.VALID_FOR
    waiting = Drill.objects.filter(
        state=practice.State.PASSED, observer=None, ended_at__gt=lately
    ).select_related("conductor")
    return [
        Need(
            url=reverse("admin:drills_drill_change", args=[drill.pk]),
            title=f"Confirm as observer · {drill}",
            says=f"Conducted by {drill.conductor}, passed "
            f"{drill.ended_at:%Y-%m-%d %H:%M} UTC.",
        )
        for drill in waiting.order_by("-pk")[:MOST_NEEDS]
        if drill.conductor.person_behind != actor.person_behind
    ]


def drills_due(actor: Actor) -> list[Need]:
    """Drills that are due by their plan, for whoever may conduct them."""
    if not may(actor, May.CONDUCT_DRILL):
        return []
    told = DrillSchedule.objects.exclude(reminded_at=None).select_related("rollout")
    return [
        Need(
            url=reverse(f"admin:drills_drill_{schedule.scenario}"),
            title=f"Start a drill · {PLANS[Scenario(schedule.scenario)].title}",
            says=f"It is due: {schedule}, of {schedule.rollout}.",
        )
        for schedule in told.order_by("next_at")[:MOST_NEEDS]
        if not schedules.is_met(schedule)
    ]


def about_run(run: Run) -> list[Elsewhere]:
    """The incidents that a run is linked to, and the drill that it belongs to."""
    links = IncidentLink.objects.filter(
        subject_type=run._meta.label_lower, subject_id=str(run.pk)
    ).select_related("incident")
    found = [
        Elsewhere(
            url=page_of(each.incident_id),
            title=f"Incident {each.incident_id} · {each.incident.title}",
            says=f"{each.incident.state}, severity {each.incident.severity}"
            + _kind(each.incident),
            is_open=not each.incident.is_over,
        )
        for each in links.order_by("incident__is_over", "-incident_id")[:SHOWN]
    ]
    for drill in Drill.objects.filter(twin=run.rollout)[:1]:
        url = reverse("admin:drills_drill_change", args=[drill.pk])
        says = f"{drill.state}; its runs never count as real"
        found.append(Elsewhere(url, f"Drill · {drill}", says, is_open=False))
    return found


ELSEWHERE.append(about_run)


def packs_to_sign(actor: Actor) -> list[Need]:
    """Packs that wait for this person's signature, and may have it."""
    person = actor.person_behind
    roles = [role for role in SigningRole if may(actor, delegations.ACT_OF[role])]
    if person is None or not roles:
        return []
    found = []
    for gate in ReleaseGate.objects.filter(version__gt=0).select_related("rollout"):
        pack = packs.newest(gate)
        if pack is None or not pack.is_complete:
            continue
        signed = set(pack.signoffs.values_list("role", flat=True))
        is_involved = pack.participants.filter(person=person).exists()
        is_theirs = pack.signoffs.filter(person=person).exists()
        open_roles = [role for role in roles if role not in signed]
        if open_roles and not is_involved and not is_theirs:
            found.append(
                Need(
                    url=reverse("admin:drills_releasegate_change", args=[gate.pk]),
                    title=f"Sign gate {gate.letter} as {open_roles[0]} · {gate.title}",
                    says=f"Pack {pack.number} of {gate.rollout} waits since "
                    f"{pack.assembled_at:%Y-%m-%d %H:%M} UTC.",
                )
            )
    return found[:MOST_NEEDS]


NEEDS[:0] = [unacknowledged, commanded]  # nothing waits less
NEEDS += [tasks_of, drills_to_observe, drills_due, packs_to_sign]
NEEDS.append(reviews_of_broken_glass)
TROUBLES.insert(0, serious_incidents)
banners.register(broken_glass)
ROUTINE.update({Verb.DRILL_STEPPED, Verb.DRILL_CAPTURED})
register(Panel(15, "drills/panels/incidents.html", open_incidents))
register(Panel(35, "drills/panels/drills.html", practice_box))
