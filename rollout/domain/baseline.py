"""What a new portal starts with: a rollout, twelve flags, four stages, triggers."""

from typing import Any

from rollout.domain.flags import (
    ENABLED,
    MODE_DEFAULT,
    NO_WEB,
    WAVE1_AGENTS,
    WAVE2_AGENTS,
    FlagSpec,
    FlagType,
)
from rollout.domain.stages import ANY, OnHardGateFailure, StagePlan
from rollout.domain.triggers import Action, Trigger, TriggerKind

ROLLOUT = "deep-research-option-c"
NAME = "Deep Research Option C"
DESCRIPTION = (
    "Long multi-agent research runs judged by quality gates A to F, "
    "in place of the standard research workflow."
)

FLAGS: list[tuple[FlagSpec, str]] = [
    (
        FlagSpec(ENABLED, FlagType.BOOL, False),
        "Whether a run gets Option C. Its effective value is the decision itself.",
    ),
    (
        FlagSpec(
            MODE_DEFAULT,
            FlagType.ENUM,
            "standard",
            options=("quick", "standard", "deep"),
        ),
        "The mode of a run that asks for none.",
    ),
    (
        FlagSpec(WAVE1_AGENTS, FlagType.INTEGER, 6, 1, 50),
        "How many agents the first wave may have.",
    ),
    (
        FlagSpec(WAVE2_AGENTS, FlagType.INTEGER, 6, 1, 50),
        "How many agents the second wave may have.",
    ),
    (
        FlagSpec("PAI_DR_CLI_MAX_SUMMARY_KB", FlagType.INTEGER, 5, 1, 1000),
        "The largest summary, in kilobytes.",
    ),
    (
        FlagSpec("PAI_DR_CLI_MAX_TOTAL_SUMMARY_KB", FlagType.INTEGER, 60, 1, 100_000),
        "The largest summary pack, in kilobytes.",
    ),
    (
        FlagSpec("PAI_DR_CLI_MAX_REVIEW_ITERATIONS", FlagType.INTEGER, 4, 0, 50),
        "How often a review may send a synthesis back.",
    ),
    (
        FlagSpec(
            "PAI_DR_CLI_CITATION_VALIDATION_TIER",
            FlagType.ENUM,
            "standard",
            options=("basic", "standard", "thorough"),
        ),
        "How thoroughly citations are validated.",
    ),
    (
        FlagSpec(
            "PAI_DR_CLI_CITATIONS_BRIGHT_DATA_ENDPOINT",
            FlagType.STRING,
            None,
            is_nullable=True,
        ),
        "Where pages are fetched through Bright Data; none by default.",
    ),
    (
        FlagSpec(
            "PAI_DR_CLI_CITATIONS_APIFY_ENDPOINT",
            FlagType.STRING,
            None,
            is_nullable=True,
        ),
        "Where pages are fetched through Apify; none by default.",
    ),
    (
        FlagSpec(NO_WEB, FlagType.BOOL, False),
        "Whether a run keeps off the web. Stages 0 and 1 force it on.",
    ),
    (
        FlagSpec(
            "PAI_DR_CLI_RUNS_ROOT", FlagType.PATH, "~/.config/opencode/research-runs"
        ),
        "Where the research system keeps its runs.",
    ),
]

_OFFLINE = (
    "local_spec_analysis",
    "fixture_replay",
    "offline_synthesis",
    "gate_evidence",
)
_MORE_OFFLINE = (*_OFFLINE, "offline_comparison", "offline_review")
_WEB = ("web_research", "citation_check")
_SMALL, _MIDDLE, _FULL = (
    {WAVE1_AGENTS: size, WAVE2_AGENTS: size} for size in (2, 4, 6)
)

