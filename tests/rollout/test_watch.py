"""After the plan's last run somebody keeps watch, run by run, from where it stopped."""

from datetime import timedelta

import pytest
import time_machine

from portal import clock
from portal.models import Job, LedgerEntry
from portal.services import actors
from rollout.domain.degradation import Detector
from rollout.domain.stages import StageState
from rollout.domain.verbs import Verb
from rollout.models import Rollback, Stage, TriggerFiring, Watch
from rollout.services import watch
from rollout.services.decisions import decide_for
from tests.rollout.builders import ASKED, KEY, a_service, an_open_stage, finished_runs
from tests.rollout.test_triggers import edit

pytestmark = pytest.mark.django_db

LEAST = 3  # so many good runs between two false alarms, and no more: a short test


@pytest.fixture
def stage():
    """A stage whose plan looks at eleven runs, and that is watched strictly."""
    stage = an_open_stage(max_runs=11)
    edit("late-degradation", at_least=LEAST)
    return stage


def look(stage) -> list[watch.Alarm]:
    return watch.look(stage.pk, by=actors.system(), reason="test")


def the_watch() -> Watch:
    return Watch.objects.get()


def test_the_plans_own_runs_are_not_watched(stage):
    finished_runs("run", "F" * 11)

    assert look(stage) == []
    assert (the_watch().runs, the_watch().upto) == (0, 11)


def test_a_gate_that_becomes_worse_rolls_back(stage):
    finished_runs("good", "P" * 11)
    finished_runs("late", "PF")
    assert look(stage) == []

    finished_runs("bad", "F" * 3)
    (alarm,) = look(stage)

    assert (alarm.gate, alarm.floor) == ("A", 0.5)
    firing = TriggerFiring.objects.get()
    assert (firing.trigger.key, firing.outcome) == ("late-degradation", "done")
    assert Rollback.objects.get().trigger == "late-degradation"
    assert Stage.objects.get(pk=stage.pk).state == StageState.ROLLED_BACK
    assert LedgerEntry.objects.filter(verb=Verb.STAGE_DEGRADED_LATE).count() == 1
    assert look(stage) == []


def test_looking_often_is_the_same_as_looking_once(stage):
    finished_runs("good", "P" * 11)
    said = "PPFP"
    for number, each in enumerate(said):
        finished_runs(f"late-{number}", each)
        look(stage)
        look(stage)

    expected = Detector(0.5, LEAST).after_all(each == "P" for each in said)
    assert expected.alarmed_at is None
    found = the_watch()
    assert (found.runs, tuple(found.sums)) == (expected.runs, expected.sums)


def test_an_open_run_is_waited_for_and_then_left_out(stage):
    finished_runs("good", "P" * 11)
    service, _ = a_service()
    decide_for(KEY, {"run_id": "slow", **ASKED}, by=service, reason="")
    finished_runs("late", "P")
    look(stage)
    assert the_watch().upto == 11

    with time_machine.travel(clock.now() + timedelta(hours=3), tick=True):
        look(stage)

    assert (the_watch().upto, the_watch().runs) == (13, 1)


def test_another_floor_is_another_bet(stage):
    finished_runs("good", "P" * 12)
    look(stage)
    stage.refresh_from_db()
    stage.plan["floor"] = 0.6
    stage.save_as(actors.host(), reason="test")
    finished_runs("late", "P")
    look(stage)

    assert (the_watch().floor, the_watch().runs, the_watch().upto) == (0.6, 1, 13)


def test_a_trigger_that_is_only_tried_goes_on_watching(stage):
    edit("late-degradation", is_dry_run=True)
    finished_runs("good", "P" * 11)
    for batch in ("one", "two"):
        finished_runs(batch, "F" * 4)
        assert look(stage)

    outcomes = TriggerFiring.objects.values_list("outcome", flat=True)
    assert set(outcomes) == {"dry_run"}
    assert len(outcomes) >= 2
    assert Stage.objects.get(pk=stage.pk).state == StageState.RUNNING


def test_stages_are_watched_from_the_first_run_beyond_their_plan(stage):
    finished_runs("good", "P" * 11)
    watch.sweep()
    assert not Job.objects.filter(kind=watch.WATCH_JOB).exists()

    finished_runs("late", "P")
    watch.sweep()
    watch.sweep()

    assert Job.objects.filter(kind=watch.WATCH_JOB).count() == 1
