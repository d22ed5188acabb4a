import pytest
from django.db import IntegrityError, transaction

from portal.errors import Invalid, NotAllowed, WrongMoment
from portal.services import approvals
from rollout.domain.decisions import Reason
from rollout.domain.stages import StageState
from rollout.models import Attempt, Snapshot, Stage
from rollout.services import stages
from rollout.services.decisions import decide_for
from tests.builders import an_actor
from tests.rollout.builders import (
    ASKED,
    KEY,
    a_rollout,
    a_running_stage,
    a_service,
    approved_and_applied,
    confirmed,
    two_people,
)

pytestmark = pytest.mark.django_db


def decision_of(run_id: str, **changes):
    service, _ = a_service()
    return decide_for(
        KEY, {"run_id": run_id, **ASKED, **changes}, by=service, reason=""
    )


def test_a_new_portal_lets_nobody_in():
    a_rollout()

    assert decision_of("r1").reason == Reason.NOT_STARTED


def test_seeding_twice_makes_nothing_new():
    a_rollout()
    snapshots = Snapshot.objects.count()
    a_rollout()

    assert Snapshot.objects.count() == snapshots
    assert Stage.objects.count() == 4


def test_two_people_start_a_stage_and_an_attempt_begins():
    stage = a_running_stage()

    assert stage.state == StageState.RUNNING
    assert Attempt.objects.get().number == 1
    assert decision_of("r1").reason == Reason.ADMITTED


def test_a_token_asks_but_never_confirms():
    stage = a_rollout().stages.get(position=0)
    service, _ = a_service()
    asked = stages.request_start(stage.pk, by=an_actor("engineer"), reason="go")

    with pytest.raises(NotAllowed):
        approvals.confirm(asked.pk, by=service, reason="go")


def test_a_draft_stage_is_not_started():
    draft = a_rollout().stages.get(position=1)

    with pytest.raises(WrongMoment) as refusal:
        stages.request_start(draft.pk, by=an_actor("engineer"), reason="go")

    assert refusal.value.facts["possible"]


def test_one_stage_is_open_at_a_time_whoever_writes():
    a_running_stage()
    other = Stage.objects.get(position=1)
    other.state = StageState.RUNNING

    with pytest.raises(IntegrityError, match="one_stage"), transaction.atomic():
        other.save_as(an_actor("engineer"), reason="sneaky")


def test_a_hold_keeps_admitting_unless_told_otherwise():
    stage = a_running_stage()
    operator = an_actor("operator")

    stages.hold(stage.pk, by=operator, reason="looking")
    assert decision_of("r1").reason == Reason.ADMITTED
    stages.hold(stage.pk, by=operator, reason="stop", keeps_admitting=False)

    assert decision_of("r2").reason == Reason.STAGE_PAUSED


def test_a_weaker_hold_does_not_let_anybody_in_again():
    stage = a_running_stage()
    operator = an_actor("operator")
    stages.hold(stage.pk, by=operator, reason="stop", keeps_admitting=False)

    stages.hold(stage.pk, by=operator, reason="never mind")

    assert decision_of("r1").reason == Reason.STAGE_PAUSED


def test_two_people_end_a_hold():
    stage = a_running_stage()
    engineer, _ = two_people()
    stages.hold(stage.pk, by=engineer, reason="stop", keeps_admitting=False)

    confirmed(stages.request_resume(stage.pk, by=engineer, reason="fine again"))

    stage.refresh_from_db()
    assert (stage.state, stage.is_admitting) == (StageState.RUNNING, True)


def test_narrowing_is_done_at_once_and_widening_waits_for_a_second_person():
    stage = a_running_stage()
    engineer, _ = two_people()

    narrowed = stages.set_coverage(stage.pk, 10, by=engineer, reason="careful")
    asked = stages.set_coverage(stage.pk, 50, by=engineer, reason="bolder")

    assert (narrowed.state, asked.state) == ("applied", "open")
    stage.refresh_from_db()
    assert stage.coverage == 10
    approved_and_applied(asked)
    stage.refresh_from_db()
    assert stage.coverage == 50


@pytest.mark.parametrize("coverage", [-1, 101, "many", None])
def test_a_coverage_that_is_none_is_refused(coverage):
    stage = a_running_stage()

    with pytest.raises(Invalid):
        stages.set_coverage(stage.pk, coverage, by=an_actor("engineer"), reason="x")
