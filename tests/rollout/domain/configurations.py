"""Configurations, as short as they can be."""

from copy import deepcopy
from typing import Any

from rollout.domain import baseline
from rollout.domain.compilation import compiled_flag
from rollout.domain.configuration_schema import SCHEMA_NAME
from rollout.domain.edits import patched
from rollout.domain.snapshots import Snapshot, compile_snapshot, load
from rollout.domain.switch import SwitchState

ABOUT = {
    "description": "",
    "owner": "",
    "expires_on": None,
    "prerequisites": [],
    "rules": [],
}
BASELINE = {
    "schema": SCHEMA_NAME,
    "flags": {
        spec.key: baseline.flag_row(spec) | {"type": str(spec.type)} | deepcopy(ABOUT)
        for spec, _ in baseline.FLAGS
    },
    "segments": {},
    "stages": {
        key: {"coverage": plan.coverage_steps[0], "plan": plan.to_json()}
        for key, _, plan in baseline.STAGES
    },
    "triggers": {each.key: each.to_json() for each in baseline.TRIGGERS},
}


def a_configuration(*patch: tuple[str, str, Any]) -> dict[str, Any]:
    """The baseline, with operations of a JSON Patch: (op, path, value)."""
    operations = [{"op": op, "path": path, "value": value} for op, path, value in patch]
    return patched(deepcopy(BASELINE), operations)


def a_rule(value: Any = None, *conditions: dict, **more: Any) -> dict[str, Any]:
    """A rule with one value, or with `variants`."""
    values = {} if "variants" in more else {"value": value}
    return {
        "description": "",
        "conditions": list(conditions),
        "percentage": None,
        **values,
        **more,
    }


def is_team(name: str) -> dict[str, Any]:
    """A condition."""
    return {"attribute": "team", "operator": "equals", "value": name}


def snapshot_of(configuration: dict[str, Any], *, opened: int = 0) -> Snapshot:
    """A configuration compiled, with one stage running."""
    keys = [key for key, _, _ in baseline.STAGES]
    return load(
        compile_snapshot(
            rollout="r",
            fallback_workflow="standard",
            salt="salt",
            switch=SwitchState.RELEASED,
            epoch=1,
            stages=[
                {
                    "key": key,
                    "position": position,
                    "state": "running" if position == opened else "ready",
                    "is_admitting": True,
                    "share": round(configuration["stages"][key]["coverage"] * 100),
                    "attempt": 1,
                    "plan": configuration["stages"][key]["plan"],
                }
                for position, key in enumerate(keys)
            ],
            flags=[
                compiled_flag(key, raw) for key, raw in configuration["flags"].items()
            ],
            segments={
                key: raw["conditions"] for key, raw in configuration["segments"].items()
            },
        )
    )
