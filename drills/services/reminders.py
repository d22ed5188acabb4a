"""Timers that ring: somebody is reminded, and nobody keeps what they do not work on."""

from django.db import transaction

from drills.domain.incidents import Act, Severity
from drills.domain.timeline import EntryKind
from drills.domain.timers import TimerKind
from drills.domain.verbs import Verb
from drills.models import IncidentTimer
from drills.services import incidents, timelines, timers
from portal import clock
from portal.domain.roles import May
from portal.models import Actor
from portal.services.access import require
from portal.services.jobs import enqueue
from portal.services.ledger import record

RING_JOB = "drills.jobs.ring"
MOST_AT_ONCE = 200
SAYS = {
    TimerKind.ACKNOWLEDGE: "Nobody has acknowledged it in time.",
    TimerKind.SAFETY: "It was not made safe in time.",
    TimerKind.RESOLVE: "It was not resolved in time.",
}


def sweep() -> int:
    """Have every timer ring whose time has come; how many there were."""
    due = IncidentTimer.objects.filter(rings_at__lte=clock.now()).order_by("rings_at")
    ringing = list(due.values_list("pk", flat=True)[:MOST_AT_ONCE])
    for pk in ringing:
        enqueue(RING_JOB, once=f"ring {pk}", timer_id=pk)
    return len(ringing)


@transaction.atomic
def ring(timer_id: int, *, by: Actor, reason: str) -> bool:
    """Remind, or open an incident again that nobody works on; whether it was time."""
    require(by, May.OPEN_INCIDENT)
    timer = IncidentTimer.objects.get(pk=timer_id)
    incident = incidents.locked(timer.incident_id)
    timer.refresh_from_db()
    now = clock.now()
    if timer.rings_at is None or timer.rings_at > now:
        return False
    if timer.kind == TimerKind.ACTIVITY:
        why = f"Nothing has happened since {timer.since:%H:%M} UTC."
        incidents.change_state(incident, Act.UNACKNOWLEDGE, by=by, reason=why)
        record(Verb.INCIDENT_UNACKNOWLEDGED, incident, by=by, reason=why)
        return True
    says = SAYS[TimerKind(timer.kind)]
    timers.remind_later(timer, Severity(incident.severity), now)
    timelines.tell(incident, EntryKind.REMINDER, says, by=by)
    record(
        Verb.INCIDENT_OVERDUE,
        incident,
        by=by,
        reason=says,
        timer=timer.kind,
        due_at=timer.due_at,
        reminders=timer.reminders,
        commander=str(incident.commander or ""),
    )
    return True
