"""The shapes of the research system's documents: manifest.v1, gates.v1, telemetry.v1.

JSON Schema 2020-12, put together from small parts. Unknown fields and unknown kinds
of failure pass: the research system may say more than the portal understands.
"""

import json
from typing import Any

import jsonschema_rs

from portal.domain.strict_json import MOST_ERRORS, escaped
from portal.errors import Invalid
from rollout.domain.contexts import RUN_ID
from rollout.domain.runs import RunStage, RunStatus

GATE_LETTERS = ("A", "B", "C", "D", "E", "F")
MODES = ("quick", "standard", "deep")
SENSITIVITIES = ("normal", "restricted", "no_web")
LONGEST_DETAIL = 300

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
SAID: Schema = {"type": "string", "pattern": r"\S"}  # not empty, not blank
MOMENT: Schema = {
    "type": "string",
    "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z$",
}
COUNT: Schema = {"type": "integer", "minimum": 0}
ORDINAL: Schema = {"type": "integer", "minimum": 1}
NUMBER: Schema = {"type": "number"}
NAME_OF_RUN: Schema = {"type": "string", "pattern": RUN_ID.pattern}
# A path inside the run's own folder.
INSIDE: Schema = SAID | {"not": {"pattern": r"^/|(^|/)\.\.(/|$)"}}
STAGE: Schema = {"enum": [str(stage) for stage in RunStage]}
STATUS: Schema = {"enum": [str(status) for status in RunStatus]}


def _object(
    required: dict[str, Schema] | None = None,
    optional: dict[str, Schema] | None = None,
    **more: Any,
) -> Schema:
    required, optional = required or {}, optional or {}
    schema: Schema = {"type": "object", "properties": required | optional, **more}
    if required:
        schema["required"] = list(required)
    return schema


def _list_of(item: Schema) -> Schema:
    return {"type": "array", "items": item}


def _nullable(schema: Schema) -> Schema:
    return {"anyOf": [{"type": "null"}, schema]}


def _when(field: str, value: str, then: Schema) -> Schema:
    is_it = {"required": [field], "properties": {field: {"const": value}}}
    return {"if": is_it, "then": then}


_FLAGS = _object(
    optional={
        "PAI_DR_CLI_ENABLED": {"type": "boolean"},
        "PAI_DR_CLI_MODE_DEFAULT": {"enum": list(MODES)},
        "PAI_DR_CLI_MAX_WAVE1_AGENTS": ORDINAL | {"maximum": 50},
        "PAI_DR_CLI_MAX_WAVE2_AGENTS": ORDINAL | {"maximum": 50},
        "PAI_DR_CLI_MAX_SUMMARY_KB": ORDINAL | {"maximum": 1000},
        "PAI_DR_CLI_MAX_TOTAL_SUMMARY_KB": ORDINAL | {"maximum": 100_000},
        "PAI_DR_CLI_MAX_REVIEW_ITERATIONS": COUNT | {"maximum": 50},
        "PAI_DR_CLI_CITATION_VALIDATION_TIER": {
            "enum": ["basic", "standard", "thorough"]
        },
        "PAI_DR_CLI_CITATIONS_BRIGHT_DATA_ENDPOINT": _nullable(TEXT),
        "PAI_DR_CLI_CITATIONS_APIFY_ENDPOINT": _nullable(TEXT),
        "PAI_DR_CLI_NO_WEB": {"type": "boolean"},
        "PAI_DR_CLI_RUNS_ROOT": {"type": "string", "pattern": "^/"},
        "source": _object(optional={"env": _list_of(TEXT), "settings": _list_of(TEXT)}),
    }
)
_CONSTRAINTS = _object(
    optional={
        "scope_path": SAID,
        "deep_research_cli": _object(optional={"enabled": {"type": "boolean"}}),
        "deep_research_cli_flags": _FLAGS,
    }
)
_TRANSITION = _object(
    {
        "from": STAGE,
        "to": STAGE,
        "ts": MOMENT,
        "reason": SAID,
        "inputs_digest": SAID,
        "gates_revision": {"type": "integer"},
    }
)
_FAILURE = _object(
    {"kind": SAID},
    allOf=[
        _when(
            "kind",
            "timeout",
            _object(
                {
                    "stage": STAGE,
                    "message": {"type": "string", "pattern": r"^timeout after \d+s$"},
                    "retryable": {"type": "boolean"},
                    "ts": MOMENT,
                }
            ),
        ),
        _when(
            "kind",
            "hard_gate_fallback_offer",
            _object(
                {
                    "gate_id": SAID,
                    "gate_name": TEXT,
                    "reason": TEXT,
                    "summary_path": {
                        "type": "string",
                        "pattern": r"^/.*fallback-summary\.md$",
                    },
                    "instruction": SAID,
                    "retryable": {"const": False},
                }
            ),
        ),
    ],
)
_LETTER: Schema = {"enum": list(GATE_LETTERS)}
_PATHS = _object(
    dict.fromkeys(
        (
            "wave1_dir",
            "wave2_dir",
            "citations_dir",
            "summaries_dir",
            "synthesis_dir",
            "logs_dir",
            "gates_file",
            "perspectives_file",
            "citations_file",
            "summary_pack_file",
            "pivot_file",
        ),
        INSIDE,
    ),
    {"review_bundle_file": INSIDE, "wave_review_report_file": INSIDE},
)

