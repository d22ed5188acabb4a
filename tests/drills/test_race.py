"""Many open at once: one incident; nobody waits for those who notice."""

import threading

import pytest
from django.db import connections, transaction

from drills.domain.incidents import ACTIVE, Kind, Severity
from drills.models import Incident, Sighting
from drills.services import matrix, opening
from portal import clock
from portal.services import actors
from rollout.models import Rollout
from rollout.services.consequences import Cause, announce
from tests.drills.builders import a_run
from tests.rollout.builders import a_running_stage
from tests.rollout.test_contention import in_threads

pytestmark = pytest.mark.django_db(transaction=True)
OPENERS = 32


def test_thirty_two_who_open_at_once_open_one_incident():
    a_running_stage()
    matrix.seed(by=actors.host(), reason="test")
    rollout, system = Rollout.objects.get(), actors.system()
    together = threading.Barrier(OPENERS)

    def opens() -> None:
        together.wait(timeout=60)
        with transaction.atomic():
            new = Incident(
                rollout=rollout,
                kind=Kind.REAL,
                severity=Severity.HIGH,
                title="A run has hung",
                says="A run has hung.",
                cause="timed_out",
                fingerprint="the same for all",
                began_at=clock.now(),
            )
            opening.found_or_opened(new, None, by=system, reason="race")

    assert in_threads(*[opens] * OPENERS) == []

    assert Incident.objects.get().state in ACTIVE


def test_who_notices_waits_for_nobody():
    a_running_stage()
    matrix.seed(by=actors.host(), reason="test")
    run, system = a_run(), actors.system()

    def notices() -> None:
        announce(Cause.TIMED_OUT, run, by=system)

    notices()
    fingerprint = Sighting.objects.values_list("fingerprint", flat=True)[0]
    with transaction.atomic():
        act = {"by": system, "reason": "t"}
        opening.take_signs(fingerprint, **act)  # holds incident and ledger
        assert in_threads(*[notices] * 4) == []
    assert opening.take_signs(fingerprint, by=system, reason="t").seen == 5
    connections.close_all()
