from itertools import pairwise, product

import pytest

from rollout.domain.boundary import (
    NONE,
    chance_of_promotion,
    chances_of_promotion,
    failures_allowed,
    failures_that_roll_back,
    first_all_pass,
    one_more_run,
    runs_for_power,
)
from rollout.domain.eprocess import Claim, log_e_value, threshold

BARS = (0.70, 0.80, 0.85, 0.90, 0.95, 0.98)


def test_ninety_percent_forgives_so_many_failures():
    allowed = failures_allowed(0.9, alpha=0.05, runs=300)

    assert [allowed[n] for n in (50, 100, 200, 300)] == [0, 2, 8, 15]


@pytest.mark.parametrize("bar", BARS)
def test_the_boundary_is_the_e_value_at_its_threshold(bar):
    """By trying all numbers of failures, where the boundary goes step by step."""
    allowed = failures_allowed(bar, alpha=0.05, runs=120)

    assert allowed[0] == NONE
    for n in range(1, 121):
        enough = [
            failures
            for failures in range(n + 1)
            if log_e_value(Claim.PROMOTE, bar, n - failures, failures)
            >= threshold(0.05)
        ]
        assert allowed[n] == max(enough, default=NONE)
        assert enough == list(range(len(enough)))
    assert first_all_pass(bar, alpha=0.05) == next(
        n
        for n, most in enumerate(failures_allowed(bar, alpha=0.05, runs=200))
        if most >= 0
    )


def test_a_bar_near_one_is_found_without_counting_up_to_it():
    first = first_all_pass(0.9999, alpha=0.05)

    e_values = [log_e_value(Claim.PROMOTE, 0.9999, n, 0) for n in (first - 1, first)]
    assert e_values[0] < threshold(0.05) <= e_values[1]


@pytest.mark.parametrize(
    ("alpha", "fewest"), [(0.05, [6, 9, 17]), (0.10, [6, 9, 16]), (0.20, [5, 8, 15])]
)
def test_so_many_failures_roll_back(alpha, fewest):
    found = [
        failures_that_roll_back(0.85, alpha=alpha, runs=runs) for runs in (10, 20, 50)
    ]

    assert found == fewest
    assert failures_that_roll_back(0.85, alpha=alpha, runs=1) is None


def test_false_promotion_by_300_runs_is_known_exactly():
    allowed = failures_allowed(0.9, alpha=0.05, runs=300)

    assert chance_of_promotion(0.9, allowed) == pytest.approx(0.038, abs=5e-4)


def test_counting_rules_promote_nearly_everything_if_one_looks_long_enough():
    ninety_percent_of_ten = [n // 10 if n >= 10 else NONE for n in range(301)]

    assert chance_of_promotion(0.9, ninety_percent_of_ten) == pytest.approx(
        0.947, abs=5e-4
    )
    assert chance_of_a_streak(10) == pytest.approx(1.0, abs=5e-3)
    assert chance_of_a_streak(30) == pytest.approx(0.75, abs=5e-3)


def chance_of_a_streak(length: int, *, rate: float = 0.9, runs: int = 300) -> float:
    streaks, there = [1.0] + [0.0] * (length - 1), 0.0
    for _ in range(runs):
        there += rate * streaks[-1]
        streaks = [(1 - rate) * sum(streaks), *(rate * each for each in streaks[:-1])]
    return there


def test_the_chances_are_those_of_all_possible_rows():
    allowed = failures_allowed(0.3, alpha=0.2, runs=12)
    rate, expected = 0.6, 0.0
    for row in product([True, False], repeat=12):
        failures = [sum(not each for each in row[:n]) for n in range(13)]
        if any(failures[n] <= allowed[n] for n in range(13)):
            expected += rate ** (12 - failures[12]) * (1 - rate) ** failures[12]

    assert 0.1 < expected < 0.9
    assert chance_of_promotion(rate, allowed) == pytest.approx(expected, abs=1e-12)


def test_the_chance_of_promotion_only_grows_with_runs_and_with_the_rate():
    allowed = failures_allowed(0.9, alpha=0.05, runs=200)

    chances = list(chances_of_promotion(0.97, allowed))
    assert all(sooner <= later for sooner, later in pairwise(chances))
    by_rate = [chance_of_promotion(rate, allowed) for rate in (0.85, 0.9, 0.95, 0.99)]
    assert by_rate == sorted(by_rate)


def test_power_is_reached_at_the_first_run_that_has_it():
    allowed = failures_allowed(0.9, alpha=0.05, runs=300)
    runs = runs_for_power(0.97, allowed, power=0.8)

    chances = list(chances_of_promotion(0.97, allowed))
    assert runs is not None
    assert chances[runs - 1] < 0.8 <= chances[runs]
    assert runs_for_power(0.91, allowed, power=0.8) is None


def test_chances_stay_chances():
    chances = [1.0]
    for _ in range(50):
        chances = one_more_run(chances, 0.9)

    assert sum(chances) == pytest.approx(1)
    assert chances[5] == pytest.approx(0.18492, abs=1e-5)
