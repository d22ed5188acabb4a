"""A stage's evidence is judged, and the stage moves by it."""

import json
from collections.abc import Iterator
from datetime import timedelta
from itertools import count, islice

import pytest
import time_machine
from django.core.management import call_command

from portal import clock
from portal.errors import Conflict, NotAllowed, WrongMoment
from portal.models import LedgerEntry
from portal.services import actors
from rollout.domain.bucketing import bucket
from rollout.domain.freezes import Scope
from rollout.domain.judgements import Verdict
from rollout.domain.stages import StageState
from rollout.domain.verbs import Verb
from rollout.models import (
    Attempt,
    Directive,
    Evaluation,
    Freeze,
    Reconciliation,
    Rollback,
    Run,
    Stage,
)
from rollout.services import (
    artifacts,
    documents,
    evaluations,
    events,
    evidence,
    flags,
    freezes,
    promotions,
    readiness,
    reviews,
    rollbacks,
    stages,
    switch,
    vault,
)
from rollout.services.decisions import decide_for
from tests.builders import an_actor, the_last_line
from tests.readiness import all_else_is_green
from tests.rollout.builders import (
    ASKED,
    KEY,
    a_finished_run,
    a_rollout,
    a_running_stage,
    a_service,
    an_open_stage,
    approved_and_applied,
    confirmed,
    finished_runs,
)
from tests.rollout.documents import a_manifest, an_event, lines, raw

pytestmark = pytest.mark.django_db


def judge(stage) -> Evaluation:
    return evaluations.evaluate(stage.pk, by=actors.system(), reason="test")


def state_of(stage) -> str:
    return Stage.objects.get(pk=stage.pk).state


def a_proven_stage(**plan) -> Stage:
    """A stage that has shown its bar, with everything else green too."""
    stage = an_open_stage(**plan)
    all_else_is_green()
    finished_runs("run", "P" * 11)
    judge(stage)
    stage.refresh_from_db()
    return stage


def start_again(stage) -> None:
    rollbacks.roll_back(stage.pk, by=an_actor("operator"), reason="a look at it")
    for freeze in Freeze.objects.all():
        freezes.lift(freeze.pk, by=an_actor("architect"), reason="looked at")
    confirmed(stages.request_start(stage.pk, by=an_actor("engineer"), reason="again"))


def promote(stage, **how) -> None:
    confirmed(
        promotions.request_promotion(
            stage.pk, by=an_actor("engineer"), reason="proven", **how
        )
    )


def inside(stage, percent: int) -> Iterator[str]:
    """Runs whose bucket is within a coverage."""
    for number in count():
        if bucket(stage.rollout.salt, f"run-{number}") < percent * 100:
            yield f"run-{number}"


# Judging


def test_evidence_is_collected_until_it_shows_the_bar():
    stage = an_open_stage()
    all_else_is_green()
    finished_runs("run", "P" * 10)
    assert judge(stage).verdict == Verdict.COLLECT
    assert state_of(stage) == StageState.RUNNING

    finished_runs("last", "P")

    found = judge(stage)
    assert (found.verdict, found.judged_runs) == (Verdict.PROMOTE, 11)
    assert state_of(stage) == StageState.PROMOTABLE
    assert "11 of 11 passed; this proves at least 70 %" in found.sentence


def test_judging_again_without_news_keeps_nothing():
    stage = an_open_stage()
    finished_runs("run", "P" * 3)
    first = judge(stage)

    assert judge(stage) == first
    assert Evaluation.objects.filter(mode="live").count() == 1


def test_a_run_that_ends_has_its_stage_judged_by_a_worker(carry_out_jobs):
    stage = an_open_stage()
    finished_runs("run", "PP")

    carry_out_jobs()

    found = Evaluation.objects.get(stage=stage, mode="live")
    assert (found.verdict, found.judged_runs) == (Verdict.COLLECT, 2)


def test_what_finishes_early_waits_for_what_started_before_it():
    stage = an_open_stage()
    service, _ = a_service()
    decide_for(KEY, {"run_id": "slow", **ASKED}, by=service, reason="")
    finished_runs("run", "P" * 11)
    assert judge(stage).judged_runs == 0

    late = clock.now() + timedelta(hours=3)
    with time_machine.travel(late, tick=True):
        found = judge(stage)

    assert found.judged_runs == 12  # open for too long: unknown, and no pass
    assert found.verdict != Verdict.PROMOTE


