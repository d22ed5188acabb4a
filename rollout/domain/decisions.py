"""Which workflow does a run get, with which limits, and why: a pure function."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from rollout.domain.bucketing import BUCKETS, bucket
from rollout.domain.contexts import Context
from rollout.domain.evaluation import evaluate
from rollout.domain.flags import MODE_DEFAULT, NO_WEB, Value
from rollout.domain.snapshots import CompiledStage, Snapshot
from rollout.domain.targeting import missing_unit


class Workflow(StrEnum):
    """What a run can be given; the name of the fallback is the rollout's own."""

    OPTION_C = "option_c"
    STANDARD = "standard"


class Reason(StrEnum):
    """Why; in the order in which they are looked at."""

    KILL_SWITCH = "KILL_SWITCH"
    RUN_FINAL = "RUN_FINAL"
    NOT_STARTED = "NOT_STARTED"
    NOT_ADMITTED = "NOT_ADMITTED"
    STAGE_PAUSED = "STAGE_PAUSED"
    OUT_OF_COVERAGE = "OUT_OF_COVERAGE"
    ADMITTED = "ADMITTED"


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer, and what it rests on."""

    workflow: str
    reason: Reason
    stage: str | None
    attempt: int | None
    bucket: int | None
    flags: dict[str, Value]
    flag_reasons: dict[str, list[str]]
    constraints: dict[str, Any]
    not_admitted: list[dict[str, Any]]

    @property
    def is_option_c(self) -> bool:
        """Whether the run is let into Option C."""
        return self.workflow == Workflow.OPTION_C

    def answer(self) -> dict[str, Any]:
        """What is recorded and compared when a decision is replayed."""
        return {
            "workflow": self.workflow,
            "reason": str(self.reason),
            "stage": self.stage,
            "attempt": self.attempt,
            "bucket": self.bucket,
            "flags": self.flags,
            "constraints": self.constraints,
        }


def decide(snapshot: Snapshot, context: Context) -> Decision:
    """Decide; the same snapshot and context give the same answer, for ever."""
    reason, place, misses = admission(
        snapshot, context.asked(), is_final=context.is_final
    )
    is_admitted = reason == Reason.ADMITTED
    flags, why = evaluate(snapshot, context, is_enabled=is_admitted)
    stage = snapshot.stage
    return Decision(
        workflow=Workflow.OPTION_C if is_admitted else snapshot.fallback_workflow,
        reason=reason,
        stage=stage.key if stage else None,
        attempt=stage.attempt if stage else None,
        bucket=place,
        flags=flags,
        flag_reasons=why,
        constraints=_constraints(stage, context, flags)
        if stage and is_admitted
        else {},
        not_admitted=misses,
    )


def admission(
    snapshot: Snapshot, attributes: Mapping[str, Any], *, is_final: bool = False
) -> tuple[Reason, int | None, list[dict[str, Any]]]:
    """The first reason that applies, the bucket if it was looked at, and misses.

    `attributes` is what a context asked (`Context.asked`).
    """
    if snapshot.is_switch_engaged:
        return Reason.KILL_SWITCH, None, []
    if is_final:
        return Reason.RUN_FINAL, None, []
    stage = snapshot.stage
    if stage is None:
        return Reason.NOT_STARTED, None, []
    if "mode" not in attributes:
        attributes = {**attributes, "mode": _default_mode(snapshot)}
    misses = stage.plan.not_admitted(attributes)
    if misses:
        return Reason.NOT_ADMITTED, None, misses
    if not stage.is_admitting:
        return Reason.STAGE_PAUSED, None, []
    unit = attributes["targetingKey"]
    if not unit:
        if stage.share == BUCKETS:
            return Reason.ADMITTED, None, []  # everybody: no bucket is needed
        raise missing_unit()
    place = bucket(snapshot.salt, unit)
    if place >= stage.share:
        return Reason.OUT_OF_COVERAGE, place, []
    return Reason.ADMITTED, place, []


def _default_mode(snapshot: Snapshot) -> str | None:
    flag = snapshot.by_key.get(MODE_DEFAULT)
    return str(flag.spec.default) if flag else None


def _constraints(
    stage: CompiledStage, context: Context, flags: Mapping[str, Value]
) -> dict[str, Any]:
    return {
        "sensitivity": context.sensitivity or stage.plan.sensitivity,
        "no_web": bool(flags.get(NO_WEB)),
        "caps": {key: flags[key] for key in stage.plan.caps if key in flags},
    }
