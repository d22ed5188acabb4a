"""Planned looks: more power for a plan that says beforehand when it will look.

The looks are fixed in the approved plan. Each may spend a part of alpha (Lan and DeMets
1983); how many failures a look allows follows from the exact binomial distribution of
those who were not promoted earlier. A look that was not planned is display only, unless
the plan has set a part of alpha aside for looking at any time.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise
from math import e, log, sqrt
from statistics import NormalDist
from typing import Any

from portal.errors import Invalid
from rollout.domain.boundary import NONE, one_more_run


class Spending(StrEnum):
    """How alpha is spent over the looks."""

    LATE = "late"  # like O'Brien and Fleming: little at first, most at the end
    EVEN = "even"  # like Pocock: nearly the same at every look


def _spent_late(share: float, alpha: float) -> float:
    normal = NormalDist()
    return 2 * normal.cdf(normal.inv_cdf(alpha / 2) / sqrt(share))


def _spent_even(share: float, alpha: float) -> float:
    return alpha * log(1 + (e - 1) * share)


_SPENT: Mapping[Spending, Callable[[float, float], float]] = {
    Spending.LATE: _spent_late,
    Spending.EVEN: _spent_even,
}


@dataclass(frozen=True, slots=True)
class LookPlan:
    """After which runs the plan looks, and how it spends its alpha.

    `anytime_share` of alpha is set aside for the anytime-valid test, which then
    decides at every look that was not planned; 0 makes those display only.
    """

    looks: tuple[int, ...]
    spending: Spending = Spending.LATE
    anytime_share: float = 0.0

    def check(self) -> None:
        """Refuse looks that are out of order and shares that are none."""
        rising = [0, *self.looks]
        if len(rising) == 1 or any(
            later <= sooner for sooner, later in pairwise(rising)
        ):
            raise Invalid("Looks are rising numbers of runs.", code="PLAN_INVALID")
        if not 0 <= self.anytime_share < 1:
            raise Invalid("A share of alpha is from 0 to 1.", code="PLAN_INVALID")

    def to_json(self) -> dict[str, Any]:
        """The looks as they are kept with an evaluation."""
        return {
            "looks": list(self.looks),
            "spending": str(self.spending),
            "anytime_share": self.anytime_share,
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> "LookPlan":
        """The looks from their kept form."""
        return cls(tuple(raw["looks"]), Spending(raw["spending"]), raw["anytime_share"])

    def planned_alpha(self, alpha: float) -> float:
        """What the planned looks may spend."""
        return alpha * (1 - self.anytime_share)

    def failures_allowed(self, bar: float, *, alpha: float) -> tuple[int, ...]:
        """For n = 0 to the last look: the most failures at which n runs promote.

        -1 where nothing is decided. What one look leaves of its part, because numbers
        of failures are whole, the next one has. All is computed at the bar itself: at
        any lower rate, also one that changes, promotion is less likely.
        """
        self.check()
        return _failures_allowed(self, bar, alpha)


@lru_cache(maxsize=256)
def _failures_allowed(plan: LookPlan, bar: float, alpha: float) -> tuple[int, ...]:
    spent_by, last = _SPENT[plan.spending], plan.looks[-1]
    waiting, spent = [1.0], 0.0
    allowed = [NONE]
    for n in range(1, last + 1):
        waiting = one_more_run(waiting, bar)
        most = NONE
        if n in plan.looks:
            may_spend = spent_by(n / last, plan.planned_alpha(alpha))
            for failures, chance in enumerate(waiting):
                if spent + chance > may_spend:
                    break
                most, spent = failures, spent + chance
                waiting[failures] = 0.0
        allowed.append(most)
    return tuple(allowed)
