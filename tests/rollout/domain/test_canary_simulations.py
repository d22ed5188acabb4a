"""Whole stages, simulated from fixed seeds, with what happens when a rule is left out.

Every bound is an upper confidence bound on the estimate; every naive rule is there to
show that the simulation would notice.
"""

from dataclasses import replace
from random import Random

from rollout.domain.boundary import failures_allowed
from rollout.domain.canary import judge
from rollout.domain.criteria import Criteria
from rollout.domain.eprocess import Claim, EProcess
from rollout.domain.evidence import Restarts, RunFacts
from rollout.domain.judgements import Verdict
from rollout.domain.runs import RunStatus
from tests.rollout.evidence import (
    BEGAN,
    MINUTE,
    a_row,
    a_run,
    asking,
    facts_of,
    outcomes,
    rate_of,
)

EASY = {"bar": 0.7}  # eleven passes promote, so that stages are short


def is_promoted(runs: list[RunFacts], criteria: Criteria, **facts) -> bool:
    return judge(facts_of(runs, **facts), criteria).verdict == Verdict.PROMOTE


def test_of_200_systems_exactly_at_the_bar_at_most_18_are_promoted():
    random = Random(2026)
    promoted = sum(
        is_promoted(a_row(outcomes(random, 0.9, 300)), asking()) for _ in range(200)
    )

    assert promoted <= 18


def test_a_system_that_is_better_than_the_bar_is_promoted():
    def is_held_back(random: Random) -> bool:
        return not is_promoted(a_row(outcomes(random, 0.98, 300)), asking())

    assert rate_of(is_held_back, 200, seed=3) <= 0.05


def test_whoever_stops_at_the_best_moment_gains_nothing():
    """Looking after every run, up to 1,500 of them."""
    allowed = failures_allowed(0.9, alpha=0.05, runs=1500)

    def is_ever_promoted(random: Random) -> bool:
        failures = 0
        for n in range(1, 1501):
            failures += random.random() >= 0.9
            if failures <= allowed[n]:
                return True
        return False

    assert rate_of(is_ever_promoted, 2500, seed=4) <= 0.06


def test_a_rate_that_changes_below_the_bar_is_not_taken_for_one_above_it():
    """It is at the bar while that helps, and lets go when it has little to win."""
    allowed = failures_allowed(0.9, alpha=0.05, runs=300)

    def is_ever_promoted(random: Random) -> bool:
        failures = 0
        for n in range(1, 301):
            is_close = failures <= allowed[min(300, n + 30)]
            failures += random.random() >= (
                0.9 if is_close else random.uniform(0.6, 0.9)
            )
            if failures <= allowed[n]:
                return True
        return False

    assert rate_of(is_ever_promoted, 3000, seed=5) <= 0.05


def test_a_rate_that_changes_above_the_floor_is_not_rolled_back_for_it():
    def is_ever_rolled_back(random: Random) -> bool:
        process = EProcess(Claim.ROLL_BACK, 0.85)
        for n in range(200):
            rate = 0.85 if n % 20 < 10 else 0.95
            process = process.after(random.random() < rate)
        return process.rejects(0.10)

    assert rate_of(is_ever_rolled_back, 600, seed=6) <= 0.10


def test_stragglers_do_not_promote():
    """Passing runs take a minute, failing ones an hour; somebody looks all the time."""

    def looks(random: Random) -> list[list[RunFacts]]:
        said = outcomes(random, 0.7, 45)
        stage = []
        for minute in range(5, 46, 4):
            now = BEGAN + minute * MINUTE
            seen = []
            for order, each in enumerate(said[:minute], start=1):
                ends = BEGAN + (order + (1 if each == "P" else 60)) * MINUTE
                has_ended = ends <= now
                seen.append(
                    a_run(
                        order,
                        each if has_ended else "",
                        status=RunStatus.COMPLETED if has_ended else RunStatus.RUNNING,
                        finished_at=ends if has_ended else None,
                    )
                )
            stage.append(seen)
        return stage

    def is_ever_promoted(random: Random) -> bool:
        return any(
            is_promoted(seen, asking(**EASY), now=BEGAN + 60 * MINUTE)
            for seen in looks(random)
        )

    def is_promoted_by_whatever_ended(random: Random) -> bool:
        return any(
            is_promoted([run for run in seen if run.is_final], asking(**EASY))
            for seen in looks(random)
        )

    assert rate_of(is_ever_promoted, 150, seed=7) <= 0.08
    assert rate_of(is_promoted_by_whatever_ended, 50, seed=7) > 0.6