STAGES: list[tuple[str, str, StagePlan]] = [
    (
        "offline-baseline",
        "Offline baseline",
        StagePlan(
            query_classes=_OFFLINE,
            teams=("alpha", "beta"),
            modes=("standard",),
            caps=_SMALL,
            is_judged_by_person=True,  # ten runs prove no bar
            on_hard_gate_failure=OnHardGateFailure.ROLL_BACK,
        ),
    ),
    (
        "expanded-offline",
        "Expanded offline",
        StagePlan(
            query_classes=_MORE_OFFLINE,
            teams=("alpha", "beta", "gamma", "delta"),
            modes=("quick", "standard"),
            caps=_MIDDLE,
            promote_bar=0.85,
            class_bar=0.75,  # six classes at .85 each would take a system of 99.9 %
            floor=0.75,
        ),
    ),
    (
        "sandboxed-web-canary",
        "Sandboxed web canary (optional)",
        StagePlan(
            query_classes=(*_MORE_OFFLINE, *_WEB),
            teams=("alpha", "beta", "gamma", "delta"),
            modes=("quick", "standard"),
            environments=("sandbox",),
            is_optional=True,
            sensitivity="normal",
            forces_no_web=False,
            caps=_MIDDLE,
            judged_gates=("A", "B", "C", "D", "E"),
            promote_bar=0.90,
            class_bar=0.80,
            floor=0.80,
            max_runs=600,  # eight classes and five gates are forty claims
        ),
    ),
    (
        "broad-rollout",
        "Broad rollout",
        StagePlan(
            query_classes=(ANY,),
            teams=(ANY,),
            modes=(ANY,),
            sensitivity="normal",
            forces_no_web=False,
            caps=_FULL,
            judged_gates=("A", "B", "C", "D", "E"),
            promote_bar=0.95,
            class_bar=0.85,
            floor=0.85,
            coverage_steps=(5, 25, 50, 100),
        ),
    ),
]

_HOUR = 3600

# What rolls back does not cool down: what comes next stands in another attempt.
TRIGGERS: list[Trigger] = [
    Trigger(
        key="hard-gate-failed",
        kind=TriggerKind.HARD_GATE_FAILED,
        action=Action.NOTIFY,
        description="A hard gate failed for good: at least what the stage's plan says.",
    ),
    Trigger(
        key="citations-failing",
        kind=TriggerKind.CITATIONS_FAILING,
        action=Action.HOLD,
        cooldown_s=_HOUR,
        threshold=0.10,
        at_least=10,
        description="Gate C fails in too many runs that use the web.",
    ),
    Trigger(
        key="outputs-unparseable",
        kind=TriggerKind.OUTPUTS_UNPARSEABLE,
        action=Action.HOLD,
        cooldown_s=_HOUR,
        threshold=0.80,
        description="Too few outputs of a run's waves can be parsed.",
    ),
    Trigger(
        key="silent-hang",
        kind=TriggerKind.RUN_HUNG,
        action=Action.ROLL_BACK,
        description="The watchdog ended a run that made no progress.",
    ),
    Trigger(
        key="provider-failing",
        kind=TriggerKind.PROVIDER_FAILING,
        action=Action.HOLD,
        cooldown_s=_HOUR,
        at_least=2,
        description="The model or its provider fails again and again.",
    ),
    Trigger(
        key="sources-blocked",
        kind=TriggerKind.SOURCES_BLOCKED,
        action=Action.HOLD,
        cooldown_s=_HOUR,
        at_least=3,
        description="Sources answer 403, 429 or a CAPTCHA.",
    ),
    Trigger(
        key="web-exposed",
        kind=TriggerKind.WEB_EXPOSED,
        action=Action.ROLL_BACK,
        description="A run has more of the web than it was given: restore and freeze.",
    ),
    Trigger(
        key="conflicts-persist",
        kind=TriggerKind.CONFLICTS_PERSIST,
        action=Action.HOLD,
        cooldown_s=_HOUR,
        at_least=3,
        window_s=600,
        description="Documents contradict what is known under the same revision.",
    ),
    Trigger(
        key="verification-failed",
        kind=TriggerKind.VERIFICATION_FAILED,
        action=Action.HOLD,
        description="A verification check failed: expansion pauses.",
    ),
    Trigger(
        key="sample-ratio",
        kind=TriggerKind.SAMPLE_RATIO_OFF,
        action=Action.HOLD,
        cooldown_s=_HOUR,
        description="The canary's share is not the one that its coverage says.",
    ),
    Trigger(
        key="late-degradation",
        kind=TriggerKind.DEGRADED_LATE,
        action=Action.ROLL_BACK,
        at_least=5000,
        description="A judged gate has become worse after the plan's last run.",
    ),
    Trigger(
        key="statistics",
        kind=TriggerKind.STATISTICS_AGAINST,
        action=Action.ROLL_BACK,
        description="The evidence of the stage is against it.",
    ),
]


def flag_row(spec: FlagSpec) -> dict[str, Any]:
    """The stored fields of a flag."""
    return {
        "type": spec.type,
        "default": spec.default,
        "minimum": spec.minimum,
        "maximum": spec.maximum,
        "options": list(spec.options),
        "is_nullable": spec.is_nullable,
    }
