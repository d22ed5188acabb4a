"""Does the canary get the share of units that its coverage says, at every look?

A sample-ratio mismatch is a symptom, not an inconvenience: something decides who is in
that should not, and what the runs then show is of a population that nobody chose. The
test is the anytime-valid one of Lindon and Malek (2022): a Dirichlet mixture against
the target shares, which for two groups is a beta mixture. Units are counted when first
seen, not runs.
"""

from dataclasses import dataclass, replace
from math import inf

from rollout.domain.eprocess import threshold
from rollout.domain.special import log_beta, xlogy

ALPHA = 0.001  # it is looked at for as long as the rollout lives
# How many imagined units stand for the target: the higher, the smaller the drifts that
# are found, and the later the large ones.
CONCENTRATION = 30.0


@dataclass(frozen=True, slots=True)
class SampleRatio:
    """The evidence against the target shares, over all coverage steps so far.

    Every step has its own target and starts its own bet with the fortune that the
    steps before have left, so that a drift goes on adding up and a change of coverage
    is none.
    """

    target: float | None = None
    inside: int = 0
    outside: int = 0
    log_before: float = 0.0
    log_e: float = 0.0
    log_max: float = 0.0

    def after(
        self, target: float, *, inside: int = 0, outside: int = 0
    ) -> "SampleRatio":
        """The evidence after more units, first seen while `target` was the share."""
        if target != self.target:
            start = replace(
                self, target=target, inside=0, outside=0, log_before=self.log_e
            )
        else:
            start = self
        inside, outside = start.inside + inside, start.outside + outside
        log_e = start.log_before + log_mixture(target, inside, outside)
        return replace(
            start,
            inside=inside,
            outside=outside,
            log_e=log_e,
            log_max=max(start.log_max, log_e),
        )

    def is_alarm(self, alpha: float = ALPHA) -> bool:
        """Whether the shares were ever shown not to be the target's."""
        return self.log_max >= threshold(alpha)


def log_mixture(target: float, inside: int, outside: int) -> float:
    """The logarithm of the e-value of so many units inside and outside, in any order.

    A target of 0 or 1 leaves nothing to bet on: the first unit on the wrong side is
    proof.
    """
    if target in (0.0, 1.0):
        wrong = outside if target else inside
        return inf if wrong else 0.0
    a, b = CONCENTRATION * target, CONCENTRATION * (1 - target)
    return (
        log_beta(a + inside, b + outside)
        - log_beta(a, b)
        - xlogy(inside, target)
        - xlogy(outside, 1 - target)
    )
