from itertools import pairwise

import pytest

from portal.errors import Invalid
from rollout.domain.boundary import NONE, chance_of_promotion, failures_allowed
from rollout.domain.looks import LookPlan, Spending

LOOKS = (50, 100, 150, 200, 250, 300)
BARS = (0.70, 0.80, 0.85, 0.90, 0.95, 0.98)


@pytest.mark.parametrize("spending", Spending)
@pytest.mark.parametrize("looks", [LOOKS, (300,), (10, 20, 290), tuple(range(1, 100))])
@pytest.mark.parametrize("bar", BARS)
@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_planned_looks_together_err_no_more_often_than_alpha(
    spending, looks, bar, alpha
):
    allowed = LookPlan(looks, spending).failures_allowed(bar, alpha=alpha)

    assert chance_of_promotion(bar, allowed) <= alpha


def test_one_planned_look_is_the_exact_binomial_test():
    single = LookPlan((59,)).failures_allowed(0.95, alpha=0.05)

    assert single[59] == 0
    assert LookPlan((58,)).failures_allowed(0.95, alpha=0.05)[58] == NONE


@pytest.mark.parametrize("spending", Spending)
def test_between_the_looks_nothing_is_decided(spending):
    allowed = LookPlan(LOOKS, spending).failures_allowed(0.85, alpha=0.05)

    assert {n for n, most in enumerate(allowed) if most > NONE} <= set(LOOKS)
    assert allowed[300] == {Spending.LATE: 34, Spending.EVEN: 32}[spending]


def test_one_spends_late_and_the_other_evenly():
    late, even = (
        LookPlan(LOOKS, spending).failures_allowed(0.9, alpha=0.05)
        for spending in (Spending.LATE, Spending.EVEN)
    )

    assert late[50] < even[50]
    assert late[300] > even[300]
    assert all(sooner <= later for sooner, later in pairwise(late[n] for n in LOOKS))


@pytest.mark.parametrize("rate", [0.95, 0.96, 0.97])
def test_looks_that_are_planned_have_more_power_than_looking_always(rate):
    planned = LookPlan(LOOKS).failures_allowed(0.9, alpha=0.05)
    always = failures_allowed(0.9, alpha=0.05, runs=300)

    assert chance_of_promotion(rate, planned) > chance_of_promotion(rate, always)


def test_what_is_set_aside_for_other_looks_is_not_spent_twice():
    plan = LookPlan(LOOKS, anytime_share=0.5)
    planned = plan.failures_allowed(0.9, alpha=0.05)
    always = failures_allowed(0.9, alpha=0.025, runs=300)
    together = tuple(map(max, planned, always))

    assert planned == LookPlan(LOOKS).failures_allowed(0.9, alpha=0.025)
    assert chance_of_promotion(0.9, together) <= 0.05


@pytest.mark.parametrize(
    "plan",
    [
        LookPlan(()),
        LookPlan((0, 10)),
        LookPlan((10, 10)),
        LookPlan((20, 10)),
        LookPlan((10,), anytime_share=1.0),
        LookPlan((10,), anytime_share=-0.1),
    ],
)
def test_looks_that_make_no_sense_are_refused(plan):
    with pytest.raises(Invalid):
        plan.failures_allowed(0.9, alpha=0.05)
