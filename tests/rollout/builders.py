"""Rollouts, runs and their documents, as short as they can be."""

import json
from copy import deepcopy
from itertools import count
from typing import Any

from portal.domain.roles import Scope
from portal.models import Actor, Authentication
from portal.services import actors, approvals, tokens
from rollout.domain import baseline
from rollout.models import Rollout, Stage
from rollout.services import rollouts, stages
from tests.builders import a_person, an_actor

KEY = baseline.ROLLOUT
ASKED = {
    "team": "alpha",
    "mode": "standard",
    "query_class": "fixture_replay",
    "sensitivity": "no_web",
}
NAMES = {
    "A": "Planning completeness",
    "B": "Wave output contract compliance",
    "C": "Citation validation integrity",
    "D": "Summary pack boundedness",
    "E": "Synthesis quality",
    "F": "Rollout safety",
}
MOMENT = "2026-01-01T12:00:00.000Z"
_numbers = count(1)


def a_rollout() -> Rollout:
    """The baseline: twelve flags, four stages, nothing started."""
    rollout, _ = rollouts.seed_baseline(by=actors.host(), reason="test")
    return rollout


def two_people() -> tuple[Actor, Actor]:
    """Somebody who asks, and somebody who confirms."""
    return an_actor("engineer"), an_actor(
        "architect", authenticated_by=Authentication.PASSWORD
    )


def confirmed(approval) -> None:
    """Have another person confirm a request."""
    architect = an_actor("architect", authenticated_by=Authentication.PASSWORD)
    approvals.confirm(approval.pk, by=architect, reason="fine")


def a_running_stage() -> Stage:
    """Stage 0 of the baseline, started by two people."""
    stage = a_rollout().stages.get(position=0)
    asked = stages.request_start(stage.pk, by=an_actor("engineer"), reason="go")
    confirmed(asked)
    stage.refresh_from_db()
    return stage


def a_service(*scopes: str, rollout: str = KEY) -> tuple[Actor, str]:
    """A token with these scopes (all of them by default), and its text."""
    made = tokens.create(
        f"service-{next(_numbers)}",
        owner=a_person("administrator"),
        scopes=scopes or list(Scope),
        by=actors.host(),
        reason="test",
        rollout=rollout,
    )
    return actors.for_token(made.token), made.text


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
