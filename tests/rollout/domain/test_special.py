"""SciPy is the oracle; it is imported only when these tests run."""

from importlib import import_module
from math import inf, isfinite, isnan, log, sqrt
from random import Random

import pytest

from rollout.domain.special import (
    log1mexp,
    log_beta,
    log_betainc,
    log_kernel,
    log_mean_exp,
    xlog1py,
    xlogy,
)

RATES = (0.02, 0.2, 0.5, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.999)
SIZES = (1, 2, 5, 10, 30, 100, 1_000, 10_000, 100_000)
REPRESENTABLE = 1e-290  # below, the oracle itself underflows


@pytest.fixture(scope="module")
def oracle():
    return import_module("scipy.special")


def counts(runs: int) -> list[tuple[int, int]]:
    """Passes and failures: the extremes, what is likely at each rate, and others."""
    random = Random(runs)
    likely = [
        round(runs * rate + spread * sqrt(runs * rate * (1 - rate)))
        for rate in RATES
        for spread in (-6, -2, 0, 2, 6)
    ]
    passes = {0, 1, runs - 1, runs, *likely, *(random.randint(0, runs) for _ in "1234")}
    return [(each, runs - each) for each in sorted(passes) if 0 <= each <= runs]


@pytest.mark.parametrize("runs", SIZES)
def test_the_incomplete_beta_function_agrees_with_the_oracle(oracle, runs):
    compared = 0
    for rate in RATES:
        for passes, failures in counts(runs):
            a, b = passes + 0.5, failures + 0.5
            for found, expected in (
                (log_betainc(rate, a, b), oracle.betainc(a, b, rate)),
                (log_betainc(1 - rate, b, a), oracle.betaincc(a, b, rate)),
            ):
                assert not isnan(found)
                assert found <= 0
                if expected > REPRESENTABLE:
                    compared += 1
                    assert found == pytest.approx(log(expected), abs=1e-10)

    assert compared > 20


@pytest.mark.parametrize("runs", SIZES)
def test_the_beta_function_and_its_kernel_agree_with_the_oracle(oracle, runs):
    for passes, failures in counts(runs):
        a, b = passes + 0.5, failures + 0.5
        expected = oracle.betaln(a, b)
        assert log_beta(a, b) == pytest.approx(expected, rel=1e-10)
        for rate in RATES:
            # The oracle has this in three terms only, which cancel to the ninth digit.
            terms = oracle.xlogy(a, rate) + oracle.xlog1py(b, -rate) - expected
            assert log_kernel(rate, 1 - rate, a, b) == pytest.approx(
                terms, rel=1e-10, abs=1e-9
            )


def test_what_underflows_elsewhere_still_has_a_logarithm():
    deep = log_betainc(0.5, 100_000.5, 0.5)

    assert isfinite(deep)
    assert deep < -60_000


def test_both_tails_together_are_one():
    for runs in (1, 10, 300):
        for passes, failures in counts(runs):
            lower = log_betainc(0.9, passes + 0.5, failures + 0.5)
            upper = log_betainc(0.1, failures + 0.5, passes + 0.5)
            assert log_mean_exp([lower, upper]) == pytest.approx(-log(2), abs=1e-12)


def test_nothing_times_the_logarithm_of_nothing_is_nothing(oracle):
    assert xlogy(0, 0) == xlog1py(0, -1) == 0
    assert xlogy(2, 0) == xlog1py(2, -1) == -inf
    assert xlogy(3, 0.2) == pytest.approx(oracle.xlogy(3, 0.2), rel=1e-15)
    assert xlog1py(3, -0.2) == pytest.approx(oracle.xlog1py(3, -0.2), rel=1e-15)


def test_logarithms_of_differences_are_exact_at_both_ends():
    assert log1mexp(-1e-20) == pytest.approx(log(1e-20))
    assert log1mexp(-50) == pytest.approx(-1.9287498479639178e-22)
    assert log1mexp(0.0) == -inf


def test_a_mean_of_logarithms_neither_overflows_nor_underflows():
    assert log_mean_exp([5000.0, -5000.0]) == pytest.approx(5000 - log(2))
    assert log_mean_exp([-inf, -inf]) == -inf
    assert log_mean_exp([inf, 0.0]) == inf
