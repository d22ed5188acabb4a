import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.domain.intervals import (
    ANYTIME,
    confidence_sequence,
    failure_rate_ruled_out,
    runs_without_failure,
    wilson,
)
from rollout.domain.special import log_beta, xlog1py, xlogy

counts = st.integers(0, 100_000)


@pytest.mark.parametrize(
    ("passes", "failures", "lower", "upper"),
    [(27, 3, 0.652675, 0.991974), (90, 10, 0.772490, 0.970939)],
)
def test_the_confidence_sequence_has_its_known_ends(passes, failures, lower, upper):
    found = confidence_sequence(passes, failures)

    assert (found.lower, found.upper) == pytest.approx((lower, upper), abs=1e-6)
    assert found.holds == ANYTIME


@given(counts, counts)
def test_the_ends_of_a_confidence_sequence_are_roots(passes, failures):
    found = confidence_sequence(passes, failures)
    evidence = log_beta(passes + 0.5, failures + 0.5) - log_beta(0.5, 0.5)

    for end in (found.lower, found.upper):
        if 0 < end < 1:
            against = evidence - xlogy(passes, end) - xlog1py(failures, -end)
            assert against == pytest.approx(2.995732273553991, abs=1e-6)  # log 20
    if passes + failures:
        assert found.lower <= passes / (passes + failures) <= found.upper


def test_without_runs_every_rate_is_possible():
    for found in (confidence_sequence(0, 0), wilson(0, 0)):
        assert (found.lower, found.upper) == (0, 1)


def test_wilsons_interval_says_that_it_holds_for_a_frozen_snapshot_only():
    found = wilson(27, 3)

    assert (found.lower, found.upper) == pytest.approx((0.743789, 0.965400), abs=1e-6)
    assert "frozen" in found.holds
    sequence = confidence_sequence(27, 3)
    assert sequence.lower < found.lower < found.upper < sequence.upper


@given(st.integers(1, 1000))
def test_wilsons_interval_never_excludes_what_was_observed(runs):
    assert wilson(runs, 0).upper == 1
    assert wilson(0, runs).lower == 0


def test_the_zero_failure_plan():
    assert runs_without_failure(0.95) == 59
    assert 0.95**59 <= 0.05 < 0.95**58
    assert failure_rate_ruled_out(30) == pytest.approx(0.095034, abs=1e-6)
