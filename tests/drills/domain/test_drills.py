"""When a drill passes, when it counts, and until when."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as some

from drills.domain import drills, hand_logs, scenarios
from drills.domain.drills import (
    COUNTS,
    MOVES,
    VALID_FOR,
    WARNS_FOR,
    Act,
    Done,
    Facts,
    Outcome,
    State,
    Terms,
    Validity,
)
from drills.domain.hand_logs import Logged
from drills.domain.scenarios import PLANS, Phase, Scenario
from portal.errors import Invalid, NotAllowed, WrongMoment
from rollout.domain.scanning import Verdict

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
GOOD = Facts(
    state=State.PASSED,
    ended_at=NOW,
    is_observed=True,
    captured=7,
    scan=Verdict.CLEAN,
    fingerprint="sha256:a",
    environment="production",
)
TERMS = Terms(NOW, "sha256:a", "production")


def test_a_drill_that_passed_was_observed_captured_and_clean_counts():
    assert drills.lacking(GOOD) == []
    assert drills.validity(GOOD, TERMS)[0] == Validity.VALID


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"state": State.FAILED}, "failed"),
        ({"state": State.ABORTED}, "aborted"),
        ({"state": State.RUNNING, "ended_at": None}, "running"),
        ({"is_observed": False}, "observer"),
        ({"captured": 0}, "captured"),
        ({"scan": None}, "not scanned"),
        ({"scan": Verdict.FLAGGED}, "flagged"),
        ({"scan": Verdict.UNSCANNABLE}, "unscannable"),
    ],
)
def test_without_any_of_these_it_does_not_count(change, says):
    validity, why = drills.validity(replace(GOOD, **change), TERMS)

    assert validity == Validity.NOT_COUNTED
    assert says in why


def test_it_counts_for_thirty_days_and_says_so_when_they_are_nearly_over():
    def after(age: timedelta) -> Validity:
        return drills.validity(GOOD, replace(TERMS, now=NOW + age))[0]

    second = timedelta(seconds=1)
    assert after(VALID_FOR - WARNS_FOR - second) == Validity.VALID
    assert after(VALID_FOR - WARNS_FOR) == Validity.DUE_SOON
    assert after(VALID_FOR - second) == Validity.DUE_SOON
    assert after(VALID_FOR) == Validity.EXPIRED


def test_another_configuration_or_environment_makes_it_say_nothing():
    for terms in (
        replace(TERMS, fingerprint="sha256:b"),
        replace(TERMS, environment="staging"),
    ):
        assert drills.validity(GOOD, terms)[0] == Validity.INVALIDATED


@given(
    state=some.sampled_from(State),
    is_observed=some.booleans(),
    captured=some.integers(0, 3),
    scan=some.sampled_from([None, *Verdict]),
    age=some.timedeltas(timedelta(0), timedelta(days=60)),
    fingerprint=some.sampled_from(["sha256:a", "sha256:b"]),
    environment=some.sampled_from(["production", "staging"]),
)
def test_nothing_but_the_whole_of_it_counts(
    state, is_observed, captured, scan, age, fingerprint, environment
):
    facts = Facts(
        state=state,
        ended_at=NOW,
        is_observed=is_observed,
        captured=captured,
        scan=scan,
        fingerprint=fingerprint,
        environment=environment,
    )

    validity, _ = drills.validity(facts, replace(TERMS, now=NOW + age))

    assert (validity in COUNTS) == (
        state == State.PASSED
        and is_observed
        and captured > 0
        and scan == Verdict.CLEAN
        and age < VALID_FOR
        and (fingerprint, environment) == ("sha256:a", "production")
    )


def test_whoever_conducts_does_not_observe():
    drills.check_observer(1, 2)
    drills.check_observer(None, 2)  # the host conducted

    with pytest.raises(NotAllowed) as refused:
        drills.check_observer(1, 1)
    assert refused.value.code == "OBSERVER_IS_CONDUCTOR"
    with pytest.raises(NotAllowed):
        drills.check_observer(1, None)


def test_a_verdict_is_never_taken_back():
    for state, act in product(State, Act):
        if (state, act) in MOVES:
            assert drills.after(state, act) == MOVES[state, act]
        else:
            with pytest.raises(WrongMoment):
                drills.after(state, act)
    assert not {state for state, _ in MOVES} & set(drills.VERDICTS)


def done(outcome: Outcome) -> Done:
    return Done("Pause it.", outcome, "it did not")


@given(some.lists(some.sampled_from(Outcome), min_size=1, max_size=12))
def test_it_passes_only_when_every_step_went_as_expected(outcomes):
    act, against = drills.verdict([done(each) for each in outcomes], planned=12)

    is_whole = len(outcomes) == 12 and set(outcomes) == {Outcome.AS_EXPECTED}
    assert (act == Act.PASS) == is_whole
    assert bool(against) != is_whole


def test_of_several_scans_the_worst_counts():
    assert drills.worst([]) is None
    assert drills.worst([Verdict.CLEAN, Verdict.CLEAN]) == Verdict.CLEAN
    assert drills.worst([Verdict.CLEAN, Verdict.BLOCKED]) == Verdict.BLOCKED
    assert drills.worst([Verdict.UNSCANNABLE, Verdict.CLEAN]) == Verdict.UNSCANNABLE


@pytest.mark.parametrize("plan", PLANS.values(), ids=list(PLANS))
def test_every_scenario_looks_before_and_after_scans_and_goes_back(plan):
    names = [step.name for step in plan.steps]
    phases = [step.phase for step in plan.steps]

    assert phases == sorted(phases, key=list(Phase).index)
    assert set(phases) == set(Phase)
    assert "capture_before" in names
    assert {"compare", "scan"} <= {step.name for step in plan.of(Phase.AFTER)}
    rollback = [step.name for step in plan.of(Phase.ROLLBACK)]
    assert rollback == ["end_process", "close_twin"]
    assert all(step.target_s > 0 for step in plan.steps)


def test_there_is_a_plan_for_every_scenario():
    assert set(PLANS) == set(Scenario)
    assert scenarios.SUMMARY.endswith(b"run standard workflow.\n")


def a_step(**said: object) -> Logged:
    plain = Logged(
        does="Paused it",
        expects="It pauses",
        actual="It paused",
        is_as_expected=True,
        started_at=NOW,
        ended_at=NOW + timedelta(minutes=1),
    )
    return replace(plain, **said)


def log(*steps: Logged, minutes: int = 5) -> None:
    ended_at = NOW + timedelta(minutes=minutes)
    hand_logs.check(
        steps, started_at=NOW, ended_at=ended_at, now=NOW + timedelta(hours=1)
    )


def test_a_log_by_hand_has_steps_in_the_order_of_their_times():
    log(
        a_step(),
        a_step(
            started_at=NOW + timedelta(minutes=2), ended_at=NOW + timedelta(minutes=3)
        ),
    )

    later = a_step(
        started_at=NOW + timedelta(minutes=2), ended_at=NOW + timedelta(minutes=3)
    )
    for bad in (
        [],
        [a_step(actual="  ")],
        [later, a_step()],
        [a_step(ended_at=NOW + timedelta(minutes=6))],
        [a_step(started_at=NOW - timedelta(minutes=1))],
    ):
        with pytest.raises(Invalid) as refused:
            log(*bad)
        assert refused.value.code == "DRILL_LOG_INVALID"
        assert refused.value.facts["errors"]


def test_a_log_by_hand_is_not_about_what_is_to_come():
    with pytest.raises(Invalid):
        log(a_step(), minutes=90)
