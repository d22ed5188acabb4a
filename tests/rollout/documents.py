"""Documents of the research system, as short as they can be; plain Python."""

import json
from copy import deepcopy
from typing import Any

NAMES = {
    "A": "Planning completeness",
    "B": "Wave output contract compliance",
    "C": "Citation validation integrity",
    "D": "Summary pack boundedness",
    "E": "Synthesis quality",
    "F": "Rollout safety",
}
MOMENT = "2026-01-01T12:00:00.000Z"


def a_manifest(run_id: str = "run-1", **changes: Any) -> dict[str, Any]:
    """A valid manifest of a run in its first wave; `changes` replace members."""
    manifest = {
        "schema_version": "manifest.v1",
        "run_id": run_id,
        "created_at": MOMENT,
        "updated_at": MOMENT,
        "revision": 1,
        "mode": "standard",
        "status": "running",
        "query": {"text": "What holds a bridge up?", "sensitivity": "no_web"},
        "stage": {"current": "wave1", "started_at": MOMENT, "history": []},
        "limits": {
            "max_wave1_agents": 2,
            "max_wave2_agents": 2,
            "max_summary_kb": 5,
            "max_total_summary_kb": 60,
            "max_review_iterations": 2,
        },
        "artifacts": {
            "root": f"/runs/{run_id}",
            "paths": {
                "wave1_dir": "wave-1",
                "wave2_dir": "wave-2",
                "citations_dir": "citations",
                "summaries_dir": "summaries",
                "synthesis_dir": "synthesis",
                "logs_dir": "logs",
                "gates_file": "gates.json",
                "perspectives_file": "perspectives.json",
                "citations_file": "citations/citations.jsonl",
                "summary_pack_file": "summaries/summary-pack.json",
                "pivot_file": "pivot.json",
            },
        },
        "metrics": {},
        "failures": [],
    }
    return deepcopy(manifest) | changes


def some_gates(
    run_id: str = "run-1",
    *,
    revision: int = 1,
    passed: str = "",
    failed: str = "",
    notes: str = "",
    metrics: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """A valid gates document: letters in `passed` and `failed`, the others not run."""

    def one(letter: str) -> dict[str, Any]:
        status = "not_run"
        if letter in passed:
            status = "pass"
        if letter in failed:
            status = "fail"
        return {
            "id": letter,
            "name": NAMES[letter],
            "class": "hard",
            "status": status,
            "checked_at": None if status == "not_run" else MOMENT,
            "metrics": metrics or {},
            "artifacts": [],
            "warnings": [],
            "notes": notes if status == "fail" else "",
        }

    return {
        "schema_version": "gates.v1",
        "run_id": run_id,
        "revision": revision,
        "updated_at": MOMENT,
        "inputs_digest": "sha256:0",
        "gates": {letter: one(letter) for letter in NAMES},
    }


def an_event(seq: int, run_id: str = "run-1", **changes: Any) -> dict[str, Any]:
    """A valid telemetry event."""
    return {
        "schema_version": "telemetry.v1",
        "run_id": run_id,
        "seq": seq,
        "ts": MOMENT,
        "event_type": "run_status",
        "status": "running",
    } | changes


def spent(letter: str = "B", times: int = 2) -> dict[str, Any]:
    """Metrics of a run whose retries at a gate are spent."""
    return {"metrics": {"retry_counts": {letter: times}}}


def raw(document: Any) -> bytes:
    """A document's bytes."""
    return json.dumps(document).encode()


def lines(*events: dict[str, Any]) -> bytes:
    """A batch of events as NDJSON."""
    return b"\n".join(raw(event) for event in events) + b"\n"