def test_an_evaluation_is_computed_again_from_its_row():
    stage = a_proven_stage()
    found = evidence.latest(stage.attempts.get())

    assert evaluations.recompute(found) == []
    forged = json.loads(found.body)
    forged["judgement"]["verdict"] = "roll_back"
    found.body = json.dumps(forged)
    assert evaluations.recompute(found) == ["/digest"]


def test_evidence_of_another_configuration_does_not_count():
    stage = a_proven_stage()
    found = evidence.latest(stage.attempts.get())
    flag = stage.rollout.flags.get(key="PAI_DR_CLI_MAX_WAVE1_AGENTS")
    flags.change_default(flag.pk, 3, by=an_actor("engineer"), reason="other")

    with pytest.raises(Conflict) as refusal:
        evidence.check_own(found, stages.open_attempt(stage))
    assert refusal.value.code == "FOREIGN_FINGERPRINT"
    with pytest.raises(Conflict):
        promote(stage)
    assert judge(stage).judged_runs == 0


# Promotion


def test_two_people_promote_what_is_proven_and_the_next_stage_begins():
    stage = a_proven_stage()

    promote(stage)

    assert state_of(stage) == StageState.PROMOTED
    after = Stage.objects.get(position=2)
    assert after.state == StageState.RUNNING
    assert Attempt.objects.filter(ended_at=None).get().stage == after
    assert LedgerEntry.objects.filter(verb=Verb.STAGE_PROMOTED).count() == 1


def test_an_optional_stage_can_be_passed_over():
    stage = a_proven_stage()

    promote(stage, to="broad-rollout")

    broad = Stage.objects.get(position=3)
    assert (broad.state, broad.coverage) == (StageState.RUNNING, 5)


def test_a_plan_may_promote_by_itself():
    stage = an_open_stage(promotes_by_itself=True)
    all_else_is_green()
    finished_runs("run", "P" * 11)

    judge(stage)

    assert state_of(stage) == StageState.PROMOTED


@pytest.mark.parametrize(
    ("spoil", "lacks"),
    [
        (lambda: None, "On call"),
        (
            lambda: (
                all_else_is_green(),
                freezes.freeze(
                    KEY,
                    Scope.EXPANSION,
                    clock.now() + timedelta(hours=1),
                    by=an_actor("operator"),
                    reason="holiday",
                ),
            ),
            "holiday",
        ),
        (
            lambda: (
                all_else_is_green(),
                switch.engage(KEY, by=an_actor("operator"), reason="smoke"),
            ),
            "smoke",
        ),
    ],
    ids=["nobody on call", "frozen", "switched off"],
)
def test_proven_evidence_is_not_enough(spoil, lacks):
    stage = an_open_stage()
    finished_runs("run", "P" * 11)
    spoil()
    found = judge(stage)

    assert found.verdict == Verdict.AWAIT_APPROVAL
    with pytest.raises(WrongMoment) as refusal:
        promote(stage)
    assert lacks in str(refusal.value)
    assert state_of(stage) == StageState.PROMOTABLE


def test_what_is_lost_between_asking_and_confirming_is_noticed():
    stage = a_proven_stage()
    asked = promotions.request_promotion(
        stage.pk, by=an_actor("engineer"), reason="proven"
    )
    with time_machine.travel(clock.now() + timedelta(hours=23, minutes=59), tick=True):
        freezes.freeze(
            KEY,
            Scope.EXPANSION,
            clock.now() + timedelta(hours=1),
            by=an_actor("operator"),
            reason="later",
        )
        with pytest.raises(WrongMoment):
            confirmed(asked)


def test_a_stage_that_is_not_promotable_is_not_promoted():
    stage = an_open_stage()
    all_else_is_green()

    with pytest.raises(WrongMoment):
        promote(stage)


def test_a_stage_that_a_person_judges_is_promoted_when_all_else_is_green():
    stage = a_running_stage()
    with pytest.raises(WrongMoment, match="on call"):
        promote(stage)

    all_else_is_green()
    promote(stage)

    assert state_of(stage) == StageState.PROMOTED
    assert Stage.objects.get(position=1).state == StageState.RUNNING


