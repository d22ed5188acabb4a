"""The timers of an incident; parts of the acts that hold its row."""

from datetime import datetime

from drills.domain import timers as domain
from drills.domain.incidents import Severity, State
from drills.domain.timers import TimerKind
from drills.models import Incident, IncidentTimer


def keep(incident: Incident, now: datetime) -> None:
    """Have those timers run that the incident's state waits for, by its severity.

    Whoever does something starts the timer of activity anew.
    """
    severity = Severity(incident.severity)
    wanted = domain.WAITS_FOR[State(incident.state)]
    known = {each.kind: each for each in incident.timers.all()}
    for kind in TimerKind:
        timer = known.get(kind)
        if kind not in wanted:
            if timer is not None and timer.stopped_at is None:
                timer.stopped_at, timer.rings_at = now, None
                timer.save()
            continue
        begins = (
            timer is None or timer.stopped_at is not None or kind == TimerKind.ACTIVITY
        )
        timer = timer or IncidentTimer(incident=incident, kind=kind)
        if begins:
            timer.since, timer.stopped_at, timer.reminders = now, None, 0
        due_at = domain.due(kind, severity, since=timer.since)
        if begins or due_at != timer.due_at:
            timer.due_at = due_at
            timer.rings_at = max(due_at, now)
            timer.save()


def remind_later(timer: IncidentTimer, severity: Severity, now: datetime) -> None:
    """It has rung; it rings again, ever later."""
    timer.rings_at = domain.next_reminder(severity, timer.reminders, now=now)
    timer.reminders += 1
    timer.save()
