"""Timers remind, and what nobody works on falls back to open."""

from datetime import timedelta

import pytest
import time_machine

from drills.domain.incidents import Act, Severity, State
from drills.domain.timeline import EntryKind
from drills.domain.timers import TARGETS, TimerKind
from drills.models import Incident, IncidentTimer
from drills.services import incidents, lookout, reminders
from portal import clock
from portal.models import LedgerEntry
from portal.services import actors
from tests.builders import an_actor
from tests.drills.builders import an_incident, in_state, move

pytestmark = pytest.mark.django_db
HIGH = TARGETS[Severity.HIGH]


def running(incident: Incident) -> set[str]:
    found = incident.timers.filter(stopped_at=None)
    return set(found.values_list("kind", flat=True))


def ring(timer: IncidentTimer) -> bool:
    return reminders.ring(timer.pk, by=actors.system(), reason="It is time.")


@pytest.fixture
def operator(db):
    return an_actor("operator", name="Olga")


@pytest.fixture
def incident(operator):
    return an_incident(severity=Severity.HIGH, by=operator)


def test_timers_run_for_what_is_not_reached(incident, operator):
    expected = {
        State.OPEN: {"acknowledge", "safety", "resolve"},
        State.ACKNOWLEDGED: {"safety", "resolve", "activity"},
        State.MITIGATED: {"resolve"},
        State.RESOLVED: set(),
    }

    for state, kinds in expected.items():
        in_state(Incident.objects.get(), state, by=operator)
        assert running(incident) == kinds
    due = incident.timers.get(kind=TimerKind.ACKNOWLEDGE).due_at
    assert due == incident.opened_at + HIGH.acknowledge


def test_a_target_that_is_missed_is_told_again_and_again(incident, carry_out_jobs):
    timer = incident.timers.get(kind=TimerKind.ACKNOWLEDGE)
    told = incident.timeline.filter(kind=EntryKind.REMINDER)

    assert not ring(timer)
    with time_machine.travel(timer.due_at, tick=False):
        lookout.sweep()
        carry_out_jobs()
        assert not ring(timer)
    with time_machine.travel(timer.due_at + HIGH.remind, tick=False):
        assert ring(timer)

    timer.refresh_from_db()
    assert timer.reminders == 2
    assert timer.rings_at == timer.due_at + 3 * HIGH.remind
    assert [(each.says, each.count) for each in told] == [
        ("Nobody has acknowledged it in time.", 2)
    ]
    overdue = LedgerEntry.objects.filter(verb="drills.incident.found_overdue")
    assert overdue.count() == 2


def test_what_nobody_works_on_falls_back_to_open(incident, operator):
    move(incident, Act.ACKNOWLEDGE, by=operator)
    timer = incident.timers.get(kind=TimerKind.ACTIVITY)

    with time_machine.travel(timer.due_at, tick=False):
        assert ring(timer)

        found = Incident.objects.get()
        assert (found.state, found.acknowledged_at) == (State.OPEN, None)
        assert found.commander == operator.person
        again = incident.timers.get(kind=TimerKind.ACKNOWLEDGE)
        assert again.due_at == clock.now() + HIGH.acknowledge
    assert LedgerEntry.objects.order_by("-seq")[0].verb.endswith("unacknowledged")


def test_whoever_does_something_keeps_it(incident, operator):
    move(incident, Act.ACKNOWLEDGE, by=operator)
    timer = incident.timers.get(kind=TimerKind.ACTIVITY)

    with time_machine.travel(timer.due_at - timedelta(minutes=1), tick=False):
        incidents.note(incident.pk, "I am on it.", by=operator, reason="t")
    with time_machine.travel(timer.due_at, tick=False):
        assert not ring(timer)

    assert Incident.objects.get().state == State.ACKNOWLEDGED


def test_another_severity_has_other_targets(incident, operator):
    timer = incident.timers.get(kind=TimerKind.SAFETY)
    act = {"by": operator, "reason": "worse"}

    incidents.reclassify(incident.pk, Severity.CRITICAL, **act)

    timer.refresh_from_db()
    assert timer.due_at == incident.opened_at + TARGETS[Severity.CRITICAL].safety


def test_a_stopped_timer_never_rings(incident, operator):
    timer = incident.timers.get(kind=TimerKind.RESOLVE)
    in_state(incident, State.CANCELLED, by=operator)

    with time_machine.travel(timer.due_at + timedelta(days=1), tick=False):
        assert not ring(timer)
        assert lookout.sweep() == 0
