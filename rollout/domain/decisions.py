"""Which workflow does a run get, with which limits, and why: a pure function."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from portal.domain.canonical import digest_of
from portal.errors import Invalid
from rollout.domain.bucketing import BUCKETS, bucket
from rollout.domain.flags import ENABLED, MODE_DEFAULT, NO_WEB, Value, stricter
from rollout.domain.snapshots import CompiledFlag, CompiledStage, Snapshot
from rollout.domain.targeting import missing_unit

LONGEST_ATTRIBUTE = 500
LONGEST_RUN_ID = 200
MOST_ATTRIBUTES = 50


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
class Context:
    """What a caller knows about a run.

    `is_final` is not the caller's: the portal adds it when it knows that the run has
    ended. `extra` are further attributes that rules can look at.
    """

    run_id: str
    targeting_key: str = ""
    team: str | None = None
    mode: str | None = None
    query_class: str | None = None
    sensitivity: str | None = None
    environment: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    is_final: bool = False

    @property
    def unit(self) -> str:
        """What sticks to its bucket: `targetingKey`, by default the run."""
        return self.targeting_key or self.run_id

    @property
    def is_no_web(self) -> bool:
        """Whether the run may not touch the web, whatever the stage allows."""
        return self.sensitivity == "no_web"

    def asked(self) -> dict[str, Any]:
        """What the caller said, in one form."""
        said = {
            "run_id": self.run_id,
            "targetingKey": self.unit,
            "team": self.team,
            "mode": self.mode,
            "query_class": self.query_class,
            "sensitivity": self.sensitivity,
            "environment": self.environment,
        }
        return {**self.extra, **{k: v for k, v in said.items() if v is not None}}

    @property
    def inputs_digest(self) -> str:
        """The digest of what the caller said."""
        return digest_of(self.asked())

    def to_json(self) -> dict[str, Any]:
        """Everything that a decision is made from, to be stored beside it."""
        return {"asked": self.asked(), "is_final": self.is_final}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> "Context":
        """The context of a recorded decision."""
        return from_asked(raw["asked"], is_final=raw["is_final"])


_NAMED = ("team", "mode", "query_class", "sensitivity", "environment")
_KNOWN = frozenset({"run_id", "targetingKey", *_NAMED})


def from_asked(
    asked: Mapping[str, Any], *, is_final: bool = False, needs_run: bool = True
) -> Context:
    """A context from what a caller sent; `Invalid` points at what cannot be taken.

    Flags can be evaluated without naming a run (`needs_run=False`); what then takes a
    bucket raises `Invalid` (TARGETING_KEY_MISSING).
    """
    errors = []
    if len(asked) > MOST_ATTRIBUTES:
        errors.append(
            {"pointer": "", "detail": f"at most {MOST_ATTRIBUTES} attributes"}
        )
    for name, value in asked.items():
        if isinstance(value, str):
            limit = LONGEST_RUN_ID if name == "run_id" else LONGEST_ATTRIBUTE
            if len(value) > limit:
                errors.append(
                    {"pointer": f"/{name}", "detail": f"is at most {limit} long"}
                )
        elif value is not None and name in _KNOWN:
            errors.append({"pointer": f"/{name}", "detail": "is a text"})
    if needs_run and not asked.get("run_id"):
        errors.append({"pointer": "/run_id", "detail": "is needed"})
    if errors:
        raise Invalid("This context cannot be taken.", errors=errors)
    return Context(
        run_id=asked.get("run_id") or "",
        targeting_key=asked.get("targetingKey") or asked.get("run_id") or "",
        extra={k: v for k, v in asked.items() if k not in _KNOWN},
        is_final=is_final,
        **{name: asked.get(name) or None for name in _NAMED},
    )


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
    reason, place, misses = admission(snapshot, context)
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
    snapshot: Snapshot, context: Context
) -> tuple[Reason, int | None, list[dict[str, Any]]]:
    """The first reason that applies, the bucket if it was looked at, and misses."""
    if snapshot.is_switch_engaged:
        return Reason.KILL_SWITCH, None, []
    if context.is_final:
        return Reason.RUN_FINAL, None, []
    stage = snapshot.stage
    if stage is None:
        return Reason.NOT_STARTED, None, []
    misses = stage.plan.not_admitted(
        {
            "mode": context.mode or _default_mode(snapshot),
            "team": context.team,
            "query_class": context.query_class,
            "environment": context.environment,
            "sensitivity": context.sensitivity,
        }
    )
    if misses:
        return Reason.NOT_ADMITTED, None, misses
    if not stage.is_admitting:
        return Reason.STAGE_PAUSED, None, []
    if not context.unit:
        if stage.share == BUCKETS:
            return Reason.ADMITTED, None, []  # everybody: no bucket is needed
        raise missing_unit()
    place = bucket(snapshot.salt, context.unit)
    if place >= stage.share:
        return Reason.OUT_OF_COVERAGE, place, []
    return Reason.ADMITTED, place, []


def _default_mode(snapshot: Snapshot) -> str | None:
    for flag in snapshot.flags:
        if flag.spec.key == MODE_DEFAULT:
            return str(flag.spec.default)
    return None


def _constraints(
    stage: CompiledStage, context: Context, flags: Mapping[str, Value]
) -> dict[str, Any]:
    return {
        "sensitivity": context.sensitivity or stage.plan.sensitivity,
        "no_web": bool(flags.get(NO_WEB)),
        "caps": {key: flags[key] for key in stage.plan.caps if key in flags},
    }


def evaluate(
    snapshot: Snapshot, context: Context, *, is_enabled: bool
) -> tuple[dict[str, Value], dict[str, list[str]]]:
    """Every flag's effective value, and per flag the steps that led to it."""
    attributes = context.asked()
    forced = forced_for(snapshot, is_no_web=context.is_no_web)
    values: dict[str, Value] = {}
    reasons: dict[str, list[str]] = {}
    for flag in snapshot.flags:
        key = flag.spec.key
        if key == ENABLED:
            values[key], reasons[key] = is_enabled, ["DECISION"]
        else:
            values[key], reasons[key] = effective(flag, attributes, forced)
    return values, reasons


