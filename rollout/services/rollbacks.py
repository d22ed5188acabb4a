"""Going back to the last stable stage, or off: one transaction, then jobs."""

import gzip
import json
from typing import Any

from django.db import transaction

from portal import clock
from portal.domain.canonical import canonical, digest, digest_of
from portal.domain.roles import May
from portal.errors import NotFound
from portal.models import Actor
from portal.services.access import require
from portal.services.jobs import enqueue
from portal.services.ledger import record
from rollout.domain import freezes as frozen
from rollout.domain.directives import DirectiveKind
from rollout.domain.freezes import Scope
from rollout.domain.reconciliation import Inventory, reconcile
from rollout.domain.runs import FINAL
from rollout.domain.stages import (
    Act,
    RollbackTo,
    StagePlan,
    StageState,
    after,
)
from rollout.domain.verbs import Verb
from rollout.models import (
    Artifact,
    Attempt,
    Evaluation,
    Reconciliation,
    Rollback,
    RunDocument,
    RunEvent,
    Stage,
)
from rollout.services import directives, freezes, snapshots, stages, vault

FOLLOW_UP_JOB = "rollout.jobs.follow_up_rollback"
RECONCILE_JOB = "rollout.jobs.reconcile_rollback"


@transaction.atomic
def roll_back(
    stage_id: int,
    *,
    by: Actor,
    reason: str,
    trigger: str = "person",
    evaluation: Evaluation | None = None,
) -> Rollback | None:
    """Leave an open stage for the last stable one, or for none, at once.

    Admission of the stage stops with the commit, changes are frozen, and what its runs
    have by now is written down, so that it can be shown to be there afterwards. Rolling
    back what is not open any more changes nothing: None.
    """
    stage = stages.locked(stage_id)
    require(by, May.ROLL_BACK, rollout=stage.rollout.key)
    attempt = stages.open_attempt(stage)
    if attempt is None:
        return None
    target = target_of(stage)
    stage.state = after(StageState(stage.state), Act.ROLL_BACK)
    stage.save_as(by, reason=reason)
    ended = stages.end_attempt(stage, by=by, reason=reason)
    if target is not None:
        target = stages.locked(target.pk)
        stages.begin(target, Act.REOPEN, by=by, reason=reason)
    now = clock.now()
    freezes.begin(
        stage.rollout,
        Scope.EXPANSION,
        now + frozen.AFTER_ROLLBACK,
        now=now,
        by=by,
        reason=f"Rolled back: {reason}",
    )
    snapshot = snapshots.publish(stage.rollout, by=by, reason=reason)
    inventory = canonical(inventory_of(ended))
    rollback = Rollback(
        rollout=stage.rollout,
        stage=stage,
        attempt=ended,
        to_stage=target,
        trigger=trigger,
        evaluation=evaluation,
        reason=reason,
        snapshot=snapshot,
        affected_runs=ended.runs.filter(finished_at=None).count(),
        inventory=gzip.compress(inventory, mtime=0),
        inventory_digest=digest(inventory),
        rolled_back_by=by,
        rolled_back_at=now,
    )
    rollback.save()
    record(
        Verb.STAGE_ROLLED_BACK,
        stage,
        by=by,
        reason=reason,
        to=target.key if target else None,
        trigger=trigger,
        evaluation=evaluation.digest if evaluation else None,
        affected_runs=rollback.affected_runs,
        inventory=rollback.inventory_digest,
        snapshot=snapshot.digest,
    )
    enqueue(FOLLOW_UP_JOB, once=f"follow up {rollback.pk}", rollback_id=rollback.pk)
    return rollback


def target_of(stage: Stage) -> Stage | None:
    """The stage to which a rollback would lead; None: Option C is off."""
    if StagePlan.from_json(stage.plan).rollback_to == RollbackTo.OFF:
        return None
    earlier = stage.rollout.stages.filter(
        position__lt=stage.position, state=StageState.PROMOTED
    )
    return earlier.order_by("-position").first()