def test_an_unreviewed_failure_stands_in_the_way_until_somebody_has_looked():
    stage = an_open_stage()
    all_else_is_green()
    finished_runs("run", "F" + "P" * 40)
    assert judge(stage).verdict == Verdict.AWAIT_APPROVAL

    reviews.review_failure(
        KEY, "run-0", "A", by=an_actor("engineer"), reason="a typo in the prompt"
    )

    assert the_last_line()[1:] == (Verb.FAILURE_REVIEWED, "a typo in the prompt")
    assert judge(stage).verdict == Verdict.PROMOTE
    with pytest.raises(WrongMoment):
        reviews.review_failure(KEY, "run-1", "A", by=an_actor("qa"), reason="x")


def test_coverage_widens_step_by_step_when_the_evidence_has_shown_the_bar():
    stage = an_open_stage(coverage_steps=(50, 100))
    all_else_is_green()
    with pytest.raises(WrongMoment) as refusal:
        stages.set_coverage(stage.pk, 100, by=an_actor("engineer"), reason="bolder")
    assert refusal.value.code == "STAGE_NOT_PROVEN"
    for run_id in islice(inside(stage, 50), 11):
        a_finished_run(run_id)
    judge(stage)

    with pytest.raises(WrongMoment, match="Coverage"):
        promote(stage)
    approved_and_applied(
        stages.set_coverage(stage.pk, 100, by=an_actor("engineer"), reason="proven")
    )
    promote(stage)

    assert state_of(stage) == StageState.PROMOTED


def test_no_step_of_the_coverage_is_passed_over():
    stage = an_open_stage(coverage_steps=(10, 50, 100))
    all_else_is_green()
    for run_id in islice(inside(stage, 10), 11):
        a_finished_run(run_id)
    judge(stage)
    assert state_of(stage) == StageState.PROMOTABLE
    engineer = an_actor("engineer")

    with pytest.raises(WrongMoment) as refusal:
        stages.set_coverage(stage.pk, 100, by=engineer, reason="bolder")

    assert refusal.value.code == "STEP_PASSED_OVER"
    assert "10 % to 50 %" in str(refusal.value)
    approved_and_applied(
        stages.set_coverage(stage.pk, 50, by=engineer, reason="the next one")
    )


def test_starting_again_begins_with_the_first_step_of_the_coverage():
    stage = an_open_stage(coverage_steps=(100,))
    assert stage.coverage == 100
    edited = stage.plan | {"coverage_steps": [5, 100]}
    stage.plan = edited
    stage.save_as(an_actor("engineer"), reason="smaller steps")

    start_again(stage)

    assert Stage.objects.get(pk=stage.pk).coverage == 5


# What is held because of its sample


def test_a_stage_whose_sample_is_off_starts_anew_and_does_not_just_go_on():
    stage = an_open_stage(coverage_steps=(10, 100))
    all_else_is_green()
    # Nobody whom the coverage leaves out ever asks.
    for run_id in islice(inside(stage, 10), 12):
        a_finished_run(run_id)
    with time_machine.travel(clock.now() + timedelta(minutes=1)):
        judge(stage)
    assert state_of(stage) == StageState.HOLDING

    with pytest.raises(WrongMoment) as refusal:
        stages.request_resume(stage.pk, by=an_actor("engineer"), reason="go on")

    assert refusal.value.code == "SAMPLE_RATIO_OFF"
    assert refusal.value.facts["possible"] == ["roll back"]
    start_again(stage)
    assert state_of(stage) == StageState.RUNNING


# Setting aside


def test_a_stage_that_is_set_aside_is_led_to_and_passed_over_by_nobody():
    stage = a_proven_stage()
    sandbox, broad = Stage.objects.filter(position__in=(2, 3))
    assert promotions.targets(stage) == [sandbox, broad]

    stages.disable(sandbox.pk, by=an_actor("operator"), reason="no sandbox here")
    assert promotions.targets(stage) == [broad]  # the sandbox is optional
    stages.disable(broad.pk, by=an_actor("operator"), reason="not yet")

    assert promotions.targets(stage) == []
    with pytest.raises(WrongMoment, match="no later one"):
        promote(stage)


def test_two_people_put_back_what_was_set_aside():
    an_open_stage()
    stage = Stage.objects.get(position=3)
    stages.disable(stage.pk, by=an_actor("operator"), reason="not yet")
    with pytest.raises(WrongMoment):
        stages.request_start(stage.pk, by=an_actor("engineer"), reason="go")

    confirmed(stages.request_enable(stage.pk, by=an_actor("engineer"), reason="now"))

    assert state_of(stage) == StageState.READY


