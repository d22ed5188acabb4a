"""Verification check: a run that hangs is ended, once, with a checkpoint."""

from datetime import timedelta

import pytest
import time_machine

from portal import clock
from portal.models import Heartbeat
from rollout.models import RunTimeout
from rollout.services import watchdog
from tests.rollout.builders import ASKED
from tests.rollout.documents import a_manifest, raw

pytestmark = pytest.mark.django_db
START = clock.now()
WAVE1_S = 600


@pytest.fixture
def after(call, carry_out_jobs):
    """Lets time pass over a run in its first wave, then has the watchdog look."""
    with time_machine.travel(START, tick=False) as traveller:
        call.post("decisions", {"run_id": "run-1", **ASKED})
        call.put("runs/run-1/manifest", raw(a_manifest()))

        def look(seconds: float) -> str:
            traveller.shift(timedelta(seconds=seconds))
            Heartbeat.objects.filter(name=watchdog.NAME).update(at=clock.now())
            watchdog.sweep()
            carry_out_jobs()
            return call.get("runs/run-1").json()["status"]

        yield look


def test_a_run_within_its_time_goes_on(after):
    assert after(WAVE1_S - 1) == "running"


def test_a_run_beyond_its_time_is_failed_once(after):
    assert after(WAVE1_S + 1) == "failed"
    assert after(WAVE1_S) == "failed"
    assert RunTimeout.objects.count() == 1


def test_what_it_was_doing_is_kept_as_a_checkpoint(after, call):
    after(WAVE1_S + 1)

    paths = {each["path"] for each in call.get("runs/run-1/artifacts").json()}
    assert {"logs/timeout-checkpoint.md", "logs/timeout-checkpoint.json"} <= paths
