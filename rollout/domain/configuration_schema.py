"""The shape of a configuration document (`configuration.v1`), as JSON Schema."""

from typing import Any

import jsonschema_rs

from rollout.domain.flags import FlagType
from rollout.domain.triggers import Action, TriggerKind

SCHEMA_NAME = "configuration.v1"

_KEY = "^[A-Za-z][A-Za-z0-9_.-]{0,99}$"
_TEXT = {"type": "string", "maxLength": 2000}
_VALUE = {"type": ["boolean", "integer", "string", "null"]}
_PERCENTAGE = {"type": "number", "minimum": 0, "maximum": 100}
_CONDITION = {"type": "object", "maxProperties": 3}


def _exactly(properties: dict[str, Any], optional: tuple[str, ...] = ()) -> Any:
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def _by_key(shape: Any) -> Any:
    return {
        "type": "object",
        "propertyNames": {"pattern": _KEY},
        "additionalProperties": shape,
        "maxProperties": 2000,
    }


def _list(shape: Any, most: int) -> Any:
    return {"type": "array", "items": shape, "maxItems": most}


_VARIANT = _exactly(
    {
        "name": {"type": "string", "minLength": 1, "maxLength": 60},
        "value": _VALUE,
        "weight": _PERCENTAGE,
    }
)
_RULE = _exactly(
    {
        "description": {"type": "string", "maxLength": 200},
        "conditions": _list(_CONDITION, 50),
        "percentage": {"anyOf": [{"type": "null"}, _PERCENTAGE]},
        "value": _VALUE,
        "variants": _list(_VARIANT, 50),
    },
    optional=("description", "percentage", "value", "variants"),
)
_FLAG = _exactly(
    {
        "type": {"enum": [str(each) for each in FlagType]},
        "description": _TEXT,
        "owner": {"type": "string", "maxLength": 100},
        "expires_on": {
            "anyOf": [{"type": "null"}, {"type": "string", "format": "date"}]
        },
        "default": _VALUE,
        "minimum": {"type": ["integer", "null"]},
        "maximum": {"type": ["integer", "null"]},
        "options": _list({"type": "string", "minLength": 1, "maxLength": 100}, 100),
        "is_nullable": {"type": "boolean"},
        "prerequisites": _list(
            _exactly({"flag": {"type": "string"}, "values": _list(_VALUE, 50)}), 10
        ),
        "rules": _list(_RULE, 200),
    }
)
_SEGMENT = _exactly({"description": _TEXT, "conditions": _list(_CONDITION, 50)})
_NAMES = _list({"type": "string", "minLength": 1, "maxLength": 100}, 500)
_RATE = {"type": ["number", "null"]}
_COUNT = {"type": "integer", "minimum": 1}
_PLAN = _exactly(
    {
        "query_classes": _NAMES,
        "teams": _NAMES,
        "modes": _NAMES,
        "environments": _NAMES,
        "sensitivity": {"type": "string"},
        "forces_no_web": {"type": "boolean"},
        "caps": _by_key(_COUNT),
        "judged_gates": _NAMES,
        "on_hard_gate_failure": {"type": "string"},
        "is_judged_by_person": {"type": "boolean"},
        "promote_bar": _RATE,
        "class_bar": _RATE,
        "floor": _RATE,
        "alpha_promote": {"type": "number"},
        "alpha_rollback": {"type": "number"},
        "max_runs": _COUNT,
        "max_open_s": _COUNT,
        "confirm_after_s": _COUNT,
        "coverage_steps": _list(_PERCENTAGE, 50),
        "is_optional": {"type": "boolean"},
        "promotes_by_itself": {"type": "boolean"},
        "rollback_to": {"type": "string"},
        "restarts": {"type": "string"},
        "max_unknown": {"type": "number"},
        "latency_budget_s": {"anyOf": [{"type": "null"}, _COUNT]},
        "looks": _list(_COUNT, 50),
    },
    optional=(
        *("is_optional", "promotes_by_itself", "rollback_to", "restarts"),
        *("max_unknown", "latency_budget_s", "looks"),
    ),
)
_TRIGGER = _exactly(
    {
        "kind": {"enum": [str(each) for each in TriggerKind]},
        "description": _TEXT,
        "action": {"enum": [str(each) for each in Action]},
        "cooldown_s": {"type": "integer", "minimum": 0, "maximum": 30 * 86400},
        "is_dry_run": {"type": "boolean"},
        "threshold": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
        "at_least": {"type": ["integer", "null"], "minimum": 1, "maximum": 10**6},
        "window_s": {"type": ["integer", "null"], "minimum": 1, "maximum": 30 * 86400},
    }
)
_STAGE = _exactly({"coverage": _PERCENTAGE, "plan": _PLAN})
SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": SCHEMA_NAME,
    **_exactly(
        {
            "schema": {"const": SCHEMA_NAME},
            "flags": _by_key(_FLAG),
            "segments": _by_key(_SEGMENT),
            "stages": _by_key(_STAGE),
            "triggers": _by_key(_TRIGGER),
        }
    ),
}
SHAPE = jsonschema_rs.Draft202012Validator(SCHEMA, validate_formats=True)