def test_an_open_stage_is_not_set_aside():
    stage = an_open_stage()

    with pytest.raises(WrongMoment):
        stages.disable(stage.pk, by=an_actor("operator"), reason="away with it")


# Rolling back


def test_a_bad_stage_goes_back_to_the_last_stable_one_by_itself(carry_out_jobs):
    first = a_running_stage()
    all_else_is_green()
    promote(first)
    finished_runs("bad", "F" * 20)

    while carry_out_jobs():
        pass

    assert state_of(Stage.objects.get(position=1)) == StageState.ROLLED_BACK
    assert state_of(first) == StageState.RUNNING
    rollback = Rollback.objects.get()
    assert (rollback.to_stage, rollback.trigger) == (first, "statistics")
    assert Reconciliation.objects.get(rollback=rollback).is_clean
    assert Freeze.objects.get().scope == Scope.EXPANSION
    assert first.attempts.count() == 2


def test_one_hard_failure_is_enough_where_the_plan_says_so():
    stage = a_running_stage()
    a_finished_run("bad", failed="B", passed="A")

    judge(stage)

    assert state_of(stage) == StageState.ROLLED_BACK
    assert Rollback.objects.get().to_stage is None
    service, _ = a_service()
    decision = decide_for(KEY, {"run_id": "next", **ASKED}, by=service, reason="")
    assert decision.reason == "NOT_STARTED"


def test_a_person_rolls_back_at_once_and_open_runs_are_sent_away(carry_out_jobs):
    stage = an_open_stage()
    service, _ = a_service()
    for number in range(3):
        run_id = f"open-{number}"
        decide_for(KEY, {"run_id": run_id, **ASKED}, by=service, reason="")
        artifacts.store(KEY, run_id, "a.md", [b"kept"], by=service, reason="")
        events.receive(KEY, run_id, lines(an_event(1, run_id)), by=service, reason="")
        documents.receive_manifest(
            KEY, run_id, raw(a_manifest(run_id)), by=service, reason=""
        )

    rollback = rollbacks.roll_back(stage.pk, by=an_actor("operator"), reason="smoke")
    while carry_out_jobs():
        pass
    rollbacks.direct_affected(rollback.pk, by=actors.system(), reason="again")
    rollbacks.reconcile_rollback(rollback.pk, by=actors.system(), reason="again")

    assert rollback.affected_runs == 3
    assert set(Run.objects.values_list("status", flat=True)) == {"cancelled"}
    assert Directive.objects.filter(kind="reroute").count() == 3
    report = Reconciliation.objects.get()
    assert report.is_clean
    assert report.counts["artifacts"] == {"before": 3, "found": 3}
    assert report.counts["events"] == {"before": 3, "found": 3}
    again = rollbacks.roll_back(stage.pk, by=an_actor("operator"), reason="again")
    assert again is None


def test_a_reconciliation_names_what_was_lost(carry_out_jobs):
    stage = an_open_stage()
    service, _ = a_service()
    decide_for(KEY, {"run_id": "open", **ASKED}, by=service, reason="")
    stored, _ = artifacts.store(KEY, "open", "a.md", [b"lost"], by=service, reason="")
    rollback = rollbacks.roll_back(stage.pk, by=an_actor("operator"), reason="smoke")
    path = vault.path_of(stored.digest)
    path.chmod(0o600)
    path.write_bytes(b"LOST")

    found = rollbacks.reconcile_rollback(rollback.pk, by=actors.system(), reason="done")

    assert not found.is_clean
    assert found.missing[0]["name"] == "a.md version 1"


def test_starting_again_launders_nothing():
    stage = an_open_stage()
    finished_runs("bad", "F" * 4 + "P" * 10)
    before = judge(stage)
    start_again(stage)

    after = judge(stage)

    assert after.attempt != before.attempt
    assert after.judged_runs == before.judged_runs == 14


