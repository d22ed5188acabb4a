from random import Random
from statistics import mean, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.errors import Invalid
from rollout.domain.degradation import DEPTHS, Detector


def run_lengths(rate: float, *, trials: int, least: float, most: int) -> list[int]:
    random, lengths = Random(11), []
    for _ in range(trials):
        watch = Detector(0.85, least)
        while watch.alarmed_at is None and watch.runs < most:
            watch = watch.after(random.random() < rate)
        lengths.append(watch.runs)
    return lengths


@given(st.lists(st.booleans(), max_size=30), st.sampled_from([0.85, 0.9, 0.99]))
def test_one_more_run_adds_at_most_one_while_the_rate_is_at_the_floor(row, rate):
    watch = Detector(0.85, 1e9).after_all(row)

    expected = rate * watch.after(True).value + (1 - rate) * watch.after(False).value
    assert expected <= watch.value + 1 + 1e-9


def test_it_is_the_sum_of_all_bets_that_began_at_some_run():
    row = [True, False, False, True, False]

    total = 0.0
    for began in range(len(row)):
        for depth in DEPTHS:
            coin = 1.0
            for has_passed in row[began:]:
                coin *= depth if has_passed else (1 - depth * 0.85) / (1 - 0.85)
            total += coin / len(DEPTHS)

    assert Detector(0.85, 1e9).after_all(row).value == pytest.approx(total)


def test_false_alarms_are_at_least_so_far_apart():
    """By the lower confidence bound on the mean; cutting rows short only lowers it."""
    lengths = run_lengths(0.85, trials=400, least=100, most=3000)

    assert mean(lengths) - 2.33 * stdev(lengths) / 20 >= 100


@pytest.mark.parametrize(("rate", "within"), [(0.75, 250), (0.5, 40), (0.0, 10)])
def test_degradation_is_noticed_the_sooner_the_worse_it_is(rate, within):
    lengths = run_lengths(rate, trials=50, least=1000, most=2000)

    assert mean(lengths) <= within


def test_a_long_good_time_does_not_make_it_blind():
    fresh = Detector(0.85, 1000)
    experienced = fresh.after_all([True] * 5000)

    bad = [False] * 10
    assert fresh.after_all(bad).alarmed_at is not None
    assert experienced.after_all(bad).alarmed_at is not None


def test_an_alarm_stays():
    alarmed = Detector(0.85, 1000).after_all([False] * 10)

    assert alarmed.after(True) == alarmed


@pytest.mark.parametrize(("floor", "length"), [(0, 100), (1, 100), (0.5, 0.5)])
def test_a_watch_that_could_not_work_is_refused(floor, length):
    with pytest.raises(Invalid):
        Detector(floor, length)
