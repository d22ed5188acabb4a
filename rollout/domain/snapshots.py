"""Flags, rules, stages, coverage and switch, compiled into one immutable value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from portal.domain.canonical import digest_of
from rollout.domain.flags import FlagSpec, FlagType
from rollout.domain.stages import StagePlan, StageState
from rollout.domain.switch import SwitchState
from rollout.domain.targeting import Rule, condition

SCHEMA = "snapshot.v1"
# The version of the rules by which gates are judged; part of every fingerprint.
GATE_RULES = "gates.v1/2"

OPEN_STATES = frozenset({StageState.RUNNING, StageState.HOLDING, StageState.PROMOTABLE})


def compile_snapshot(
    *,
    rollout: str,
    fallback_workflow: str,
    salt: str,
    switch: SwitchState,
    epoch: int,
    stages: Sequence[Mapping[str, Any]],
    flags: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """The content of a snapshot: plain JSON, the same for the same facts.

    A stage is `{key, position, state, is_admitting, share, attempt, plan}`, a flag
    `{key, type, default, minimum, maximum, options, is_nullable, rules}`, a rule
    `{conditions, value, share}`; a share is in buckets of 10000.
    """
    return {
        "schema": SCHEMA,
        "rollout": rollout,
        "fallback_workflow": fallback_workflow,
        "salt": salt,
        "switch": {"state": str(switch), "epoch": epoch},
        "stages": sorted((dict(s) for s in stages), key=lambda s: s["position"]),
        "flags": sorted((dict(f) for f in flags), key=lambda f: f["key"]),
    }


@dataclass(frozen=True, slots=True)
class CompiledStage:
    """The stage that is open now."""

    key: str
    attempt: int
    is_admitting: bool
    share: int
    plan: StagePlan
    forced: Mapping[str, bool | int]


@dataclass(frozen=True, slots=True)
class CompiledFlag:
    """A flag with its rules, ready to be evaluated."""

    spec: FlagSpec
    rules: tuple[Rule, ...]
    salt: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot's content, ready to decide."""

    rollout: str
    fallback_workflow: str
    salt: str
    is_switch_engaged: bool
    epoch: int
    stage: CompiledStage | None
    flags: tuple[CompiledFlag, ...]
    content: Mapping[str, Any]


def load(content: Mapping[str, Any]) -> Snapshot:
    """Precompile a snapshot's content."""
    salt = content["salt"]
    opened = [s for s in content["stages"] if s["state"] in OPEN_STATES]
    return Snapshot(
        rollout=content["rollout"],
        fallback_workflow=content["fallback_workflow"],
        salt=salt,
        is_switch_engaged=content["switch"]["state"] == SwitchState.ENGAGED,
        epoch=content["switch"]["epoch"],
        stage=_stage(opened[0]) if opened else None,
        flags=tuple(_flag(raw, salt) for raw in content["flags"]),
        content=content,
    )


def _stage(raw: Mapping[str, Any]) -> CompiledStage:
    plan = StagePlan.from_json(raw["plan"])
    return CompiledStage(
        key=raw["key"],
        attempt=raw["attempt"],
        is_admitting=raw["is_admitting"],
        share=raw["share"],
        plan=plan,
        forced=plan.forced_values(),
    )


def _flag(raw: Mapping[str, Any], salt: str) -> CompiledFlag:
    spec = FlagSpec(
        key=raw["key"],
        type=FlagType(raw["type"]),
        default=raw["default"],
        minimum=raw["minimum"],
        maximum=raw["maximum"],
        options=tuple(raw["options"]),
        is_nullable=raw["is_nullable"],
    )
    rules = tuple(
        Rule(
            conditions=tuple(condition(each) for each in rule["conditions"]),
            value=rule["value"],
            share=rule["share"],
        )
        for rule in raw["rules"]
    )
    return CompiledFlag(spec, rules, f"{salt}/{spec.key}")


def fingerprint(
    content: Mapping[str, Any], *, stage_key: str, system_version: str
) -> str:
    """The digest of everything whose change makes old evidence irrelevant.

    The stage's own plan, flags and rules, the gate rules and the version of the
    research system; not coverage, not the switch, not other stages (decision 18).
    """
    stage = next(s for s in content["stages"] if s["key"] == stage_key)
    return digest_of(
        {
            "plan": stage["plan"],
            "flags": content["flags"],
            "gate_rules": GATE_RULES,
            "system_version": system_version,
        }
    )