def test_restarting_until_it_is_green_does_not_promote():
    """Twelve attempts of fifteen runs each, of a system exactly at the bar."""

    def runs(random: Random) -> list[RunFacts]:
        return [
            run
            for attempt in range(1, 13)
            for run in a_row(
                outcomes(random, 0.7, 15), first=15 * attempt, attempt=attempt
            )
        ]

    def ever_promoted_by(restarts: Restarts):
        def is_ever_promoted(random: Random) -> bool:
            stage, criteria = runs(random), asking(restarts=restarts, **EASY)
            return any(
                is_promoted(stage, criteria, attempt=attempt)
                for attempt in range(1, 13)
            )

        return is_ever_promoted

    def is_promoted_afresh(random: Random) -> bool:
        stage = runs(random)
        return any(
            is_promoted(
                [run for run in stage if run.attempt == attempt],
                asking(**EASY),
                attempt=attempt,
            )
            for attempt in range(1, 13)
        )

    for restarts in Restarts:
        assert rate_of(ever_promoted_by(restarts), 250, seed=8) <= 0.08
    assert rate_of(is_promoted_afresh, 100, seed=8) > 0.15


def test_six_gates_at_their_floor_are_rolled_back_no_more_often_than_one():
    criteria = asking(gates=tuple("ABCDEF"), bar=0.95, floor=0.85)

    def rows(random: Random) -> list[str]:
        return [outcomes(random, 0.85, 6) for _ in range(80)]

    def is_rolled_back(random: Random) -> bool:
        found = judge(facts_of(a_row(rows(random))), criteria)
        return found.verdict == Verdict.ROLL_BACK

    def is_rolled_back_by_any(random: Random) -> bool:
        return any(
            EProcess(Claim.ROLL_BACK, 0.85)
            .after_all(each == "P" for each in gate)
            .rejects(0.10)
            for gate in zip(*rows(random), strict=True)
        )

    assert rate_of(is_rolled_back, 400, seed=9) <= 0.10
    assert rate_of(is_rolled_back_by_any, 100, seed=9) > 0.2


def test_one_bad_gate_among_six_is_rolled_back_soon():
    criteria = asking(gates=tuple("ABCDEF"), bar=0.95, floor=0.85)

    def is_overlooked(random: Random) -> bool:
        rows = [outcomes(random, 0.4, 1) + "PPPPP" for _ in range(40)]
        return judge(facts_of(a_row(rows)), criteria).verdict != Verdict.ROLL_BACK

    assert rate_of(is_overlooked, 100, seed=10) <= 0.06


def test_a_class_that_fails_is_not_hidden_by_the_mix():
    """Nine of ten runs are of a class that always passes."""
    each = asking(classes=("web", "code"), bar=0.8)

    def runs(random: Random) -> list[RunFacts]:
        return [
            a_run(n, "P")
            if random.random() < 0.9
            else a_run(n, outcomes(random, 0.8, 1), query_class="code")
            for n in range(1, 251)
        ]

    def is_ever_promoted(random: Random) -> bool:
        return is_promoted(runs(random), each)

    def is_promoted_on_average(random: Random) -> bool:
        mixed = [replace(run, query_class="web") for run in runs(random)]
        return is_promoted(mixed, asking(bar=0.8))

    assert rate_of(is_ever_promoted, 250, seed=11) <= 0.06
    assert rate_of(is_promoted_on_average, 30, seed=11) > 0.9
