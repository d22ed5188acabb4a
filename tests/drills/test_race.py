"""Many open at once: one incident; nobody waits for those who notice."""

import threading
from contextlib import suppress

import pytest
from django.db import transaction

from drills.domain.incidents import ACTIVE, Severity
from drills.domain.verbs import Verb
from drills.models import Incident, Sighting
from drills.services import matrix, opening
from portal.errors import Conflict
from portal.models import LedgerEntry
from portal.services import actors
from rollout.services.consequences import Cause, announce
from tests.builders import an_actor
from tests.drills.builders import a_run
from tests.rollout.builders import KEY, a_running_stage
from tests.rollout.test_contention import in_threads

pytestmark = pytest.mark.django_db(transaction=True)
OPENERS = 32


def test_thirty_two_who_open_at_once_open_one_incident():
    a_running_stage()
    run, system = a_run(), actors.system()
    together = threading.Barrier(OPENERS)

    def notices_and_takes() -> None:
        announce(Cause.TIMED_OUT, run, by=system)
        fingerprint = Sighting.objects.values_list("fingerprint", flat=True)[0]
        together.wait(timeout=120)
        opening.take_signs(fingerprint, by=system, reason="race")

    def opens_by_hand() -> None:
        worker = an_actor("operator")
        together.wait(timeout=120)
        with suppress(Conflict):  # it is there already
            said = {"by": worker, "reason": "seen"}
            opening.open_by_hand(KEY, "Disk full", Severity.LOW, **said)

    half = OPENERS // 2
    works = [*[notices_and_takes] * half, *[opens_by_hand] * half]
    assert in_threads(*works) == []

    causes = Incident.objects.values_list("cause", flat=True)
    assert sorted(causes) == ["reported", "timed_out"]
    assert Incident.objects.get(cause="timed_out").seen == half


def test_thirty_two_who_open_by_hand_at_once_open_one_incident():
    a_running_stage()
    worker = an_actor("operator")
    together = threading.Barrier(OPENERS)

    def opens() -> None:
        together.wait(timeout=120)
        with suppress(Conflict):  # it is there already
            said = {"by": worker, "reason": "seen"}
            opening.open_by_hand(KEY, "Disk full", Severity.LOW, **said)

    assert in_threads(*[opens] * OPENERS) == []

    assert Incident.objects.get().state in ACTIVE
    opened = LedgerEntry.objects.filter(verb=Verb.INCIDENT_OPENED)
    assert opened.count() == 1


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
