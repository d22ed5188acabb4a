"""What a plan's numbers can achieve, told when they are written.

A plan that cannot reach its own bar would collect runs for weeks and then hold. It is
refused with the arithmetic, and whoever writes one sees beside it how many runs it will
take, how many failures it forgives, and how good the system has to be.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from portal.errors import Invalid
from rollout.domain.boundary import (
    NONE,
    chance_of_promotion,
    failures_allowed,
    first_all_pass,
    runs_for_power,
)
from rollout.domain.criteria import Criteria
from rollout.domain.evidence import alpha_of_try
from rollout.domain.judgements import percent
from rollout.domain.stages import ANY

POWER = 0.80
MOST_RUNS = 10_000  # more than a stage collects, and than is worth computing exactly


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What one kind of demand takes; `runs` is how many it can get of `max_runs`.

    `claims` is how many demands of this kind there are. `power_at` is the run by which
    *all* of them are proven with 80 % chance if every one truly passes at `true_rate`.
    """

    query_class: str
    bar: float
    runs: int
    claims: int
    first_run: int | None
    failures_allowed: int  # of so many runs; -1 if not even none
    true_rate: float
    chance: float
    power_at: int | None


def first_run(bar: float, *, criteria: Criteria, alpha: float) -> int | None:
    """The first n that could promote, if all pass; None if no planned look does."""
    looks = criteria.looks
    if looks is None:
        return first_all_pass(bar, alpha=alpha)
    allowed = looks.failures_allowed(bar, alpha=alpha)
    planned = [n for n, most in enumerate(allowed) if most > NONE]
    if looks.anytime_share:
        planned.append(first_all_pass(bar, alpha=alpha * looks.anytime_share))
    return min(planned, default=None)


def forecasts(criteria: Criteria, *, true_rate: float) -> list[Forecast]:
    """What a plan that holds together takes, for each kind of demand.

    Classes share the runs evenly here, and claims are proven independently of each
    other; where failures come together, the chance that all are proven is better.
    """
    require_feasible(criteria)
    alpha = _first_alpha(criteria)
    found = []
    for query_class, bar, runs, claims in _kinds(criteria):
        allowed = _allowed(bar, runs, criteria, alpha)
        found.append(
            Forecast(
                query_class=query_class,
                bar=bar,
                runs=runs,
                claims=claims,
                first_run=first_run(bar, criteria=criteria, alpha=alpha),
                failures_allowed=allowed[-1],
                true_rate=true_rate,
                chance=chance_of_promotion(true_rate, allowed) ** claims,
                power_at=runs_for_power(
                    true_rate, allowed, power=POWER ** (1 / claims)
                ),
            )
        )
    return found


def require_feasible(criteria: Criteria) -> None:
    """Refuse, with the arithmetic, numbers that can never promote or contradict."""
    if criteria.looks is not None:
        criteria.looks.check()
    errors = [
        {"pointer": pointer, "detail": detail} for pointer, detail in _faults(criteria)
    ] or [
        {"pointer": pointer, "detail": detail}
        for pointer, detail in _shortfalls(criteria)
    ]
    if errors:
        raise Invalid(
            " ".join(error["detail"] for error in errors),
            code="PLAN_INFEASIBLE",
            errors=errors,
        )


