"""The flags and the contexts of the bench: the same for every side.

The twelve flags of the baseline, with the last stage open at 25 %. One flag is the
decision itself; of the others five have rules (`RULES`), or all of them a percentage of
their own (`SPLITS`), so that hardly two contexts get the same answer.
"""

from collections.abc import Mapping
from typing import Any

from rollout.domain import baseline
from rollout.domain.flags import ENABLED, MODE_DEFAULT, WAVE1_AGENTS, WAVE2_AGENTS
from rollout.domain.snapshots import compile_snapshot
from rollout.domain.switch import SwitchState

SALT = "bench"
TEAMS = ("alpha", "beta", "gamma", "delta")
CLASSES = ("fixture_replay", "web_research", "offline_review")
COVERAGE = 2500

Rules = Mapping[str, list[dict[str, Any]]]


def _rule(value: Any, *, share: int | None = None, **wanted: Any) -> dict[str, Any]:
    conditions = [
        {
            "attribute": attribute,
            "operator": "in" if isinstance(operand, list) else "equals",
            "value": operand,
        }
        for attribute, operand in wanted.items()
    ]
    return {"conditions": conditions, "value": value, "share": share}


RULES: Rules = {
    MODE_DEFAULT: [_rule("quick", team="delta", query_class="fixture_replay")],
    WAVE1_AGENTS: [
        _rule(12, team=["alpha", "beta"], query_class="web_research"),
        _rule(8, share=5000),
    ],
    WAVE2_AGENTS: [_rule(4, share=2000, team=["gamma", "delta"])],
    "PAI_DR_CLI_CITATION_VALIDATION_TIER": [
        _rule("thorough", query_class=["web_research", "citation_check"])
    ],
    "PAI_DR_CLI_CITATIONS_APIFY_ENDPOINT": [
        _rule("https://apify.example/fetch", team="alpha")
    ],
}
SPLITS: Rules = {
    spec.key: [_rule(spec.default, share=5000)]
    for spec, _ in baseline.FLAGS
    if spec.key != ENABLED
}


def content(rules: Rules = RULES) -> dict[str, Any]:
    """The content of a snapshot of the portal."""
    last = len(baseline.STAGES) - 1
    return compile_snapshot(
        rollout=baseline.ROLLOUT,
        fallback_workflow="standard",
        salt=SALT,
        switch=SwitchState.RELEASED,
        epoch=1,
        stages=[
            {
                "key": key,
                "position": position,
                "state": "running" if position == last else "ready",
                "is_admitting": True,
                "share": COVERAGE,
                "attempt": 1,
                "plan": plan.to_json(),
            }
            for position, (key, _, plan) in enumerate(baseline.STAGES)
        ],
        flags=[
            baseline.flag_row(spec)
            | {"key": spec.key, "rules": rules.get(spec.key, [])}
            for spec, _ in baseline.FLAGS
        ],
    )


def bare_content(rules: Rules = RULES) -> dict[str, Any]:
    """The same flags for who knows no stages: the decision is a rule like any other."""
    bare = content(rules)
    for flag in bare["flags"]:
        if flag["key"] == ENABLED:
            flag["rules"] = [_rule(True, share=COVERAGE)]
    return bare


def contexts() -> list[dict[str, str]]:
    """Many contexts, as different as the rules tell them apart."""
    return [
        {
            "targetingKey": f"run-{number:04d}",
            "team": TEAMS[number % len(TEAMS)],
            "mode": "standard",
            "query_class": CLASSES[number % len(CLASSES)],
        }
        for number in range(600)
    ]
