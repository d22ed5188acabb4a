"""Reading what the research system sent: bytes in, a document or a refusal out."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from portal.domain.canonical import canonical, digest
from portal.domain.strict_json import escaped, read
from portal.errors import Conflict, Invalid
from rollout.domain import schemas


def read_manifest(raw: bytes, *, run_id: str, limit: int) -> dict[str, Any]:
    """A `manifest.v1` of this run, or a refusal with pointers to what is wrong."""
    document = read(raw, limit=limit)
    schemas.check(schemas.MANIFEST, document)
    _check_run_id(document, run_id)
    return dict(document)


def read_gates(raw: bytes, *, run_id: str, limit: int) -> dict[str, Any]:
    """A `gates.v1` of this run.

    A hard gate that claims to be `warn`, and a gate of A to F that claims to be soft,
    are refused with LIFECYCLE_RULE_VIOLATION.
    """
    document = read(raw, limit=limit)
    if errors := _lifecycle_errors(document):
        raise Invalid(
            "A hard gate is not_run, pass or fail, and all six are hard.",
            code="LIFECYCLE_RULE_VIOLATION",
            errors=errors,
        )
    schemas.check(schemas.GATES, document)
    _check_run_id(document, run_id)
    return dict(document)


def _lifecycle_errors(document: Any) -> list[dict[str, str]]:
    gates = document.get("gates") if isinstance(document, dict) else None
    if not isinstance(gates, dict):
        return []
    errors = []
    for letter, gate in gates.items():
        if not isinstance(gate, dict):
            continue
        is_hard = gate.get("class") == "hard" or letter in schemas.GATE_LETTERS
        if is_hard and gate.get("status") == "warn":
            errors.append(
                {
                    "pointer": f"/gates/{escaped(letter)}/status",
                    "detail": "a hard gate never warns; warnings may accompany a pass",
                }
            )
        if letter in schemas.GATE_LETTERS and gate.get("class") == "soft":
            errors.append(
                {
                    "pointer": f"/gates/{letter}/class",
                    "detail": f"gate {letter} is hard",
                }
            )
    return errors


def _check_run_id(document: Mapping[str, Any], run_id: str) -> None:
    if document["run_id"] != run_id:
        raise Invalid(
            "This document belongs to another run.",
            errors=[{"pointer": "/run_id", "detail": f"is not {run_id}"}],
        )


# Revisions


def is_same(raw: bytes, known_digest: str, known: Any) -> bool:
    """Whether `raw` says what is known: equal bytes, else equal as documents."""
    if digest(raw) == known_digest:
        return True
    return canonical(json.loads(raw)) == canonical(known)


def mismatch(*, new: int, known: int, kind: str) -> Conflict:
    """The refusal of a revision that is not newer, or contradicts what is known."""
    what = "with other content" if new == known else "which is older"
    return Conflict(
        f"Revision {known} of the {kind} is known already, and this is {new}, {what}; "
        "it is kept as evidence and changes nothing.",
        code="REVISION_MISMATCH",
        known_revision=known,
        sent_revision=new,
    )


# What a manifest says


def is_offline(manifest: Mapping[str, Any]) -> bool:
    """Whether the run does without the web, by its query or by its flags."""
    query = manifest["query"]
    flags = (query.get("constraints") or {}).get("deep_research_cli_flags") or {}
    return (
        query.get("sensitivity") == "no_web" or flags.get("PAI_DR_CLI_NO_WEB") is True
    )


def has_progressed(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether stage or progress differ, which starts the timer of a stage again."""
    marks = ("current", "started_at", "last_progress_at")
    return any(before["stage"].get(mark) != after["stage"].get(mark) for mark in marks)


def paused_since(
    before: Mapping[str, Any] | None,
    late: Mapping[str, Any],
    following: Mapping[str, Any],
) -> timedelta:
    """The pause that a late manifest tells of, up to the next one that is known.

    By the run's own clock, where it is a difference. None if it was no pause, or one
    that an earlier manifest (`before`) has told of already.
    """
    if late["status"] != "paused" or (before or {}).get("status") == "paused":
        return timedelta(0)
    since, until = (
        datetime.fromisoformat(each["updated_at"]) for each in (late, following)
    )
    return max(until - since, timedelta(0))