@transaction.atomic
def direct_affected(rollback_id: int, *, by: Actor, reason: str) -> int:
    """Send the runs of the stage that was left to the standard workflow, once each.

    How many there were. The report on what is there afterwards comes next.
    """
    rollback = _locked(rollback_id)
    require(by, May.DIRECT_RUN, rollout=rollback.rollout.key)
    runs = rollback.attempt.runs.select_for_update(no_key=True)
    open_runs = list(runs.exclude(status__in=FINAL).order_by("pk"))
    for run in open_runs:
        directives.issue(
            rollback.rollout.key,
            run.run_id,
            DirectiveKind.REROUTE,
            by=by,
            reason=reason,
        )
    record(Verb.RUNS_DIRECTED, rollback, by=by, reason=reason, runs=len(open_runs))
    enqueue(RECONCILE_JOB, once=f"reconcile {rollback.pk}", rollback_id=rollback.pk)
    return len(open_runs)


@transaction.atomic
def reconcile_rollback(rollback_id: int, *, by: Actor, reason: str) -> Reconciliation:
    """Compare what is there now with what was there before, byte for byte. Once."""
    rollback = _locked(rollback_id)
    require(by, May.ROLL_BACK, rollout=rollback.rollout.key)
    known = Reconciliation.objects.filter(rollback=rollback).first()
    if known is not None:
        return known
    before = json.loads(gzip.decompress(bytes(rollback.inventory)))
    report = reconcile(before, inventory_of(rollback.attempt, reads_bytes=True))
    body = canonical({"inventory": rollback.inventory_digest, **report.to_json()})
    made = Reconciliation(
        rollback=rollback,
        is_clean=report.is_clean,
        counts=report.counts,
        missing=report.missing,
        report=body.decode(),
        digest=digest(body),
        reconciled_at=clock.now(),
    )
    made.save()
    record(
        Verb.ROLLBACK_RECONCILED,
        rollback,
        by=by,
        reason=reason,
        is_clean=made.is_clean,
        counts=report.counts,
        missing=len(report.missing),
        digest=made.digest,
    )
    return made


def inventory_of(attempt: Attempt, *, reads_bytes: bool = False) -> Inventory:
    """What the runs of an attempt have, each with its digest.

    With `reads_bytes` nothing is taken on trust: documents and artifacts are hashed.
    """
    found: dict[str, dict[str, dict[str, str]]] = {
        run_id: {"documents": {}, "events": {}, "artifacts": {}}
        for run_id in attempt.runs.values_list("run_id", flat=True)
    }
    _add_documents(found, attempt, reads_bytes)
    events = RunEvent.objects.filter(run__attempt=attempt)
    for run_id, seq, told, content in events.values_list(
        "run__run_id", "seq", "digest", "content"
    ).iterator(chunk_size=2000):
        said = digest_of(content) if reads_bytes else told
        found[run_id]["events"][str(seq)] = said
    artifacts = Artifact.objects.filter(run__attempt=attempt)
    whole: dict[str, bool] = {}
    for run_id, path, version, told in artifacts.values_list(
        "run__run_id", "path", "version", "digest"
    ).iterator(chunk_size=2000):
        if reads_bytes and told not in whole:
            whole[told] = vault.check(told) is None
        there = told if whole.get(told, True) else "altered"
        found[run_id]["artifacts"][f"{path} version {version}"] = there
    return found


def _add_documents(found: Any, attempt: Attempt, reads_bytes: bool) -> None:
    documents = RunDocument.objects.filter(run__attempt=attempt)
    fields = ("run__run_id", "kind", "revision", "pk", "digest")
    rows = documents.values_list(*fields, *(["raw"] if reads_bytes else []))
    for run_id, kind, number, pk, told, *raw in rows.iterator(chunk_size=500):
        said = digest(bytes(raw[0])) if raw else told
        found[run_id]["documents"][f"{kind} revision {number} ({pk})"] = said


def _locked(rollback_id: int) -> Rollback:
    rollback = (
        Rollback.objects.select_for_update(of=["self"], no_key=True)
        .select_related("rollout", "attempt__stage")
        .filter(pk=rollback_id)
        .first()
    )
    if rollback is None:
        raise NotFound(f"There is no rollback {rollback_id}.")
    return rollback
