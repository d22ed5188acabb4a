"""Builders for the evidence of a canary: rows of runs, and what they add up to."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from math import log
from random import Random
from typing import Any

from rollout.domain.canary import Facts, judge
from rollout.domain.criteria import Criteria
from rollout.domain.evidence import Outcome, RunFacts
from rollout.domain.judgements import Verdict
from rollout.domain.runs import RunStatus
from rollout.domain.special import log_betainc

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
NOW = BEGAN + timedelta(days=30)
MINUTE = timedelta(minutes=1)
FINGERPRINT = "sha256:same"
SAID = {"P": Outcome.PASS, "F": Outcome.FAIL, "?": Outcome.UNKNOWN}


def a_run(order: int = 1, said: str = "P", **changes: Any) -> RunFacts:
    """A run that took a minute; `said` is P, F or ? for gate A (or for AB, ...)."""
    opened_at = BEGAN + order * MINUTE
    facts: dict[str, Any] = {
        "run_id": f"run-{order}",
        "attempt": 1,
        "start_order": order,
        "fingerprint": FINGERPRINT,
        "query_class": "web",
        "status": RunStatus.COMPLETED,
        "opened_at": opened_at,
        "finished_at": opened_at + MINUTE,
        "gates": {gate: SAID[each] for gate, each in zip("ABCDEF", said, strict=False)},
    }
    return RunFacts(**facts | changes)


def an_open_run(order: int = 1, said: str = "", **changes: Any) -> RunFacts:
    """A run that has not ended yet."""
    return a_run(
        order, said, **{"status": RunStatus.RUNNING, "finished_at": None} | changes
    )


def a_row(
    said: str | Iterable[str], *, first: int = 1, **changes: Any
) -> list[RunFacts]:
    """Runs that started one after the other: `"PPF"`, or one text per run."""
    return [a_run(order, each, **changes) for order, each in enumerate(said, first)]


def facts_of(runs: Iterable[RunFacts], **changes: Any) -> Facts:
    """The facts of a first attempt, seen after everything ended."""
    return Facts(
        **{
            "runs": tuple(runs),
            "now": NOW,
            "fingerprint": FINGERPRINT,
            "attempt": 1,
        }
        | changes
    )


def asking(**changes: Any) -> Criteria:
    """A plan that judges gate A in one class at 90 %."""
    return Criteria(**{"gates": ("A",), "classes": ("web",), "bar": 0.9} | changes)


def verdict(
    runs: Iterable[RunFacts], criteria: Criteria | None = None, **facts: Any
) -> Verdict:
    """The verdict on these runs, by the plan of `asking` if no other is given."""
    return judge(facts_of(runs, **facts), criteria or asking()).verdict


def outcomes(random: Random, rate: float, runs: int) -> str:
    """Passes and failures of a system with this pass rate."""
    return "".join("P" if random.random() < rate else "F" for _ in range(runs))


def at_most(hits: int, trials: int, *, doubt: float = 0.01) -> float:
    """The upper confidence bound (Clopper and Pearson) on the rate behind the hits."""
    lower, upper = hits / trials, 1.0
    while upper - lower > 1e-9:
        middle = (lower + upper) / 2
        # The chance of so few hits is I_(1-p)(trials - hits, hits + 1).
        chance = log_betainc(1 - middle, trials - hits, hits + 1)
        lower, upper = (middle, upper) if chance > log(doubt) else (lower, middle)
    return upper


def rate_of(trial: Callable[[Random], bool], trials: int, *, seed: int) -> float:
    """An upper bound on how often a trial, repeated from this seed, comes out true."""
    random = Random(seed)
    return at_most(sum(trial(random) for _ in range(trials)), trials)