def test_starting_again_launders_no_run_that_hung_before_it_told_its_version():
    stage = an_open_stage()
    service, _ = a_service()
    for number in range(3):
        decide_for(KEY, {"run_id": f"hung-{number}", **ASKED}, by=service, reason="")
    finished_runs("good", "P" * 11, system_version="2.1")
    with time_machine.travel(clock.now() + timedelta(hours=3), tick=True):
        before = judge(stage)
        start_again(stage)

        after = judge(stage)

    assert after.attempt != before.attempt
    assert after.judged_runs == before.judged_runs == 14
    assert after.verdict != Verdict.PROMOTE
    unknown = [json.loads(each.body)["judgement"]["proofs"] for each in (before, after)]
    assert [proofs[0]["unknown"] for proofs in unknown] == [3, 3]


def test_a_hold_that_stands_is_among_what_a_promotion_lacks():
    stage = a_proven_stage()
    stages.hold(stage.pk, by=an_actor("qa", name="Quinn"), reason="wait for me")

    held = judge(stage)
    confirmed(stages.request_resume(stage.pk, by=an_actor("engineer"), reason="go on"))
    resumed = judge(stage)

    assert evaluations.loaded(held).facts.missing == (
        "Hold: the stage is on hold by Quinn: wait for me",
    )
    assert held.verdict == Verdict.AWAIT_APPROVAL
    assert evaluations.loaded(resumed).facts.missing == ()
    assert state_of(stage) == StageState.PROMOTABLE


def test_a_check_that_asks_nothing_is_grey_and_stands_in_nobodys_way():
    stage = a_rollout().stages.get(position=0)
    closed = readiness.failures_reviewed(stage)
    stage = an_open_stage()
    before = readiness.failures_reviewed(stage)
    finished_runs("run", "PF")
    failed = readiness.failures_reviewed(stage)
    reviews.review_failure(KEY, "run-1", "A", by=an_actor("qa"), reason="A bad day.")
    after = readiness.failures_reviewed(stage)

    assert [each.light for each in (closed, before, failed, after)] == [
        *("grey", "grey", "red", "green"),
    ]
    assert closed.is_met
    assert "nothing to review" in before.says


def test_a_stage_holds_when_its_runs_take_back_what_they_proved():
    stage = an_open_stage(floor=0.05)
    all_else_is_green()
    finished_runs("good", "P" * 11)
    judge(stage)
    assert state_of(stage) == StageState.PROMOTABLE

    finished_runs("bad", "F" * 20)

    assert "had proved at least 70 %, and do not any more" in judge(stage).sentence
    assert state_of(stage) == StageState.HOLDING
    start_again(stage)
    assert judge(stage).verdict == Verdict.HOLD


def test_who_may_not_roll_back_does_not():
    stage = an_open_stage()

    with pytest.raises(NotAllowed):
        rollbacks.roll_back(stage.pk, by=an_actor("auditor"), reason="x")


# Freezes


def test_a_freeze_stops_expansion_and_nothing_towards_safety():
    stage = an_open_stage(coverage_steps=(100,))
    operator = an_actor("operator")
    frozen = freezes.freeze(
        KEY,
        Scope.EXPANSION,
        clock.now() + timedelta(hours=1),
        by=operator,
        reason="holiday",
    )
    stages.set_coverage(stage.pk, 40, by=operator, reason="narrower")
    stages.hold(stage.pk, by=operator, reason="stop")
    with pytest.raises(WrongMoment) as refusal:
        stages.request_resume(stage.pk, by=operator, reason="go on")
    assert refusal.value.code == "FROZEN"

    with pytest.raises(NotAllowed):
        freezes.lift(frozen.pk, by=an_actor("engineer"), reason="mine now")
    freezes.lift(frozen.pk, by=operator, reason="over")
    stages.request_resume(stage.pk, by=operator, reason="go on")


def test_readiness_says_what_lacks_and_where_to_mend_it():
    stage = an_open_stage()

    found = {check.name: check for check in readiness.checks(stage)}

    assert found["On call"].light == "red"
    assert found["On call"].link
    all_else_is_green()
    with time_machine.travel(clock.now() + timedelta(hours=23), tick=True):
        soon = {check.name: check for check in readiness.checks(stage)}["On call"]
        assert (soon.light, soon.is_met) == ("amber", True)
    with time_machine.travel(clock.now() + timedelta(hours=25), tick=True):
        over = {check.name: check for check in readiness.checks(stage)}["On call"]
        assert not over.is_met


def test_every_evaluation_comes_out_the_same_on_the_command_line(capsys):
    a_proven_stage()

    call_command("recompute_evaluations", "--json")

    assert json.loads(capsys.readouterr().out)["differences"] == []
