"""Telling runs whether they may go on to their next stage."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from django.db import transaction

from portal import clock
from portal.domain.roles import May
from portal.models import Actor
from portal.services.access import require
from portal.services.ledger import record
from rollout.domain import runs as domain
from rollout.domain.runs import RunStage, RunStatus
from rollout.domain.verbs import Verb
from rollout.models import Advance, DocumentKind, Run
from rollout.services import rollouts, snapshots, vault
from rollout.services.runs import find, newest


@transaction.atomic
def advance(
    rollout_key: str,
    run_id: str,
    *,
    here: RunStage,
    onward: RunStage,
    by: Actor,
    reason: str,
) -> Advance:
    """Answer whether a run may go on to its next stage; every answer is kept."""
    require(by, May.REPORT_RUNS, rollout=rollout_key)
    run = find(rollout_key, run_id)
    rollouts.hold_switch_still(run.rollout_id)
    answer = domain.advance(_facts(run), here=here, onward=onward)
    asked = Advance(
        run=run,
        from_stage=here,
        to_stage=onward,
        is_allowed=answer.is_allowed,
        code=answer.code or "",
        preconditions=[asdict(each) for each in answer.preconditions],
        asked_at=clock.now(),
        asked_by=by,
    )
    asked.save()
    record(
        Verb.RUN_ADVANCED if answer.is_allowed else Verb.ADVANCE_REFUSED,
        run,
        by=by,
        reason=reason,
        here=here,
        onward=onward,
        code=asked.code,
    )
    return asked


def _facts(run: Run) -> domain.AdvanceFacts:
    manifest = newest(run, DocumentKind.MANIFEST) or {}
    constraints = (manifest.get("query") or {}).get("constraints") or {}
    limits = manifest.get("limits") or {}
    names = (manifest.get("artifacts") or {}).get("paths") or {}
    history = (manifest.get("stage") or {}).get("history") or []
    pivot = _artifact(run, names.get("pivot_file", "pivot.json"))
    decision = pivot.get("decision") or {}
    review = _artifact(
        run, names.get("review_bundle_file", "review/review-bundle.json")
    )
    switch = snapshots.loaded(snapshots.active(run.rollout_id)).is_switch_engaged
    gaps = decision.get("wave2_gap_ids")
    return domain.AdvanceFacts(
        status=RunStatus(run.status),
        stage=RunStage(run.stage or RunStage.INIT),
        is_switch_engaged=switch,
        is_disabled_by_manifest=(constraints.get("deep_research_cli") or {}).get(
            "enabled"
        )
        is False,
        paths=frozenset(run.artifacts.values_list("path", flat=True)),
        gates={letter: gate["status"] for letter, gate in run.gates.items()},
        wave1_dir=names.get("wave1_dir", "wave-1"),
        wave2_dir=names.get("wave2_dir", "wave-2"),
        wave2_required=decision.get("wave2_required"),
        wave2_gaps=len(gaps) if isinstance(gaps, list) else None,
        max_wave1_agents=_cap(run, limits, "max_wave1_agents", "MAX_WAVE1_AGENTS"),
        max_wave2_agents=_cap(run, limits, "max_wave2_agents", "MAX_WAVE2_AGENTS"),
        review_decision=review.get("decision"),
        review_iterations=sum(
            each["from"] == "review" and each["to"] == "synthesis" for each in history
        ),
        max_review_iterations=_cap(
            run, limits, "max_review_iterations", "MAX_REVIEW_ITERATIONS"
        ),
    )


def _cap(run: Run, limits: Mapping[str, Any], limit: str, flag: str) -> int | None:
    """The stricter of what the run started with and what the decision allowed."""
    decided = run.decision.flags if run.decision and run.is_admitted else {}
    found = [limits.get(limit), decided.get(f"PAI_DR_CLI_{flag}")]
    caps = [int(cap) for cap in found if isinstance(cap, int | float)]
    return min(caps) if caps else None


def _artifact(run: Run, path: str) -> dict[str, Any]:
    """A small JSON artifact of the run, or nothing when it cannot be read."""
    newest = run.artifacts.filter(path=path).order_by("-version").first()
    return vault.read_object(newest.digest, newest.size) if newest else {}
