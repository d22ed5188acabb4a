"""Why: a decision and a flag's value, step by step, in words."""

from collections.abc import Mapping
from typing import Any

from rollout.domain.bucketing import BUCKETS
from rollout.domain.contexts import Context
from rollout.domain.decisions import Reason, decide
from rollout.domain.evaluation import Values
from rollout.domain.flags import ENABLED, for_display
from rollout.domain.snapshots import CompiledFlag, Snapshot
from rollout.domain.targeting import Rule


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


def explain_flag(
    snapshot: Snapshot, context: Context, flag: CompiledFlag
) -> list[dict[str, str]]:
    """Why a flag has its value, rule by rule; `stop` marks what gave it.

    Each step is `{"check", "says", "outcome"}`, in the order of evaluation.
    """
    spec = flag.spec
    if spec.key == ENABLED:
        return explain(snapshot, context)
    enabled = decide(snapshot, context).is_option_c
    values = Values(snapshot, context.asked(), is_enabled=lambda: enabled)
    outcome = values.of(flag)
    steps: list[dict[str, str]] = []

    def step(check: str, says: str, outcome: str) -> None:
        steps.append({"check": check, "says": says, "outcome": outcome})

    unmet = False
    for prerequisite in flag.prerequisites if flag.rules else ():
        is_met = values.is_met(prerequisite)
        has = for_display(values.of(snapshot.by_key[prerequisite.flag]).value)
        wanted = " or ".join(map(for_display, prerequisite.values))
        step(
            "PREREQUISITE",
            f"{prerequisite.flag} is {has}"
            + (", as is needed." if is_met else f"; the rules need {wanted}."),
            "go on" if is_met else "no rules",
        )
        unmet = unmet or not is_met
    for number, rule in enumerate(() if unmet else flag.rules, start=1):
        is_match = rule is outcome.rule
        says = _rule_in_words(rule, flag.salt, context.asked())
        step(f"RULE_{number}", says, "stop" if is_match else "go on")
        if is_match:
            break
    if outcome.rule is None:
        step("DEFAULT", f"The default is {for_display(spec.default)}.", "stop")
    elif outcome.variant is not None:
        given = for_display(outcome.variant.value)
        said = f"The variant {outcome.variant.name} is {given}."
        step("VARIANT", said, "stop")
    if "STAGE" in outcome.why:
        step("STAGE", f"The stage allows {for_display(outcome.value)}.", "limit")
    if "CLAMPED" in outcome.why:
        step("CLAMPED", f"The clamp allows {for_display(outcome.value)}.", "limit")
    return steps


def _rule_in_words(rule: Rule, salt: str, attributes: Mapping[str, Any]) -> str:
    missing = [c for c in rule.conditions if not c.holds(attributes)]
    said = "; ".join(
        f"{each} {'does not hold' if each in missing else 'holds'}"
        for each in rule.conditions
    )
    named = f"{rule.description}: " if rule.description else ""
    if missing or rule.share is None:
        return f"{named}{said or 'it is for everybody'}."
    place = rule.place(attributes, salt=salt)
    share = f"bucket {place} of {BUCKETS}, those below {rule.share} are in"
    return f"{named}{said + '; ' if said else ''}{share}."
