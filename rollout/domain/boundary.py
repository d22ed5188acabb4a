"""How many failures a promotion survives, and how likely it then is: exactly.

A test that looks after every run is a boundary: so many failures are allowed after n
runs, and whoever comes down to it is promoted. Its chances for a constant pass rate
follow by going through all numbers of failures, run by run; nothing is approximated,
but that what is less likely than 1e-30 is left out.
"""

from collections.abc import Iterator, Sequence
from itertools import count

from rollout.domain.eprocess import PRIOR, Claim, log_e_value, threshold

NEVER = 1e-30  # what is less likely need not be carried on
NONE = -1  # no number of failures is small enough, not even none


def first_all_pass(
    bar: float, *, alpha: float, prior: tuple[float, float] = PRIOR
) -> int:
    """The first n at which n passes in n runs promote."""

    def promotes(runs: int) -> bool:
        return _rejects(Claim.PROMOTE, bar, runs, 0, alpha, prior)

    above = next(1 << power for power in count() if promotes(1 << power))
    below = above // 2
    while above - below > 1:
        middle = (above + below) // 2
        below, above = (below, middle) if promotes(middle) else (middle, above)
    return above


def failures_allowed(
    bar: float, *, alpha: float, runs: int, prior: tuple[float, float] = PRIOR
) -> tuple[int, ...]:
    """For n = 0 to `runs`: the most failures at which n runs still promote.

    One run more allows the same number of failures or one more, never fewer: a pass
    only ever adds to the evidence, a failure only ever takes away from it.
    """
    allowed = [NONE]
    for n in range(1, runs + 1):
        more = allowed[-1] + 1
        is_enough = _rejects(Claim.PROMOTE, bar, n - more, more, alpha, prior)
        allowed.append(more if is_enough else allowed[-1])
    return tuple(allowed)


def failures_that_roll_back(floor: float, *, alpha: float, runs: int) -> int | None:
    """The fewest failures in so many runs that roll back; None if all would not."""
    return next(
        (
            failures
            for failures in range(runs + 1)
            if _rejects(Claim.ROLL_BACK, floor, runs - failures, failures, alpha, PRIOR)
        ),
        None,
    )


def one_more_run(chances: Sequence[float], rate: float) -> list[float]:
    """The chances of 0, 1, 2, ... failures after one more run at this pass rate."""
    after = [
        rate * same + (1 - rate) * fewer
        for same, fewer in zip([*chances, 0.0], [0.0, *chances], strict=True)
    ]
    while after and after[-1] < NEVER:
        after.pop()
    return after


def chances_of_promotion(rate: float, allowed: Sequence[int]) -> Iterator[float]:
    """For n = 0, 1, ...: the chance of having been promoted by then."""
    waiting, promoted = [1.0], 0.0
    for n, most in enumerate(allowed):
        if n:
            waiting = one_more_run(waiting, rate)
        promoted += sum(waiting[: most + 1])
        waiting[: most + 1] = [0.0] * (most + 1)
        yield promoted


def chance_of_promotion(rate: float, allowed: Sequence[int]) -> float:
    """The chance that runs with this pass rate are ever promoted by this boundary."""
    return list(chances_of_promotion(rate, allowed))[-1]


def runs_for_power(rate: float, allowed: Sequence[int], *, power: float) -> int | None:
    """The first n by which the chance of promotion is `power`; None if none is."""
    chances = enumerate(chances_of_promotion(rate, allowed))
    return next((n for n, chance in chances if chance >= power), None)


def _rejects(
    claim: Claim,
    null: float,
    passes: int,
    failures: int,
    alpha: float,
    prior: tuple[float, float],
) -> bool:
    return log_e_value(claim, null, passes, failures, prior) >= threshold(alpha)
