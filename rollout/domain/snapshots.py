"""Flags, rules, stages, coverage and switch, compiled into one immutable value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from portal.domain.canonical import digest_of
from rollout.domain.flags import FlagSpec, FlagType, Value
from rollout.domain.stages import StagePlan, StageState
from rollout.domain.switch import SwitchState
from rollout.domain.targeting import Rule, Segments, Variant, conditions

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
    segments: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
) -> dict[str, Any]:
    """The content of a snapshot: plain JSON, the same for the same facts.

    A stage is `{key, position, state, is_admitting, share, attempt, plan}`, a flag
    `{key, type, default, minimum, maximum, options, is_nullable, rules}`, a rule
    `{conditions, value, share}`; a share is in buckets of 10000. A rule may have
    `variants` (`{name, value, share}`) instead of a value and a `description`, a flag
    `prerequisites` (`{flag, values}`); segments are conditions by key. What is empty
    of these is left out, so that a configuration without them has one form only.
    """
    content = {
        "schema": SCHEMA,
        "rollout": rollout,
        "fallback_workflow": fallback_workflow,
        "salt": salt,
        "switch": {"state": str(switch), "epoch": epoch},
        "stages": sorted((dict(s) for s in stages), key=lambda s: s["position"]),
        "flags": sorted((dict(f) for f in flags), key=lambda f: f["key"]),
    }
    if segments:
        content["segments"] = {key: list(each) for key, each in segments.items()}
    return content


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
class Prerequisite:
    """Another flag, and the values of it with which a flag's rules count."""

    flag: str
    values: tuple[Value, ...]

    def is_met_by(self, value: Value) -> bool:
        """Whether the other flag has one of the values."""
        return any(type(value) is type(v) and value == v for v in self.values)


@dataclass(frozen=True, slots=True)
class CompiledFlag:
    """A flag with its rules, ready to be evaluated."""

    spec: FlagSpec
    rules: tuple[Rule, ...]
    salt: str
    prerequisites: tuple[Prerequisite, ...] = ()


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
    by_key: Mapping[str, CompiledFlag]


def load(content: Mapping[str, Any]) -> Snapshot:
    """Precompile a snapshot's content."""
    salt = content["salt"]
    opened = [s for s in content["stages"] if s["state"] in OPEN_STATES]
    segments = {
        key: conditions(raws) for key, raws in content.get("segments", {}).items()
    }
    flags = tuple(_flag(raw, salt, segments) for raw in content["flags"])
    return Snapshot(
        rollout=content["rollout"],
        fallback_workflow=content["fallback_workflow"],
        salt=salt,
        is_switch_engaged=content["switch"]["state"] == SwitchState.ENGAGED,
        epoch=content["switch"]["epoch"],
        stage=_stage(opened[0]) if opened else None,
        flags=flags,
        content=content,
        by_key={flag.spec.key: flag for flag in flags},
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


def _flag(raw: Mapping[str, Any], salt: str, segments: Segments) -> CompiledFlag:
    spec = FlagSpec(
        key=raw["key"],
        type=FlagType(raw["type"]),
        default=raw["default"],
        minimum=raw["minimum"],
        maximum=raw["maximum"],
        options=tuple(raw["options"]),
        is_nullable=raw["is_nullable"],
    )
    return CompiledFlag(
        spec,
        tuple(_rule(rule, segments) for rule in raw["rules"]),
        f"{salt}/{spec.key}",
        tuple(
            Prerequisite(each["flag"], tuple(each["values"]))
            for each in raw.get("prerequisites", [])
        ),
    )


def _rule(raw: Mapping[str, Any], segments: Segments) -> Rule:
    return Rule(
        conditions=conditions(raw["conditions"], segments=segments),
        value=raw.get("value"),
        share=raw["share"],
        variants=tuple(
            Variant(each["name"], each["value"], each["share"])
            for each in raw.get("variants", [])
        ),
        description=raw.get("description", ""),
    )


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
            **({"segments": found} if (found := content.get("segments")) else {}),
        }
    )
