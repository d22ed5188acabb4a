"""How much a row of passes and failures says against a claim, whenever one looks.

An *e-value* is what a gambler who bets against the claim would have made of one coin.
If the claim holds, the chance that the fortune *ever* reaches 1/alpha is at most alpha
(Ville 1939), whoever looks how often and stops when: that is what makes it fit for a
canary at which everybody peeks. The gambler here bets on all pass rates beyond the
null hypothesis at once, weighted by a beta distribution cut off at it (a truncated
beta mixture); the cut keeps it valid for rates that change from run to run.

Everything is in logarithms, and an update looks at two counts, never at the past.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from math import exp, log

from rollout.domain.special import log_tail_ratio

# Jeffreys: half an imagined pass and half an imagined failure.
PRIOR = (0.5, 0.5)


class Claim(StrEnum):
    """What the evidence is to show."""

    PROMOTE = "promote"  # against: the pass rate is at most the bar
    ROLL_BACK = "roll_back"  # against: the pass rate is at least the floor


@lru_cache(maxsize=1 << 16)
def log_e_value(
    claim: Claim,
    null: float,
    passes: int,
    failures: int,
    prior: tuple[float, float] = PRIOR,
) -> float:
    """The logarithm of the e-value of so many passes and failures, in any order.

    With S passes and F failures the e-value for promotion is

        B(a+S, b+F) (1 - I_p(a+S, b+F)) / (B(a, b) (1 - I_p(a, b)) p^S (1-p)^F)

    which is the tail of the beta distribution over its kernel, after the runs against
    before. For rolling back it is the other tail: passes and failures change places.
    """
    a, b = prior
    x, y = null, 1 - null
    if claim == Claim.PROMOTE:
        x, y, a, b, passes, failures = y, x, b, a, failures, passes
    return log_tail_ratio(x, y, a + passes, b + failures) - log_tail_ratio(x, y, a, b)


def threshold(alpha: float) -> float:
    """The logarithm of the e-value that rejects at alpha: log(1/alpha)."""
    return -log(alpha)


@dataclass(frozen=True, slots=True)
class EProcess:
    """The evidence for one claim, run by run, and the most that there ever was."""

    claim: Claim
    null: float
    prior: tuple[float, float] = PRIOR
    passes: int = 0
    failures: int = 0
    log_e: float = 0.0
    log_max: float = 0.0
    reached_at: int = 0

    def after(self, has_passed: bool) -> "EProcess":
        """The evidence after one more run."""
        passes = self.passes + has_passed
        failures = self.failures + (not has_passed)
        log_e = log_e_value(self.claim, self.null, passes, failures, self.prior)
        is_most = log_e > self.log_max
        return replace(
            self,
            passes=passes,
            failures=failures,
            log_e=log_e,
            log_max=log_e if is_most else self.log_max,
            reached_at=passes + failures if is_most else self.reached_at,
        )

    def after_all(self, outcomes: Iterable[bool]) -> "EProcess":
        """The evidence after all of these runs, in their order."""
        process = self
        for has_passed in outcomes:
            process = process.after(has_passed)
        return process

    @property
    def runs(self) -> int:
        """How many runs it rests on."""
        return self.passes + self.failures

    @property
    def p_value(self) -> float:
        """The anytime p-value: valid at every look, and never rising."""
        return min(1.0, exp(-self.log_max))

    def rejects(self, alpha: float) -> bool:
        """Whether the null hypothesis was ever rejected at alpha."""
        return self.log_max >= threshold(alpha)
