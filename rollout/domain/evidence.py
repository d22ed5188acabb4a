"""Which runs are evidence, and what each of them says.

Three biases are kept out here: judging what finished first (passing runs finish early,
failing ones hang), starting afresh after a bad attempt, and taking silence for a pass.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from rollout.domain.gates import Gate, GateStatus
from rollout.domain.runs import FINAL, RunKind, RunStatus
from rollout.domain.watchdog import CAUSE as TIMED_OUT

LATENCY = "latency"  # judged like a gate: at least so many runs within the budget
CITATIONS = "C"  # passes by construction without the web


class Outcome(StrEnum):
    """What a run says about one gate."""

    PASS = "pass"
    FAIL = "fail"
    UNKNOWN = "unknown"


class Restarts(StrEnum):
    """What a further attempt with the same fingerprint does about the ones before."""

    CONTINUE = "continue"  # the runs of all of them are one row of evidence
    SPEND = "spend"  # the k-th starts its row anew, with alpha / 2^k


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """One run, as far as it is evidence. A gate that is not in `gates` is unknown.

    `cause` is why the portal ended it, if it did. Halts that wait for an agent
    (RUN_AGENT_REQUIRED) are telemetry, and no telemetry is evidence: nothing here can
    hold them.
    """

    run_id: str
    attempt: int
    start_order: int
    fingerprint: str
    query_class: str
    status: RunStatus
    opened_at: datetime
    finished_at: datetime | None = None
    gates: Mapping[str, Outcome] = field(default_factory=dict)
    no_web: bool = False
    cause: str = ""
    kind: RunKind = RunKind.LIVE

    @property
    def is_final(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self.status in FINAL

    @property
    def place(self) -> tuple[int, int]:
        """Its place in the order of starting, over all attempts."""
        return self.attempt, self.start_order

    def open_for(self, now: datetime) -> timedelta:
        """How long it was open, or has been so far."""
        return (self.finished_at or now) - self.opened_at

    def to_json(self) -> dict[str, Any]:
        """The facts as they are kept with an evaluation."""
        return {
            "run_id": self.run_id,
            "attempt": self.attempt,
            "start_order": self.start_order,
            "fingerprint": self.fingerprint,
            "query_class": self.query_class,
            "status": str(self.status),
            "opened_at": self.opened_at.isoformat(),
            "finished_at": self.finished_at and self.finished_at.isoformat(),
            "gates": {letter: str(each) for letter, each in self.gates.items()},
            "no_web": self.no_web,
            "cause": self.cause,
            "kind": str(self.kind),
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> "RunFacts":
        """The facts from their kept form."""
        finished = raw["finished_at"]
        return cls(
            **{
                **raw,
                "status": RunStatus(raw["status"]),
                "opened_at": datetime.fromisoformat(raw["opened_at"]),
                "finished_at": finished and datetime.fromisoformat(finished),
                "gates": {gate: Outcome(said) for gate, said in raw["gates"].items()},
                "kind": RunKind(raw["kind"]),
            }
        )


def outcomes_of(gates: Mapping[str, Gate], *, is_final: bool) -> dict[str, Outcome]:
    """What a run's gates say: the confirmed or last value (decision 17).

    A failure that may still recover is not known yet, and a pass that its metrics
    contradict never is one.
    """
    found = {}
    for letter, gate in gates.items():
        if gate.status == GateStatus.PASS:
            found[letter] = Outcome.PASS
        elif gate.status == GateStatus.FAIL and (is_final or gate.is_confirmed_failure):
            found[letter] = Outcome.FAIL
    return found


def outcome(
    run: RunFacts, metric: str, *, now: datetime, latency_budget: timedelta | None
) -> Outcome | None:
    """What a run says about one gate or the latency; None if it is no evidence for it.

    Latency is what whoever waits for the answer sees, pauses and all. A run that ended
    early without an answer was not fast: nobody knows how long it would have taken.
    """
    if metric == CITATIONS and run.no_web:
        return None
    if metric != LATENCY:
        return run.gates.get(metric, Outcome.UNKNOWN)
    if latency_budget is None:
        return None
    if run.cause == TIMED_OUT or run.open_for(now) > latency_budget:
        return Outcome.FAIL
    return Outcome.PASS if run.status == RunStatus.COMPLETED else Outcome.UNKNOWN


def in_start_order(runs: Iterable[RunFacts], *, fingerprint: str) -> list[RunFacts]:
    """The live runs of one configuration, as they started; of another, none counts."""
    return sorted(
        (
            run
            for run in runs
            if run.kind == RunKind.LIVE and run.fingerprint == fingerprint
        ),
        key=lambda run: run.place,
    )


def ledger(
    runs: Iterable[RunFacts], *, fingerprint: str, attempt: int, restarts: Restarts
) -> tuple[list[RunFacts], int]:
    """The runs that speak for a promotion, and which try at it this is (k >= 1).

    Evidence belongs to the configuration. Whoever starts again with the same one goes
    on with what there is, or pays for every try: never afresh.
    """
    ours = [
        run
        for run in in_start_order(runs, fingerprint=fingerprint)
        if run.attempt <= attempt
    ]
    tries = len({run.attempt for run in ours} | {attempt})
    if restarts == Restarts.SPEND:
        ours = [run for run in ours if run.attempt == attempt]
    return ours, tries


def alpha_of_try(alpha: float, tries: int, restarts: Restarts) -> float:
    """The error that this try may make: all tries together never make more."""
    return alpha / 2**tries if restarts == Restarts.SPEND else alpha


def settled_prefix(
    runs: Iterable[RunFacts], *, now: datetime, max_open: timedelta
) -> list[RunFacts]:
    """The runs up to the first, in the order of starting, that is still open.

    Later ones wait, however they ended: what finishes early passes more often. A run
    that was open for longer than `max_open` does not hold up the others: it is in the
    prefix, and passes nothing (see `settled_outcome`).
    """
    prefix = []
    for run in runs:
        if not run.is_final and run.open_for(now) <= max_open:
            break
        prefix.append(run)
    return prefix


def settled_outcome(
    run: RunFacts,
    metric: str,
    *,
    now: datetime,
    max_open: timedelta,
    latency_budget: timedelta | None,
) -> Outcome | None:
    """What a run of the prefix says for promotion.

    What was open for too long never passes, also when it ends in the end: evidence
    that has been looked at must not change.
    """
    said = outcome(run, metric, now=now, latency_budget=latency_budget)
    is_too_late = said == Outcome.PASS and run.open_for(now) > max_open
    return Outcome.UNKNOWN if is_too_late else said
