"""The rules by which a row of passes and failures proves that a rate is above its bar.

Rules have versions and stay here for ever: an evaluation names the rule that made it,
and is computed again by that one. A changed rule gets a new version; it can be tried on
past rollouts, and beside the live one, before a plan uses it. What `judge` does with
the proofs is a part of the version, too.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from portal.errors import Invalid
from rollout.domain import intervals
from rollout.domain.criteria import Criteria
from rollout.domain.eprocess import Claim, log_e_value, threshold
from rollout.domain.looks import LookPlan

# At which run the bar was proven; None if it was not.
Test = Callable[[Sequence[bool], float, float, Criteria], int | None]


@dataclass(frozen=True, slots=True)
class Rule:
    """One version of one way to prove a promotion."""

    version: str
    proven_at: Test
    holds: str  # what such a proof is good for
    takes_back: bool = False  # a proof that all runs together contradict is none


def _anytime(
    outcomes: Sequence[bool], bar: float, alpha: float, criteria: Criteria
) -> int | None:
    """The first run at which the e-value was 1/alpha; any look may be the last."""
    needed = threshold(alpha)
    for n, passes in enumerate(accumulate(outcomes), start=1):
        if log_e_value(Claim.PROMOTE, bar, passes, n - passes) >= needed:
            return n
    return None


def _planned(
    outcomes: Sequence[bool], bar: float, alpha: float, criteria: Criteria
) -> int | None:
    """The first planned look at which few enough had failed.

    Between the looks nothing is decided, but by the part of alpha that the plan has set
    aside for that.
    """
    looks = _looks_of(criteria)
    allowed = looks.failures_allowed(bar, alpha=alpha)
    passes = list(accumulate(outcomes, initial=0))
    planned = [
        n for n in looks.looks if n < len(passes) and n - passes[n] <= allowed[n]
    ]
    if looks.anytime_share:
        early = _anytime(outcomes, bar, alpha * looks.anytime_share, criteria)
        planned += [early] if early is not None else []
    return min(planned, default=None)


def _looks_of(criteria: Criteria) -> LookPlan:
    if criteria.looks is None:
        raise Invalid("This plan has no planned looks.", code="PLAN_INVALID")
    return criteria.looks


_AT_LOOKS = "at the looks that were planned"
ANYTIME = Rule("anytime.2", _anytime, intervals.ANYTIME, takes_back=True)
PLANNED_LOOKS = Rule("planned_looks.2", _planned, _AT_LOOKS, takes_back=True)
CURRENT = (ANYTIME, PLANNED_LOOKS)
RULES: Mapping[str, Rule] = {
    rule.version: rule
    for rule in (
        *CURRENT,
        Rule("anytime.1", _anytime, intervals.ANYTIME),
        Rule("planned_looks.1", _planned, _AT_LOOKS),
    )
}


def passes_to_go(
    passes: int, lost: int, bar: float, alpha: float, criteria: Criteria
) -> int | None:
    """How many more passes in a row would prove the bar, by the rule of the criteria.

    For what is not proven yet; None where no number within `max_runs` would.
    """
    runs = passes + lost
    looks = criteria.looks
    more = range(1, criteria.max_runs - runs + 1)
    if looks is None:
        return _passes_anytime(passes, lost, bar, alpha, more)
    allowed = looks.failures_allowed(bar, alpha=alpha)
    found = [n - runs for n in looks.looks if n > runs and lost <= allowed[n]]
    if looks.anytime_share:
        share = alpha * looks.anytime_share
        found += [_passes_anytime(passes, lost, bar, share, more) or more.stop]
    return min((each for each in found if each in more), default=None)


def _passes_anytime(
    passes: int, lost: int, bar: float, alpha: float, more: range
) -> int | None:
    """A pass only ever adds to the evidence, so the first number can be bisected."""

    def proves(added: int) -> bool:
        log_e = log_e_value(Claim.PROMOTE, bar, passes + added, lost)
        return log_e >= threshold(alpha)

    where = bisect_left(more, True, key=proves)
    return more[where] if where < len(more) else None


def live_rule(criteria: Criteria) -> Rule:
    """The rule that a plan asks for."""
    return PLANNED_LOOKS if criteria.looks else ANYTIME
