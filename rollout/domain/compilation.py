"""From what people write to what decides, and back.

A configuration speaks in percentages, a snapshot in buckets; and a snapshot leaves out
whatever decides nothing.
"""

from collections.abc import Mapping
from typing import Any

from rollout.domain.bucketing import percentage_of, share_of
from rollout.domain.configuration import Configuration
from rollout.domain.edits import Edit, compared
from rollout.domain.stages import StagePlan


def compiled_flag(key: str, raw: Mapping[str, Any]) -> dict[str, Any]:
    """A flag of a configuration as a snapshot holds it."""
    kept = ("type", "default", "minimum", "maximum", "options", "is_nullable")
    flag = {"key": key, **{name: raw[name] for name in kept}}
    flag["rules"] = [_compiled_rule(rule) for rule in raw["rules"]]
    if raw["prerequisites"]:
        flag["prerequisites"] = raw["prerequisites"]
    return flag


def _compiled_rule(rule: Mapping[str, Any]) -> dict[str, Any]:
    share = rule.get("percentage")
    compiled: dict[str, Any] = {
        "conditions": rule["conditions"],
        "share": None if share is None else share_of(share),
    }
    if variants := rule.get("variants"):
        compiled["variants"] = [
            {"name": v["name"], "value": v["value"], "share": share_of(v["weight"])}
            for v in variants
        ]
    else:
        compiled["value"] = rule["value"]
    if description := rule.get("description"):
        compiled["description"] = description
    return compiled


def configuration_in(content: Mapping[str, Any], *, now: Configuration) -> Any:
    """The configuration that a snapshot was compiled from.

    A snapshot holds what decides. What is only about a flag or a segment (description,
    owner, expiry) is taken from the configuration `now`, where that has it; so are the
    stages that the snapshot does not know.
    """
    flags = {}
    for raw in content["flags"]:
        about = now["flags"].get(raw["key"], {})
        flags[raw["key"]] = {
            "type": raw["type"],
            "description": about.get("description", ""),
            "owner": about.get("owner", ""),
            "expires_on": about.get("expires_on"),
            "default": raw["default"],
            "minimum": raw["minimum"],
            "maximum": raw["maximum"],
            "options": raw["options"],
            "is_nullable": raw["is_nullable"],
            "prerequisites": raw.get("prerequisites", []),
            "rules": [_written(rule) for rule in raw["rules"]],
        }
    segments = {
        key: {
            "description": now["segments"].get(key, {}).get("description", ""),
            "conditions": list(conditions),
        }
        for key, conditions in content.get("segments", {}).items()
    }
    stages = dict(now["stages"])
    for raw in content["stages"]:
        stages[raw["key"]] = {
            "coverage": percentage_of(raw["share"]),
            "plan": StagePlan.from_json(raw["plan"]).to_json(),  # with newer fields
        }
    return {**now, "flags": flags, "segments": segments, "stages": stages}


def _written(rule: Mapping[str, Any]) -> dict[str, Any]:
    share = rule["share"]
    written: dict[str, Any] = {
        "description": rule.get("description", ""),
        "conditions": rule["conditions"],
        "percentage": None if share is None else percentage_of(share),
    }
    if variants := rule.get("variants"):
        written["variants"] = [
            {
                "name": v["name"],
                "value": v["value"],
                "weight": percentage_of(v["share"]),
            }
            for v in variants
        ]
    else:
        written["value"] = rule["value"]
    return written


def standing(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Edit]:
    """Where two snapshots differ in what is no configuration: switch and stages."""
    before, after = (
        {"switch": each["switch"], "stages": _states(each)} for each in (old, new)
    )
    return [
        edit
        for name in before
        for edit in compared(f"/{name}", before[name], after[name])
    ]


def _states(content: Mapping[str, Any]) -> dict[str, Any]:
    said = ("state", "is_admitting", "attempt")
    return {
        stage["key"]: {name: stage[name] for name in said}
        for stage in content["stages"]
    }