def forced_for(snapshot: Snapshot, *, is_no_web: bool) -> dict[str, bool | int]:
    """What the open stage, or the run itself, allows at most."""
    forced = dict(snapshot.stage.forced) if snapshot.stage else {}
    if is_no_web:
        forced[NO_WEB] = True
    return forced


def effective(
    flag: CompiledFlag,
    attributes: Mapping[str, Any],
    forced: Mapping[str, bool | int],
) -> tuple[Value, list[str]]:
    """A flag's value and the steps that led to it."""
    spec = flag.spec
    value, why = spec.default, ["DEFAULT"]
    for number, rule in enumerate(flag.rules, start=1):
        if rule.matches(attributes, salt=flag.salt):
            value = rule.value
            why.append(f"RULE_{number}")
            break
    value = spec.clamp(value)  # what has the wrong type must not slip past the stage
    if spec.key in forced:
        capped = stricter(spec.key, value, forced[spec.key])
        if capped != value:
            value = capped
            why.append("STAGE")
    clamped = spec.clamp(value)
    if clamped != value:
        value = clamped
        why.append("CLAMPED")
    return value, why


def explain(snapshot: Snapshot, context: Context) -> list[dict[str, Any]]:
    """Why, step by step, in the order of `decide`; the first `stop` decided."""
    decision = decide(snapshot, context)
    stage = snapshot.stage
    sentences = {
        Reason.KILL_SWITCH: (
            "The emergency switch is engaged.",
            "The emergency switch is released.",
        ),
        Reason.RUN_FINAL: ("The run has ended.", "The run has not ended."),
        Reason.NOT_STARTED: (
            "No stage is open.",
            f"Stage {stage.key} is open." if stage else "",
        ),
        Reason.NOT_ADMITTED: (
            "; ".join(
                f"{miss['respect']} {miss['asked'] or 'not given'} is not among "
                f"{', '.join(miss['admitted']) or 'none'}"
                for miss in decision.not_admitted
            )
            + ".",
            "Mode, team, query class, environment and sensitivity are admitted.",
        ),
        Reason.STAGE_PAUSED: (
            "The stage admits nobody for now.",
            "The stage is admitting.",
        ),
        Reason.OUT_OF_COVERAGE: (
            f"Bucket {decision.bucket} is outside the coverage.",
            f"Bucket {decision.bucket} is inside the coverage.",
        ),
    }
    steps: list[dict[str, Any]] = []
    for reason, (stopped, passed) in sentences.items():
        is_stop = decision.reason == reason
        steps.append(
            {
                "check": str(reason),
                "says": stopped if is_stop else passed,
                "outcome": "stop" if is_stop else "go on",
            }
        )
        if is_stop:
            break
    return steps
