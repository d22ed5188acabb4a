"""Timers of an incident: what is due when, and when to remind of it again."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from drills.domain.incidents import Severity, State


class TimerKind(StrEnum):
    """What a timer waits for."""

    ACKNOWLEDGE = "acknowledge"
    SAFETY = "safety"  # until it is mitigated
    RESOLVE = "resolve"
    ACTIVITY = "activity"  # until somebody who took it does something


@dataclass(frozen=True, slots=True)
class Targets:
    """How long each may take; `remind` is the first time between two reminders."""

    acknowledge: timedelta
    safety: timedelta
    resolve: timedelta
    activity: timedelta
    remind: timedelta

    def of(self, kind: TimerKind) -> timedelta:
        """How long this may take."""
        found: timedelta = getattr(self, kind.value)
        return found


_M, _H = timedelta(minutes=1), timedelta(hours=1)
TARGETS: dict[Severity, Targets] = {
    Severity.CRITICAL: Targets(5 * _M, 15 * _M, 4 * _H, 30 * _M, 5 * _M),
    Severity.HIGH: Targets(15 * _M, 60 * _M, 8 * _H, 2 * _H, 15 * _M),
    Severity.MIDDLE: Targets(1 * _H, 4 * _H, 72 * _H, 8 * _H, 1 * _H),
    Severity.LOW: Targets(8 * _H, 48 * _H, 336 * _H, 72 * _H, 8 * _H),
}
LONGEST_SILENCE = timedelta(hours=24)  # between two reminders

# What an incident in each state waits for.
WAITS_FOR: dict[State, frozenset[TimerKind]] = {
    State.OPEN: frozenset({TimerKind.ACKNOWLEDGE, TimerKind.SAFETY, TimerKind.RESOLVE}),
    State.ACKNOWLEDGED: frozenset(
        {TimerKind.SAFETY, TimerKind.RESOLVE, TimerKind.ACTIVITY}
    ),
    State.MITIGATED: frozenset({TimerKind.RESOLVE}),
    **{
        state: frozenset()
        for state in (State.RESOLVED, State.REVIEWED, State.CLOSED, State.CANCELLED)
    },
}


def due(kind: TimerKind, severity: Severity, *, since: datetime) -> datetime:
    """When it has to be done, counted from `since`."""
    return since + TARGETS[severity].of(kind)


def next_reminder(severity: Severity, reminders: int, *, now: datetime) -> datetime:
    """When to remind again after so many reminders: ever later, at least daily."""
    wait: timedelta = TARGETS[severity].remind * 2 ** min(reminders, 12)
    return now + min(LONGEST_SILENCE, wait)
