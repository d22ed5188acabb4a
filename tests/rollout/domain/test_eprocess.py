"""The evidence of one gate: valid at every look, by exact computation."""

from itertools import pairwise
from math import exp, isfinite, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.domain.boundary import chance_of_promotion, failures_allowed
from rollout.domain.eprocess import Claim, EProcess, log_e_value, threshold

BARS = (0.5, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98)
PRIORS = ((0.5, 0.5), (1.0, 1.0), (2.0, 0.5), (0.5, 3.0), (10.0, 1.0))
promote, roll_back = Claim.PROMOTE, Claim.ROLL_BACK
rates = st.sampled_from(BARS)
rows = st.lists(st.booleans(), max_size=60)


@pytest.mark.parametrize(
    ("bar", "first"),
    [(0.70, 11), (0.80, 17), (0.85, 24), (0.90, 36), (0.95, 74), (0.98, 188)],
)
def test_so_many_runs_promote_if_all_pass(bar, first):
    process = EProcess(promote, bar)
    while not process.rejects(0.05):
        process = process.after(True)

    assert process.runs == first


@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("claim", Claim)
@pytest.mark.parametrize("null", BARS)
def test_one_more_run_is_on_average_no_gain_while_the_null_hypothesis_holds(
    claim, null, prior
):
    """The ratio is largest at the null itself: it moves with the rate, one way."""
    for passes in range(40):
        for failures in range(40):
            now = log_e_value(claim, null, passes, failures, prior)
            after_pass = log_e_value(claim, null, passes + 1, failures, prior)
            after_failure = log_e_value(claim, null, passes, failures + 1, prior)
            gain_of_pass, gain_of_failure = (
                exp(after_pass - now),
                exp(after_failure - now),
            )

            ratio = null * gain_of_pass + (1 - null) * gain_of_failure
            assert ratio <= 1 + 1e-9
            assert (gain_of_pass >= gain_of_failure) is (claim == promote)


@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("bar", BARS)
@pytest.mark.parametrize("alpha", [0.2, 0.05, 0.01])
def test_a_system_at_its_bar_is_promoted_at_most_as_often_as_alpha_says(
    bar, prior, alpha
):
    allowed = failures_allowed(bar, alpha=alpha, runs=300, prior=prior)

    assert chance_of_promotion(bar, allowed) <= alpha


@pytest.mark.parametrize("alpha", [0.05, 0.10, 0.20])
@pytest.mark.parametrize("floor", BARS)
def test_a_system_at_its_floor_is_rolled_back_at_most_as_often_as_alpha_says(
    floor, alpha
):
    """Rolling back is promoting the failures, with everything the other way round."""
    allowed = failures_allowed(1 - floor, alpha=alpha, runs=300)
    for passes, failures in ((0, 4), (3, 9), (40, 20)):
        assert log_e_value(roll_back, floor, passes, failures) == pytest.approx(
            log_e_value(promote, 1 - floor, failures, passes), abs=1e-12
        )

    assert chance_of_promotion(1 - floor, allowed) <= alpha


def test_looking_far_beyond_the_plan_does_not_help_either():
    allowed = failures_allowed(0.9, alpha=0.05, runs=1500)

    assert chance_of_promotion(0.9, allowed) <= 0.05


def test_whoever_sets_the_rate_of_every_run_cannot_do_better_than_the_bar():
    """The best reply to the boundary, by going back from the end, over all rates."""
    allowed = failures_allowed(0.9, alpha=0.05, runs=200)
    best = [0.0] * 202
    for n in range(200, 0, -1):
        reached = [1.0 if f <= allowed[n] else best[f] for f in range(202)]
        best = [
            max(
                rate * reached[f] + (1 - rate) * reached[f + 1]
                for rate in (0.0, 0.3, 0.6, 0.8, 0.9)
            )
            for f in range(201)
        ] + [0.0]

    assert best[0] == pytest.approx(chance_of_promotion(0.9, allowed))
    assert best[0] <= 0.05


@given(rates, rows, st.randoms(use_true_random=False))
def test_the_order_of_the_runs_does_not_change_what_they_say(null, row, random):
    shuffled = random.sample(row, len(row))

    for claim in Claim:
        one = EProcess(claim, null).after_all(row)
        other = EProcess(claim, null).after_all(shuffled)
        assert one.log_e == other.log_e


@given(rates, rows)
def test_the_most_evidence_there_was_is_kept_with_its_place(null, row):
    for claim in Claim:
        process = EProcess(claim, null)
        seen = [0.0]
        for has_passed in row:
            process = process.after(has_passed)
            seen.append(process.log_e)

        assert process.log_max == max(seen)
        assert seen[process.reached_at] == process.log_max
        assert process.p_value == min(1, exp(-max(seen)))
        assert process.rejects(0.05) is (max(seen) >= threshold(0.05))


def test_the_anytime_p_value_never_rises():
    process, seen = EProcess(promote, 0.7), []
    for has_passed in [True] * 20 + [False] * 10:
        process = process.after(has_passed)
        seen.append(process.p_value)

    assert all(later <= sooner for sooner, later in pairwise(seen))
    assert seen[-1] < 0.05


@pytest.mark.parametrize("claim", Claim)
@pytest.mark.parametrize("null", [1e-6, *BARS, 1 - 1e-6])
def test_the_evidence_is_a_number_up_to_a_hundred_thousand_runs(claim, null):
    for runs in (1, 10, 100, 1_000, 10_000, 100_000):
        for share in (0, 0.001, 0.5, 0.9, 0.95, 0.999, 1):
            passes = round(runs * share)
            assert isfinite(log_e_value(claim, null, passes, runs - passes))


@pytest.mark.parametrize(("a", "b"), [(0.5, 0.5), (2.0, 0.5), (0.5, 3.0)])
@pytest.mark.parametrize("claim", Claim)
def test_the_e_value_is_the_mixture_of_all_bets_beyond_the_null(claim, a, b):
    """By adding up the bets themselves, on a grid, for a small row."""
    steps, null = 20_000, 0.9
    start, width = (null, 1 - null) if claim == promote else (0.0, null)
    rates = [start + width * (step + 0.5) / steps for step in range(steps)]
    weights = [p ** (a - 1) * (1 - p) ** (b - 1) for p in rates]
    bets = [(p / null) ** 12 * ((1 - p) / (1 - null)) ** 3 for p in rates]
    mixture = sum(w * bet for w, bet in zip(weights, bets, strict=True)) / sum(weights)

    found = log_e_value(claim, null, 12, 3, (a, b))
    assert found == pytest.approx(log(mixture), abs=0.01)
