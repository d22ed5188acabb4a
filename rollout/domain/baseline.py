"""What a new portal starts with: one rollout, twelve flags, four stages."""

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
