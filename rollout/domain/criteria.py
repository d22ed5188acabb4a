"""What a stage's plan asks of the evidence: gates, classes, bars, floors, errors."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from rollout.domain.evidence import LATENCY, Restarts
from rollout.domain.looks import LookPlan
from rollout.domain.stages import ANY, OnHardGateFailure, StagePlan

BELOW_THE_BAR = 0.10


@dataclass(frozen=True, slots=True)
class Demand:
    """One claim that a promotion rests on: this gate, in this class, is above the bar.

    The class `*` is all of them together.
    """

    metric: str
    query_class: str
    bar: float


@dataclass(frozen=True, slots=True)
class Guard:
    """One claim that a rollback can rest on: this gate, in this class, is below."""

    metric: str
    query_class: str
    floor: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Criteria:
    """The numbers by which evidence is judged. Rates are from 0 to 1.

    `classes` are those that the plan admits by name; it is empty where all are
    admitted. With a `class_bar` the classes are judged together at the bar and each at
    its own, lower one; without, each is judged at the bar.
    """

    gates: tuple[str, ...]
    classes: tuple[str, ...] = ()
    bar: float | None = None
    class_bar: float | None = None
    floor: float | None = None
    alpha_promote: float = 0.05
    alpha_rollback: float = 0.10
    max_runs: int = 300
    max_open_s: int = 7200
    max_unknown: float = 0.20
    rolls_back_on_hard_failure: bool = False
    restarts: Restarts = Restarts.CONTINUE
    latency_budget_s: float | None = None
    latency_bar: float = 0.95
    latency_floor: float | None = 0.85
    looks: LookPlan | None = None

    @classmethod
    def of(cls, plan: StagePlan) -> "Criteria":
        """What a stage plan asks."""
        return cls(
            gates=plan.judged_gates,
            classes=() if ANY in plan.query_classes else plan.query_classes,
            bar=None if plan.is_judged_by_person else plan.promote_bar,
            class_bar=plan.class_bar,
            floor=_floor_of(plan),
            alpha_promote=plan.alpha_promote,
            alpha_rollback=plan.alpha_rollback,
            max_runs=plan.max_runs,
            max_open_s=plan.max_open_s,
            max_unknown=plan.max_unknown,
            restarts=Restarts(plan.restarts),
            latency_budget_s=plan.latency_budget_s,
            looks=LookPlan(plan.looks) if plan.looks else None,
            rolls_back_on_hard_failure=(
                plan.on_hard_gate_failure == OnHardGateFailure.ROLL_BACK
            ),
        )

    @property
    def max_open(self) -> timedelta:
        """How long a run may be open before it counts as unknown."""
        return timedelta(seconds=self.max_open_s)

    @property
    def latency_budget(self) -> timedelta | None:
        """Within which time the answer is wanted."""
        if self.latency_budget_s is None:
            return None
        return timedelta(seconds=self.latency_budget_s)

    def demands(self, seen: Iterable[str]) -> tuple[Demand, ...]:
        """All that a promotion has to prove, if runs of the classes `seen` came.

        An admitted class without runs is among them: no data is never a pass. So is a
        class that came although the plan does not name it.
        """
        if self.bar is None:
            return ()
        classes = (*self.classes, *sorted({*seen} - {*self.classes}))
        bars = dict.fromkeys(classes, self.class_bar or self.bar)
        if self.class_bar is not None:
            bars = {ANY: self.bar, **bars}
        found = [
            Demand(gate, query_class, bar)
            for gate in self.gates
            for query_class, bar in bars.items()
        ]
        if self.latency_budget_s is not None:
            found.append(Demand(LATENCY, ANY, self.latency_bar))
        return tuple(found)

    def guards(self) -> tuple[Guard, ...]:
        """All that a rollback can rest on; fixed beforehand, so it can be averaged.

        Were a class that turns up later added to the average, it would lift an average
        that had fallen below one, and the error would not be limited any more.
        """
        found = []
        if self.floor is not None:
            pooled = () if self.classes and self.class_bar is None else (ANY,)
            found = [
                Guard(gate, query_class, self.floor)
                for gate in self.gates
                for query_class in (*pooled, *self.classes)
            ]
        if self.latency_budget_s is not None and self.latency_floor is not None:
            found.append(Guard(LATENCY, ANY, self.latency_floor))
        return tuple(found)

    def to_json(self) -> dict[str, Any]:
        """The criteria as they are kept with an evaluation."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(self).items()
        } | {"looks": self.looks and self.looks.to_json()}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> "Criteria":
        """The criteria from their kept form."""
        return cls(
            **{
                **raw,
                "gates": tuple(raw["gates"]),
                "classes": tuple(raw["classes"]),
                "restarts": Restarts(raw["restarts"]),
                "looks": raw["looks"] and LookPlan.from_json(raw["looks"]),
            }
        )


def _floor_of(plan: StagePlan) -> float | None:
    """The plan's own floor, else a tenth below its bar (decision 22)."""
    if plan.floor is not None or plan.promote_bar is None:
        return plan.floor
    below = round(plan.promote_bar - BELOW_THE_BAR, 9)
    return below if below > 0 else None
