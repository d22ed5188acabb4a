"""Which pass rates are still possible: a confidence sequence, and what is like it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, expm1, log, sqrt
from statistics import NormalDist

from rollout.domain.eprocess import PRIOR
from rollout.domain.special import log_beta, xlog1py, xlogy

ANYTIME = "however often you looked"
FROZEN = "for this frozen snapshot only: it does not hold for repeated looks"


@dataclass(frozen=True, slots=True)
class Interval:
    """Pass rates from `lower` to `upper`, and what the statement is good for."""

    lower: float
    upper: float
    holds: str = ANYTIME


@lru_cache(maxsize=1 << 14)
def confidence_sequence(
    passes: int,
    failures: int,
    *,
    alpha: float = 0.05,
    prior: tuple[float, float] = PRIOR,
) -> Interval:
    """Robbins' beta-binomial confidence sequence: valid at every look at once.

    It is every rate p with B(a+S, b+F) / B(a, b) < p^S (1-p)^F / alpha. The right side
    has one peak, at the observed rate, so the ends are one root on each side of it.
    """
    a, b = prior
    evidence = log_beta(a + passes, b + failures) - log_beta(a, b) + log(alpha)

    def is_out(rate: float) -> bool:
        return xlogy(passes, rate) + xlog1py(failures, -rate) <= evidence

    peak = passes / (passes + failures) if passes + failures else 0.5
    return Interval(
        _edge(0.0, peak, is_out) if is_out(0.0) else 0.0,
        _edge(1.0, peak, is_out) if is_out(1.0) else 1.0,
    )


def _edge(outside: float, inside: float, is_out: Callable[[float], bool]) -> float:
    """Where one side turns into the other, by bisection to the last digit."""
    while True:
        middle = (outside + inside) / 2
        if middle in (outside, inside):
            return outside
        if is_out(middle):
            outside = middle
        else:
            inside = middle


def wilson(passes: int, failures: int, *, alpha: float = 0.05) -> Interval:
    """Wilson's interval, narrower, and true only for counts that nobody waited for."""
    runs = passes + failures
    if not runs:
        return Interval(0.0, 1.0, FROZEN)
    z = NormalDist().inv_cdf(1 - alpha / 2)
    rate, weight = passes / runs, z * z / runs
    centre = (rate + weight / 2) / (1 + weight)
    spread = z * sqrt(rate * (1 - rate) / runs + weight / (4 * runs)) / (1 + weight)
    # At the ends rounding must not exclude a rate of 0 or 1 that was observed.
    lower = max(0.0, centre - spread) if passes else 0.0
    upper = min(1.0, centre + spread) if failures else 1.0
    return Interval(lower, upper, FROZEN)


def runs_without_failure(rate: float, *, alpha: float = 0.05) -> int:
    """The zero-failure plan: so many runs, all passing, claim `rate` at one look."""
    return ceil(log(alpha) / log(rate))


def failure_rate_ruled_out(runs: int, *, alpha: float = 0.05) -> float:
    """No failure in so many runs, at one look, rules out failure rates above this."""
    return -expm1(log(alpha) / runs)
