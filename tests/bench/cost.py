"""What evaluating costs in process, by the number of flags."""

import timeit
from collections.abc import Callable, Iterator
from itertools import cycle

from rollout.domain.flags import FlagType
from rollout.domain.ofrep import Evaluator
from rollout.domain.snapshots import load
from tests.bench import workload

FEW, SOME, MANY = 10, 100, 1000
ROUNDS = 15
FLAT, LINEAR = 1.25, 12.0  # tenfold, and a fifth more


def figures() -> Iterator[dict[str, object]]:
    """One flag among more and more, and all of more and more."""
    evaluators = {count: _evaluator(count) for count in (FEW, SOME, MANY)}
    asked = cycle(workload.contexts())
    singles = _fastest(
        {n: lambda e=e: e.one("FLAG_7", next(asked)) for n, e in evaluators.items()},
        times=2000,
    )
    bulks = _fastest(
        {n: lambda e=e: e.all(next(asked)) for n, e in evaluators.items()}, times=50
    )
    yield _figure(f"one flag of {MANY} / one of {FEW}", singles, MANY, FEW, FLAT)
    yield _figure(f"all of {MANY} flags / all of {SOME}", bulks, MANY, SOME, LINEAR)


def _evaluator(count: int) -> Evaluator:
    """So many flags, each with rules."""
    content = workload.content()
    rules = cycle(each for each in workload.RULES.values())
    flag = {
        "type": FlagType.INTEGER,
        "default": 6,
        "minimum": 1,
        "maximum": 50,
        "options": [],
        "is_nullable": False,
    }
    content["flags"] = [
        flag | {"key": f"FLAG_{number}", "rules": next(rules)}
        for number in range(count)
    ]
    return Evaluator.of(load(content), 1)


def _fastest(acts: dict[int, Callable[[], object]], *, times: int) -> dict[int, float]:
    """Microseconds of each, the best of rounds by turns: noise only ever adds."""
    found = dict.fromkeys(acts, float("inf"))
    for _ in range(ROUNDS):
        for count, act in acts.items():
            found[count] = min(found[count], timeit.timeit(act, number=times))
    return {count: seconds / times * 1e6 for count, seconds in found.items()}


def _figure(
    what: str, costs: dict[int, float], more: int, fewer: int, bar: float
) -> dict[str, object]:
    ratio = costs[more] / costs[fewer]
    return {
        "what": f"in process, {what}",
        **{f"us_of_{count}": round(cost, 1) for count, cost in costs.items()},
        "ratio": round(ratio, 2),
        "bar": bar,
        "is_met": ratio <= bar,
    }
