"""What is written into a run's manifest from outside, one revision at a time."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from portal.domain.canonical import digest_of
from rollout.domain.watchdog import moment

Document = dict[str, Any]
UNSET = "unset"  # a manifest that does not mention the constraint


def edited(manifest: Mapping[str, Any], now: datetime, **changes: Any) -> Document:
    """The next revision."""
    revision = int(manifest["revision"]) + 1
    return {**manifest, **changes, "revision": revision, "updated_at": moment(now)}


def as_bytes(document: Mapping[str, Any]) -> bytes:
    """As the research system writes its documents."""
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def enabled_in(manifest: Mapping[str, Any]) -> Any:
    """What the manifest's own lever says: true, false, or `UNSET`."""
    return _lever(manifest).get("enabled", UNSET)


def with_lever(manifest: Mapping[str, Any], enabled: Any) -> Document:
    """The `query` of the manifest with its lever at `enabled`; `UNSET` takes it out."""
    lever = {k: v for k, v in _lever(manifest).items() if k != "enabled"}
    if enabled != UNSET:
        lever["enabled"] = enabled
    query = dict(manifest.get("query") or {})
    constraints = dict(query.get("constraints") or {})
    constraints["deep_research_cli"] = lever
    return {**query, "constraints": constraints}


def _lever(manifest: Mapping[str, Any]) -> Document:
    constraints = (manifest.get("query") or {}).get("constraints") or {}
    lever = constraints.get("deep_research_cli")
    return dict(lever) if isinstance(lever, dict) else {}


def has_failure(manifest: Mapping[str, Any], kind: str) -> bool:
    """Whether a failure of this kind stands there already."""
    failures = manifest.get("failures") or []
    return any(isinstance(each, dict) and each.get("kind") == kind for each in failures)


def checkpoint(
    title: str, *, run_id: str, stage: str, reason: str, next_step: str, now: datetime
) -> bytes:
    """`logs/pause-checkpoint.md` or `logs/cancel-checkpoint.md`."""
    return (
        f"# {title} Checkpoint\n\n"
        f"- ts: {moment(now)}\n"
        f"- run_id: {run_id}\n"
        f"- stage: {stage}\n"
        f"- reason: {reason}\n"
        f"- next_step: {next_step}\n"
    ).encode()


def audit_line(
    before: Mapping[str, Any], after: Mapping[str, Any], reason: str, now: datetime
) -> bytes:
    """The line of `logs/audit.jsonl` about an edit."""
    changed = {
        key: value
        for key, value in after.items()
        if before.get(key) != value and key not in ("revision", "updated_at")
    }
    line = {
        "ts": moment(now),
        "kind": "manifest_write",
        "run_id": after["run_id"],
        "prev_revision": before["revision"],
        "new_revision": after["revision"],
        "reason": reason,
        "patch_digest": digest_of(changed),
    }
    return (json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n").encode()
