from math import exp, inf
from random import Random

import pytest

from rollout.domain.sample_ratio import ALPHA, SampleRatio, log_mixture
from tests.rollout.evidence import rate_of


def watched(
    random: Random, steps: list[tuple[float, float, int]], *, alpha: float
) -> SampleRatio:
    """Units that came in steps of (target, true share, units), until the alarm."""
    ratio = SampleRatio()
    for target, share, units in steps:
        for _ in range(units):
            is_in = random.random() < share
            ratio = ratio.after(target, inside=is_in, outside=not is_in)
            if ratio.is_alarm(alpha):
                return ratio
    return ratio


@pytest.mark.parametrize("target", [0.05, 0.25, 0.5])
def test_one_more_unit_is_on_average_no_gain_while_the_shares_are_right(target):
    for inside in range(30):
        for outside in range(0, 300, 7):
            now = log_mixture(target, inside, outside)
            gain = target * exp(log_mixture(target, inside + 1, outside) - now) + (
                1 - target
            ) * exp(log_mixture(target, inside, outside + 1) - now)
            assert gain == pytest.approx(1, abs=1e-9)


def test_right_shares_raise_an_alarm_no_more_often_than_alpha_says():
    steps = [(0.05, 0.05, 120), (0.25, 0.25, 80), (0.5, 0.5, 40), (1.0, 1.0, 10)]

    def is_alarm(random: Random) -> bool:
        return watched(random, steps, alpha=0.1).is_alarm(0.1)

    assert rate_of(is_alarm, 800, seed=5) <= 0.1


@pytest.mark.parametrize(
    ("target", "share", "units"),
    [(0.05, 0.15, 600), (0.25, 0.15, 1000), (0.5, 0.4, 1500)],
)
def test_wrong_shares_raise_an_alarm(target, share, units):
    found = watched(Random(1), [(target, share, units)], alpha=ALPHA)

    assert found.is_alarm()


def test_a_change_of_coverage_is_no_drift_and_no_amnesty():
    fair = SampleRatio().after(0.05, inside=50, outside=950)
    fair = fair.after(0.25, inside=250, outside=750)
    assert not fair.is_alarm()

    drifting = SampleRatio().after(0.05, inside=75, outside=925)
    before = drifting.log_e
    assert before > 0
    assert not drifting.is_alarm()
    drifting = drifting.after(0.25, inside=310, outside=690)
    assert drifting.log_before == before
    assert drifting.is_alarm()


def test_an_alarm_stays_although_the_shares_come_right_again():
    alarmed = SampleRatio().after(0.5, inside=200, outside=100)
    assert alarmed.is_alarm()

    later = alarmed.after(0.5, inside=0, outside=100)

    assert later.log_e < 0 < later.log_max
    assert later.is_alarm()


def test_with_everybody_in_the_first_one_outside_is_proof():
    everybody = SampleRatio().after(1.0, inside=1000)
    assert everybody.log_e == 0

    assert everybody.after(1.0, outside=1).log_e == inf
    assert SampleRatio().after(0.0, inside=1).is_alarm()
    assert not SampleRatio().after(0.0, outside=10).is_alarm()


def test_units_may_be_counted_one_by_one_or_in_batches():
    one_by_one = SampleRatio()
    for _ in range(10):
        one_by_one = one_by_one.after(0.25, inside=1).after(0.25, outside=1)

    batch = SampleRatio().after(0.25, inside=10, outside=10)
    assert one_by_one.log_e == pytest.approx(batch.log_e)
    assert one_by_one.log_max >= batch.log_max
