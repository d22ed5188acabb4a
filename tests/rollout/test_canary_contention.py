"""Stages move once, however many move them at once."""

import threading

import pytest
from django.db import connections

from portal.errors import Refusal
from portal.models import Authentication, LedgerEntry
from portal.services import actors, approvals
from rollout.domain.verbs import Verb
from rollout.models import Attempt, Evaluation, Rollback, Stage
from rollout.services import (
    decisions,
    evaluations,
    promotions,
    rollbacks,
    switch,
)
from tests.builders import an_actor
from tests.readiness import all_else_is_green
from tests.rollout.builders import (
    ASKED,
    KEY,
    a_running_stage,
    a_service,
    an_open_stage,
    finished_runs,
)
from tests.rollout.test_contention import in_threads

pytestmark = pytest.mark.django_db(transaction=True)
MANY = 32


def an_architect():
    return an_actor("architect", authenticated_by=Authentication.PASSWORD)


def refused(act):
    """The act, whose refusal is an answer."""

    def do() -> None:
        try:
            act()
        except Refusal:
            return

    return do


def a_promotion_asked_for() -> tuple[Stage, int]:
    stage = a_running_stage()
    all_else_is_green()
    asked = promotions.request_promotion(
        stage.pk, by=an_actor("engineer"), reason="fine"
    )
    return stage, asked.pk


def test_of_many_who_confirm_a_promotion_one_wins():
    _, asked = a_promotion_asked_for()
    people = [an_architect() for _ in range(MANY)]

    troubles = in_threads(
        *(
            refused(lambda by=by: approvals.confirm(asked, by=by, reason="fine"))
            for by in people
        )
    )

    assert troubles == []
    assert LedgerEntry.objects.filter(verb=Verb.STAGE_PROMOTED).count() == 1
    assert Attempt.objects.filter(ended_at=None).count() == 1
    states = Stage.objects.order_by("position").values_list("state", flat=True)
    assert list(states) == ["promoted", "running", "draft", "draft"]


def test_of_many_who_judge_at_once_one_keeps_the_judgement_and_moves_the_stage():
    stage = an_open_stage(promotes_by_itself=True)
    all_else_is_green()
    finished_runs("run", "P" * 11)
    system = actors.system()

    def judge() -> None:
        evaluations.evaluate(stage.pk, by=system, reason="t")

    assert in_threads(*[refused(judge)] * 8) == []
    assert Evaluation.objects.filter(mode="live", stage=stage).count() == 1
    assert LedgerEntry.objects.filter(verb=Verb.STAGE_PROMOTED).count() == 1


def test_of_many_who_roll_back_one_does():
    stage = a_running_stage()
    people = [an_actor("operator") for _ in range(8)]

    troubles = in_threads(
        *(
            refused(lambda by=by: rollbacks.roll_back(stage.pk, by=by, reason="smoke"))
            for by in people
        )
    )

    assert troubles == []
    assert Rollback.objects.count() == 1


@pytest.mark.parametrize("number", range(6))
def test_a_promotion_that_races_the_switch_never_ends_on(number):
    _, asked = a_promotion_asked_for()
    architect, operator = an_architect(), an_actor("operator")
    service, _ = a_service()
    start = threading.Barrier(2)

    def promote() -> None:
        start.wait()
        approvals.confirm(asked, by=architect, reason="fine")

    def throw() -> None:
        start.wait()
        switch.engage(KEY, by=operator, reason="smoke")

    assert in_threads(refused(promote), throw) == []

    connections.close_all()
    run = {"run_id": f"after-{number}"} | ASKED
    assert decisions.decide_for(KEY, run, by=service, reason="").reason == "KILL_SWITCH"
    assert Stage.objects.filter(state__in=["running", "promoted"]).exists()
