"""Going on by the plan, coming back from a hold, and what a refusal tells."""

from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from portal import clock
from portal.errors import WrongMoment
from portal.services import actors
from rollout.domain.bucketing import bucket
from rollout.domain.judgements import Verdict
from rollout.domain.stages import StageState
from rollout.models import Run, Stage
from rollout.services import (
    evidence,
    promotions,
    readiness,
    reviews,
    rollbacks,
    stages,
)
from tests.builders import an_actor
from tests.readiness import all_else_is_green
from tests.rollout.builders import (
    KEY,
    a_finished_run,
    an_open_stage,
    approved_and_applied,
    confirmed,
    finished_runs,
)
from tests.rollout.test_canary_stages import (
    a_proven_stage,
    judge,
    promote,
    state_of,
)

pytestmark = pytest.mark.django_db


def runs_within(stage: Stage, percentage: int, count: int) -> None:
    """Good runs of units that are in at this coverage."""
    names = (f"run-{number}" for number in range(1000))
    inside = (
        each for each in names if bucket(stage.rollout.salt, each) < percentage * 100
    )
    for _ in range(count):
        a_finished_run(next(inside))


# By the plan


def test_what_goes_by_plan_waits_for_its_last_step_of_coverage():
    stage = an_open_stage(promotes_by_itself=True, coverage_steps=(50, 100))
    all_else_is_green()
    runs_within(stage, 50, 11)

    assert judge(stage).verdict == Verdict.PROMOTE
    assert state_of(stage) == StageState.PROMOTABLE

    approved_and_applied(
        stages.set_coverage(stage.pk, 100, by=an_actor("engineer"), reason="proven")
    )
    judge(stage)
    assert state_of(stage) == StageState.PROMOTED


def test_the_last_stage_is_judged_although_its_plan_would_go_on():
    stage = an_open_stage(position=3, promotes_by_itself=True)
    all_else_is_green()
    finished_runs("run", "P" * 11)

    assert judge(stage).verdict == Verdict.AWAIT_APPROVAL  # gate F is not signed
    assert state_of(stage) == StageState.PROMOTABLE


def test_a_plan_does_not_go_back_by_itself_into_what_was_rolled_back():
    stage = an_open_stage(promotes_by_itself=True)
    all_else_is_green()
    finished_runs("run", "P" * 11)
    judge(stage)
    later = Stage.objects.get(position=2)
    assert state_of(later) == StageState.RUNNING
    rollbacks.roll_back(later.pk, by=an_actor("operator"), reason="smoke")

    with time_machine.travel(clock.now() + timedelta(hours=30), tick=True):
        all_else_is_green()  # and the freeze is over
        found = judge(stage)

        assert found.verdict == Verdict.PROMOTE
        assert state_of(stage) == StageState.PROMOTABLE
        with pytest.raises(WrongMoment) as refusal:
            promotions.promote_by_plan(stage.pk, by=actors.system(), reason="again")
        assert refusal.value.code == "APPROVAL_REQUIRED"
        promote(stage)
        assert state_of(later) == StageState.RUNNING


# After a hold


def test_a_proven_stage_is_promotable_again_after_a_hold_without_another_run():
    stage = a_proven_stage()
    stages.hold(stage.pk, by=an_actor("operator"), reason="a look")
    assert judge(stage).verdict == Verdict.AWAIT_APPROVAL
    assert state_of(stage) == StageState.HOLDING

    confirmed(stages.request_resume(stage.pk, by=an_actor("engineer"), reason="fine"))
    assert judge(stage).verdict == Verdict.PROMOTE

    assert state_of(stage) == StageState.PROMOTABLE


# What stands in the way


def test_what_is_not_promotable_is_refused_with_its_numbers():
    stage = an_open_stage()
    all_else_is_green()
    finished_runs("run", "PPF")
    judge(stage)

    with pytest.raises(WrongMoment) as refusal:
        promote(stage)

    assert "running cannot promote" in str(refusal.value)
    assert "2 of 3 passed; this does not prove at least 70 %" in str(refusal.value)
    assert refusal.value.facts["state"] == StageState.RUNNING


def test_a_review_leads_to_the_act_and_ends_that_failure_only():
    stage = an_open_stage()
    a_finished_run("both", passed="CDEF", failed="AB")
    a_finished_run("one", passed="BCDEF", failed="A")
    both = Run.objects.get(run_id="both")

    check = readiness.failures_reviewed(stage)
    assert "gate A of both and 2 more failed" in check.says
    assert check.link == f"/admin/rollout/run/{both.pk}/act/review_A/"

    reviews.review_failure(KEY, "both", "A", by=an_actor("qa"), reason="seen")
    check = readiness.failures_reviewed(stage)
    assert "gate B of both and 1 more failed" in check.says
    assert check.link == f"/admin/rollout/run/{both.pk}/act/review_B/"


def test_of_many_failures_only_the_first_open_ones_are_read(monkeypatch):
    stage = an_open_stage(max_runs=50)
    attempt = stages.open_attempt(stage)
    finished_runs("bad", "FFFFF")
    monkeypatch.setattr(evidence, "MOST_UNREVIEWED", 3)
    with CaptureQueriesContext(connection) as seen:
        found = evidence.unreviewed(attempt)
    assert [run.run_id for run, _ in found] == ["bad-0", "bad-1", "bad-2"]
    assert len(seen) == 2
    assert "and at least 2 more" in readiness.failures_reviewed(stage).says

    for number in range(3):
        reviews.review_failure(
            KEY, f"bad-{number}", "A", by=an_actor("qa"), reason="seen"
        )

    found = evidence.unreviewed(attempt)
    assert [run.run_id for run, _ in found] == ["bad-3", "bad-4"]
    assert "and 1 more" in readiness.failures_reviewed(stage).says
