"""How the evidence for each demand grew, run by run: what a chart of it shows.

Computed from an evaluation's own facts, so it shows what was judged and nothing later.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from rollout.domain.canary import said_by
from rollout.domain.criteria import Criteria
from rollout.domain.eprocess import Claim, log_e_value
from rollout.domain.evaluations import Evaluation
from rollout.domain.evidence import LATENCY, Outcome, RunFacts
from rollout.domain.intervals import Interval, confidence_sequence
from rollout.domain.judgements import Proof, percent, place
from rollout.domain.promotion import passes_to_go
from rollout.domain.stages import ANY

MOST_STEPS = 60  # of a chart: more would stand on the same pixels


@dataclass(frozen=True, slots=True)
class Step:
    """What was known after so many runs; without a bar there is no e-value."""

    runs: int
    passes: int
    failures: int
    unknown: int
    possible: Interval
    log_e: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """One gate in one class: what each run said, and what was known along the way.

    Where a person judges, there is no bar, and so no proof. `to_go` is how many more
    passes in a row would prove what is not proven; None where none would in time.
    """

    metric: str
    query_class: str
    bar: float | None
    floor: float | None
    alpha: float
    outcomes: tuple[Outcome, ...]
    steps: tuple[Step, ...]
    proof: Proof | None
    to_go: int | None = None

    @property
    def place(self) -> str:
        """The gate and the class in words."""
        return place(self.metric, self.query_class)

    @property
    def last(self) -> Step:
        """What is known after all of the runs."""
        return self.steps[-1]

    @property
    def sentence(self) -> str:
        """What the runs show, in words."""
        if self.proof is not None:
            return self.proof.sentence
        last = self.last
        return (
            f"{self.place}: {last.passes} of {last.runs} passed; pass rates from "
            f"{percent(last.possible.lower)} to {percent(last.possible.upper)} are "
            f"possible, at {percent(self.alpha)} error, {last.possible.holds}. "
            "A person judges whether that is enough."
        )


def courses(evaluation: Evaluation) -> list[Course]:
    """The course of every demand of an evaluation, or of every gate without a bar."""
    facts, criteria = evaluation.facts, evaluation.criteria
    by_id = {run.run_id: run for run in facts.runs}
    prefix = [by_id[run_id] for run_id in evaluation.judgement.prefix]
    wanted: list[tuple[str, str, Proof | None]] = [
        (each.demand.metric, each.demand.query_class, each)
        for each in evaluation.judgement.proofs
    ]
    if criteria.bar is None:
        wanted = [(gate, ANY, None) for gate in criteria.gates]
    return [
        _course(metric, query_class, proof, prefix, evaluation)
        for metric, query_class, proof in wanted
    ]


def weakest(found: Sequence[Course]) -> list[Course]:
    """Of each gate the course that lacks most: no average hides it."""
    worst: dict[str, Course] = {}
    for each in found:
        known = worst.get(each.metric)
        if known is None or _lacks(each) > _lacks(known):
            worst[each.metric] = each
    return list(worst.values())


def _lacks(course: Course) -> tuple[bool, float, int]:
    proof = course.proof
    if proof is None:
        return True, -course.last.possible.lower, -course.last.runs
    return not proof.is_proven, -proof.log_max, -proof.runs


def _course(
    metric: str,
    query_class: str,
    proof: Proof | None,
    prefix: Sequence[RunFacts],
    evaluation: Evaluation,
) -> Course:
    criteria = evaluation.criteria
    alpha = proof.alpha if proof else criteria.alpha_promote
    bar = proof.demand.bar if proof else None
    said = said_by(prefix, metric, query_class, evaluation.facts.now, criteria)
    return Course(
        metric=metric,
        query_class=query_class,
        bar=bar,
        floor=_floor(metric, criteria),
        alpha=alpha,
        outcomes=tuple(said),
        steps=tuple(_steps(said, proof, alpha)),
        proof=proof,
        to_go=_to_go(proof, criteria) if proof else None,
    )


def _to_go(proof: Proof, criteria: Criteria) -> int | None:
    if proof.proven_at is not None:
        return None
    lost = proof.failures + proof.unknown  # no data is never a pass
    return passes_to_go(proof.passes, lost, proof.demand.bar, proof.alpha, criteria)


def _floor(metric: str, criteria: Criteria) -> float | None:
    return criteria.latency_floor if metric == LATENCY else criteria.floor


def _steps(
    said: Sequence[Outcome], proof: Proof | None, alpha: float
) -> Iterator[Step]:
    passes, failures, unknown = (
        list(accumulate((each == kind for each in said), initial=0)) for kind in Outcome
    )
    for n in _shown(len(said), proof):
        lost = failures[n] + unknown[n]
        log_e = None
        if proof is not None:
            log_e = log_e_value(Claim.PROMOTE, proof.demand.bar, passes[n], lost)
        possible = confidence_sequence(passes[n], lost, alpha=alpha)
        yield Step(n, passes[n], failures[n], unknown[n], possible, log_e)


def _shown(runs: int, proof: Proof | None) -> list[int]:
    """Numbers of runs, evenly apart, with the last and the one that proved the bar."""
    apart = -(-runs // MOST_STEPS) or 1
    shown = [*range(0, runs, apart), runs]
    if proof is not None and proof.proven_at is not None:
        where = bisect_left(shown, proof.proven_at)
        if shown[where : where + 1] != [proof.proven_at]:
            shown.insert(where, proof.proven_at)
    return shown
