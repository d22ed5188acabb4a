"""What `/metrics` says of incidents."""

from datetime import timedelta

import pytest
import time_machine

from drills import figures
from drills.domain.incidents import Severity, State
from portal import clock
from tests.builders import an_actor
from tests.drills.builders import an_incident, in_state

pytestmark = pytest.mark.django_db


def test_incidents_that_are_not_over_are_counted():
    worker = an_actor("operator")
    for kind in ("real", "real", "test"):
        an_incident(severity=Severity.LOW, by=worker, kind=kind)
    in_state(an_incident(by=worker), State.CANCELLED, by=worker)

    assert sorted(figures.open_incidents()) == [
        (("real", "4", "open"), 2),
        (("test", "4", "open"), 1),
    ]


def test_timers_whose_target_is_missed_are_counted():
    worker = an_actor("operator")
    an_incident(severity=Severity.CRITICAL, by=worker)

    assert figures.overdue_timers() == [((), 0)]
    with time_machine.travel(clock.now() + timedelta(minutes=16)):
        assert figures.overdue_timers() == [((), 2)]


def test_what_incidents_took_is_told_by_kind():
    worker = an_actor("operator")
    in_state(an_incident(by=worker, kind="drill"), State.ACKNOWLEDGED, by=worker)

    found = dict(figures.seconds())

    assert set(found) == {
        ("drill", span, quantile)
        for span in ("detect", "acknowledge")
        for quantile in ("0.5", "0.9")
    }