def _faults(criteria: Criteria) -> Iterator[tuple[str, str]]:
    rates = {
        "promote_bar": criteria.bar,
        "class_bar": criteria.class_bar,
        "floor": criteria.floor,
        "latency_bar": criteria.latency_bar,
        "latency_floor": criteria.latency_floor,
        "alpha_promote": criteria.alpha_promote,
        "alpha_rollback": criteria.alpha_rollback,
    }
    for name, rate in rates.items():
        if rate is not None and not 0 < rate < 1:
            yield f"/{name}", f"{name} is {rate}; it has to be between 0 and 1."
    for name, floor, bar in (
        ("floor", criteria.floor, criteria.bar),
        ("latency_floor", criteria.latency_floor, criteria.latency_bar),
    ):
        if floor is not None and bar is not None and floor >= bar:
            yield (
                f"/{name}",
                f"A rate between the bar {bar} and the {name} {floor} would be good "
                f"enough to promote and bad enough to roll back.",
            )
    if criteria.class_bar is not None:
        if criteria.bar is not None and criteria.class_bar > criteria.bar:
            yield (
                "/class_bar",
                f"Each class alone would have to be better ({criteria.class_bar}) "
                f"than all together ({criteria.bar}).",
            )
        if criteria.floor is not None and criteria.floor > criteria.class_bar:
            yield (
                "/floor",
                f"A class between the class bar {criteria.class_bar} and the floor "
                f"{criteria.floor} would be promoted and rolled back.",
            )
    if criteria.max_runs > MOST_RUNS:
        yield "/max_runs", f"max_runs is {criteria.max_runs}, at most {MOST_RUNS} goes."
    if criteria.looks is not None and criteria.looks.looks[-1] > criteria.max_runs:
        yield (
            "/looks",
            f"The last look is after run {criteria.looks.looks[-1]}, and max_runs is "
            f"{criteria.max_runs}.",
        )
    if not 0 <= criteria.max_unknown <= 1:
        yield (
            "/max_unknown",
            f"max_unknown is {criteria.max_unknown}; it has to be from 0 to 1.",
        )
    if criteria.bar is not None and not criteria.gates:
        yield "/judged_gates", "Without a judged gate nothing can be proven."


def _shortfalls(criteria: Criteria) -> Iterator[tuple[str, str]]:
    alpha = _first_alpha(criteria)
    for query_class, bar, runs, _ in _kinds(criteria):
        first = first_run(bar, criteria=criteria, alpha=alpha)
        is_shared = query_class != ANY and len(criteria.classes) > 1
        if first is None:
            yield (
                "/looks",
                f"No planned look could prove {percent(bar)} at {percent(alpha)} "
                f"error, even if every run passed.",
            )
        elif first > runs:
            needed = first * len(criteria.classes) if is_shared else first
            there_are = (
                f"each of {len(criteria.classes)} classes gets {runs} of"
                if is_shared
                else "there are at most"
            )
            yield (
                "/max_runs",
                f"{percent(bar)} at {percent(alpha)} error takes {first} passes in "
                f"{first} runs; {there_are} {criteria.max_runs}, and max_runs has to "
                f"be at least {needed}.",
            )


def _kinds(criteria: Criteria) -> Iterator[tuple[str, float, int, int]]:
    """Class, bar, runs to be had and number of claims, for each kind of demand.

    A plan that admits all classes gets at least one, which nobody can name yet.
    """
    if criteria.bar is None:
        return
    gates, classes = len(criteria.gates), max(1, len(criteria.classes))
    if criteria.class_bar is not None:
        yield ANY, criteria.bar, criteria.max_runs, gates
    each = criteria.class_bar or criteria.bar
    name = "each class" if criteria.classes else "any class"
    yield name, each, criteria.max_runs // classes, gates * classes
    if criteria.latency_budget_s is not None:
        yield ANY, criteria.latency_bar, criteria.max_runs, 1


def _allowed(
    bar: float, runs: int, criteria: Criteria, alpha: float
) -> tuple[int, ...]:
    """The boundary of the rule that the plan asks for, over the runs to be had."""
    if criteria.looks is None:
        return failures_allowed(bar, alpha=alpha, runs=runs)
    planned = criteria.looks.failures_allowed(bar, alpha=alpha)[: runs + 1]
    planned += (NONE,) * (runs + 1 - len(planned))
    if not criteria.looks.anytime_share:
        return planned
    early = failures_allowed(bar, alpha=alpha * criteria.looks.anytime_share, runs=runs)
    return tuple(map(max, planned, early))


def _first_alpha(criteria: Criteria) -> float:
    return alpha_of_try(criteria.alpha_promote, 1, criteria.restarts)