MANIFEST_SCHEMA = _object(
    {
        "schema_version": {"const": "manifest.v1"},
        "run_id": NAME_OF_RUN,
        "created_at": MOMENT,
        "updated_at": MOMENT,
        "revision": ORDINAL,
        "mode": {"enum": list(MODES)},
        "status": STATUS,
        "query": _object(
            {"text": SAID},
            {"sensitivity": {"enum": list(SENSITIVITIES)}, "constraints": _CONSTRAINTS},
        ),
        "stage": _object(
            {"current": STAGE, "started_at": MOMENT, "history": _list_of(_TRANSITION)},
            {"last_progress_at": MOMENT},
        ),
        "limits": _object(
            dict.fromkeys(
                (
                    "max_wave1_agents",
                    "max_wave2_agents",
                    "max_summary_kb",
                    "max_total_summary_kb",
                    "max_review_iterations",
                ),
                NUMBER,
            )
        ),
        "artifacts": _object(
            {"root": {"type": "string", "pattern": "^/"}, "paths": _PATHS}
        ),
        "metrics": _object(
            optional={
                "retry_counts": {
                    "type": "object",
                    "propertyNames": _LETTER,
                    "additionalProperties": COUNT,
                },
                "retry_history": _list_of(
                    _object(
                        {
                            "ts": MOMENT,
                            "gate_id": _LETTER,
                            "attempt": ORDINAL,
                            "change_note": SAID,
                            "reason": SAID,
                        }
                    )
                ),
            }
        ),
        "failures": _list_of(_FAILURE),
    },
    {"agents": _object(optional={"policy": TEXT})},
)

_CHECKED_STATUSES = ["pass", "fail", "warn"]
_GATE = _object(
    {
        "id": SAID,
        "name": SAID,
        "class": {"enum": ["hard", "soft"]},
        "status": {"enum": ["not_run", *_CHECKED_STATUSES]},
        "checked_at": _nullable(MOMENT),
        "metrics": {"type": "object"},
        "artifacts": _list_of(TEXT),
        "warnings": _list_of(TEXT),
        "notes": TEXT,
    },
    allOf=[
        _when(
            "class",
            "hard",
            {"properties": {"status": {"enum": ["not_run", "pass", "fail"]}}},
        ),
        {
            "if": {"properties": {"status": {"enum": _CHECKED_STATUSES}}},
            "then": {"properties": {"checked_at": MOMENT}},
        },
    ],
)
GATES_SCHEMA = _object(
    {
        "schema_version": {"const": "gates.v1"},
        "run_id": SAID,
        "revision": ORDINAL,
        "updated_at": MOMENT,
        "inputs_digest": SAID,
        "gates": _object(
            {
                letter: {"allOf": [_GATE, {"properties": {"id": {"const": letter}}}]}
                for letter in GATE_LETTERS
            },
            additionalProperties=_GATE,
        ),
    }
)

_STAGE_ATTEMPT = {"stage_id": STAGE, "stage_attempt": ORDINAL}
_EVENT_FIELDS: dict[str, Schema] = {
    "run_status": _object({"status": STATUS}),
    "stage_started": _object({**_STAGE_ATTEMPT, "inputs_digest": SAID}),
    "stage_finished": _object(
        {
            **_STAGE_ATTEMPT,
            "outcome": {"enum": ["succeeded", "failed", "timed_out", "cancelled"]},
            "elapsed_s": COUNT,
        },
        {
            "failure_kind": {
                "enum": [
                    "timeout",
                    "tool_error",
                    "invalid_output",
                    "gate_failed",
                    "unknown",
                ]
            },
            "retryable": {"type": "boolean"},
        },
        allOf=[
            _when(
                "outcome", "timed_out", _object({"failure_kind": {"const": "timeout"}})
            )
        ],
    ),
    "stage_retry_planned": _object(
        {
            "stage_id": STAGE,
            "from_attempt": ORDINAL,
            "to_attempt": {"type": "integer", "minimum": 2},
            "retry_index": ORDINAL,
            "change_summary": SAID,
        }
    ),
    "watchdog_timeout": _object(
        {
            "stage_id": STAGE,
            "timeout_s": ORDINAL,
            "elapsed_s": COUNT,
            "checkpoint_relpath": SAID,
        }
    ),
}
EVENT_SCHEMA = _object(
    {
        "schema_version": {"const": "telemetry.v1"},
        "run_id": SAID,
        "seq": ORDINAL,
        "ts": MOMENT,
        "event_type": {"enum": list(_EVENT_FIELDS)},
    },
    {"message": TEXT},
    allOf=[_when("event_type", kind, then) for kind, then in _EVENT_FIELDS.items()],
)

MANIFEST = jsonschema_rs.Draft202012Validator(MANIFEST_SCHEMA)
GATES = jsonschema_rs.Draft202012Validator(GATES_SCHEMA)
EVENT = jsonschema_rs.Draft202012Validator(EVENT_SCHEMA)


def check(validator: jsonschema_rs.Draft202012Validator, document: Any) -> None:
    """Refuse a document that does not have the shape, with pointers into it."""
    if validator.is_valid(document):
        return
    errors = [
        {"pointer": _pointer(error.instance_path), "detail": _detail(error)}
        for error in _first(validator.iter_errors(document))
    ]
    raise Invalid(
        f"{len(errors)} thing{'s' if len(errors) > 1 else ''} in this document "
        "cannot be taken as they are.",
        errors=errors,
    )


def _first(errors: Any) -> list[Any]:
    return [error for error, _ in zip(errors, range(MOST_ERRORS), strict=False)]


def _detail(error: jsonschema_rs.ValidationError) -> str:
    """What is wrong, in a sentence; of a list of values it names them all."""
    if isinstance(error.kind, jsonschema_rs.ValidationErrorKind.Enum):
        options = ", ".join(json.dumps(each) for each in error.kind.options)
        return f"has to be one of {options}"[:LONGEST_DETAIL]
    return error.message[:LONGEST_DETAIL]


def _pointer(path: list[str | int]) -> str:
    return "".join(f"/{escaped(str(part))}" for part in path)
