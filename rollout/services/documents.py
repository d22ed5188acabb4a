"""Taking in what runs report: manifests and gates, revision by revision."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from portal import clock
from portal.domain.canonical import digest
from portal.domain.roles import May
from portal.errors import Conflict, Refusal
from portal.models import Actor
from portal.services.access import require
from portal.services.jobs import enqueue
from portal.services.ledger import record
from rollout.domain import documents as domain
from rollout.domain import gates
from rollout.domain import snapshots as compiled
from rollout.domain.gates import Gate, GateStatus
from rollout.domain.runs import FINAL, Act, RunKind, RunStatus, after
from rollout.domain.stages import StagePlan
from rollout.domain.verbs import Verb
from rollout.models import DocumentKind, Run, RunDocument, Standing
from rollout.services import (
    endings,
    overtaken,
    proofs,
    revivals,
    snapshots,
    symptoms,
    timers,
)
from rollout.services.consequences import Cause, announce, ask_to_consider
from rollout.services.runs import locked_or_new, newest

FALL_BACK_JOB = "rollout.jobs.fall_back"
CONFIRM_JOB = "rollout.jobs.confirm_gate_failure"
DEFAULT_CONFIRM_AFTER_S = 60
CONFLICTING = "conflicting revision"  # the note of what contradicts what is known
# Notes of what was refused as state: it does not count as known.
KEPT_ASIDE = frozenset({CONFLICTING, overtaken.NOTE, revivals.REVIVES})


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a document.

    `outcome` is `accepted`, `unchanged`, `kept` (as evidence, the run stays as it is)
    or `refused`; a refused one has a `refusal`, and may have been kept as evidence.
    """

    run: Run
    outcome: str
    revision: int
    gap: int = 0
    refusal: Refusal | None = None


@transaction.atomic
def receive_manifest(
    rollout_key: str,
    run_id: str,
    raw: bytes,
    *,
    by: Actor,
    reason: str,
    kind: RunKind = RunKind.LIVE,
) -> Receipt:
    """Take in a revision of a run's manifest; every revision is kept."""
    require(by, May.REPORT_RUNS, rollout=rollout_key)
    content = domain.read_manifest(
        raw, run_id=run_id, limit=settings.MAX_DOCUMENT_BYTES
    )
    run = locked_or_new(rollout_key, run_id, kind=kind, by=by, reason=reason)
    early = _early_receipt(run, DocumentKind.MANIFEST, raw, content, by=by)
    if early is not None:
        return early
    if run.reported_status in FINAL and content["status"] not in FINAL:
        return _refuse_revival(run, raw, content, by=by)
    gap = max(0, content["revision"] - run.manifest_revision - 1)
    standing = Standing.KEPT if run.cause else Standing.ACCEPTED
    known = newest(run, DocumentKind.MANIFEST)
    note = revivals.note_of(run, content, by=by) if run.cause else ""
    _keep(run, DocumentKind.MANIFEST, raw, content, standing, by=by, gap=gap, note=note)
    _take_over(run, content, known)
    run.manifest_revision = content["revision"]
    run.manifest_digest = digest(raw)
    run.save_as(by, reason=reason)
    symptoms.look_into_manifest(run, content, digest=run.manifest_digest, by=by)
    proofs.look_into_manifest(run, content, by=by)
    if content["status"] in FINAL:
        endings.close_directives(run, by=by, reason=reason)
        if run.attempt is not None and run.finished_at is not None:
            endings.ask_to_judge(run.attempt.stage_id)
    record(
        Verb.MANIFEST_RECEIVED,
        run,
        by=by,
        reason=reason,
        revision=content["revision"],
        digest=run.manifest_digest,
        status=run.status,
        reported_status=run.reported_status,
        stage=run.stage,
        standing=standing,
        gap=gap,
    )
    _follow_up(run)
    outcome = "kept" if standing == Standing.KEPT else "accepted"
    return Receipt(run, outcome, content["revision"], gap)


@transaction.atomic
def receive_gates(
    rollout_key: str,
    run_id: str,
    raw: bytes,
    *,
    by: Actor,
    reason: str,
    kind: RunKind = RunKind.LIVE,
) -> Receipt:
    """Take in a revision of a run's gates; a confirmed failure asks for a fallback."""
    require(by, May.REPORT_RUNS, rollout=rollout_key)
    content = domain.read_gates(raw, run_id=run_id, limit=settings.MAX_DOCUMENT_BYTES)
    run = locked_or_new(rollout_key, run_id, kind=kind, by=by, reason=reason)
    early = _early_receipt(run, DocumentKind.GATES, raw, content, by=by)
    if early is not None:
        return early
    gap = max(0, content["revision"] - run.gates_revision - 1)
    standing = Standing.KEPT if run.cause else Standing.ACCEPTED
    _keep(run, DocumentKind.GATES, raw, content, standing, by=by, gap=gap)
    run.reported_at = clock.now()
    run.gates_revision = content["revision"]
    run.gates_digest = digest(raw)
    drifted_before = _drifted(run.gates)
    if standing == Standing.ACCEPTED:
        manifest = newest(run, DocumentKind.MANIFEST)
        run.gates = _as_json(gates.judge(content, manifest))
    run.save_as(by, reason=reason)
    if drifted := _drifted(run.gates) - drifted_before:
        announce(Cause.GATE_INPUTS_DRIFT, run, by=by, gates=sorted(drifted))
    record(
        Verb.GATES_RECEIVED,
        run,
        by=by,
        reason=reason,
        revision=content["revision"],
        digest=run.gates_digest,
        gates={letter: gate["status"] for letter, gate in run.gates.items()},
        standing=standing,
        gap=gap,
    )
    _follow_up(run)
    outcome = "kept" if standing == Standing.KEPT else "accepted"
    return Receipt(run, outcome, content["revision"], gap)


def _early_receipt(
    run: Run, kind: DocumentKind, raw: bytes, content: dict[str, Any], *, by: Actor
) -> Receipt | None:
    """The answer where a revision is not newer: known, overtaken, or a conflict.

    What has counted once is no news, however old. Anything else is refused as state and
    kept as evidence.
    """
    is_manifest = kind == DocumentKind.MANIFEST
    newest_revision = run.manifest_revision if is_manifest else run.gates_revision
    revision = content["revision"]
    if revision > newest_revision:
        return None
    known = list(run.documents.filter(kind=kind, revision=revision).defer("raw"))
    counted = [each for each in known if each.note not in KEPT_ASIDE]
    if any(domain.is_same(raw, each.digest, each.content) for each in counted):
        return Receipt(run, "unchanged", revision)
    is_late = not counted and (
        all(domain.is_same(raw, each.digest, each.content) for each in known)
    )
    note = overtaken.NOTE if is_late else CONFLICTING
    is_new = _keep_aside(run, kind, raw, content, note, by=by)
    if is_new and not is_late:
        announce(Cause.REVISION_CONFLICT, run, by=by, document=str(kind))
    if is_new and is_late and is_manifest:
        overtaken.learn_from(run, content, digest=digest(raw), by=by)
    refusal = domain.mismatch(new=revision, known=newest_revision, kind=kind)
    return Receipt(run, "refused", revision, refusal=refusal)


def _refuse_revival(
    run: Run, raw: bytes, content: dict[str, Any], *, by: Actor
) -> Receipt:
    """Keep what revives a run whose end was reported; the run stays as it is."""
    note = revivals.REVIVES
    if _keep_aside(run, DocumentKind.MANIFEST, raw, content, note, by=by):
        revivals.announce_revival(run, content["status"], by=by)
    if run.cause:
        return Receipt(run, "kept", content["revision"])
    refusal = Conflict(
        f"This run has {run.reported_status} for good; it cannot be "
        f"{content['status']} again.",
        code="LIFECYCLE_RULE_VIOLATION",
        reported_status=run.reported_status,
        sent_status=content["status"],
    )
    return Receipt(run, "refused", content["revision"], refusal=refusal)


def _keep(
    run: Run,
    kind: DocumentKind,
    raw: bytes,
    content: dict[str, Any],
    standing: Standing,
    *,
    by: Actor,
    gap: int = 0,
    note: str = "",
) -> None:
    RunDocument(
        run=run,
        kind=kind,
        revision=content["revision"],
        standing=standing,
        note=note or (f"{gap} revisions are missing before it" if gap else ""),
        raw=raw,
        digest=digest(raw),
        content=content,
        received_at=clock.now(),
        received_from=by,
    ).save()


def _keep_aside(
    run: Run,
    kind: DocumentKind,
    raw: bytes,
    content: dict[str, Any],
    note: str,
    *,
    by: Actor,
) -> bool:
    """Keep as evidence what must not move the run; whether this content is new."""
    revision = content["revision"]
    same = run.documents.filter(kind=kind, revision=revision, digest=digest(raw))
    if same.exists():
        return False
    _keep(run, kind, raw, content, Standing.KEPT, by=by, note=note)
    record(
        Verb.DOCUMENT_KEPT,
        run,
        by=by,
        reason=note,
        document=kind,
        revision=revision,
        digest=digest(raw),
    )
    return True


def _take_over(
    run: Run, content: Mapping[str, Any], known: Mapping[str, Any] | None
) -> None:
    """Let the run's row say what its manifest says.

    After the portal's verdict only what was reported moves: stage, gates and
    fingerprint are evidence of the run as it was judged.
    """
    now = clock.now()
    reported = RunStatus(content["status"])
    run.reported_at = now
    run.reported_status = reported
    if run.cause:
        return
    run.mode = content["mode"]
    run.no_web = run.no_web or domain.is_offline(content)
    version = str(content.get("system_version") or "unknown")[:100]
    if version != run.system_version and run.attempt is not None and run.decision:
        run.fingerprint = compiled.fingerprint(
            snapshots.loaded(run.decision.snapshot).content,
            stage_key=run.decision.stage_key,
            system_version=version,
        )
    run.system_version = version
    run.stage = content["stage"]["current"]
    run.gates = _as_json(gates.judge(newest(run, DocumentKind.GATES), content))
    if run.status not in FINAL:
        run.status = after(RunStatus(run.status), Act(f"report_{reported}"))
        if run.status in FINAL:
            run.finished_at = now
    if known is None or domain.has_progressed(known, content):
        timers.start(run, now)
    else:
        timers.keep(run, now)


# Gates


def _as_json(judged: Mapping[str, Gate]) -> dict[str, Any]:
    return {
        letter: {
            "status": str(gate.status),
            "reported": gate.reported,
            "retries": gate.retries,
            "drift": list(gate.drift),
            "confirmed_by": gate.confirmed_by,
        }
        for letter, gate in judged.items()
    }


def _drifted(stored: Mapping[str, Any]) -> set[str]:
    return {letter for letter, gate in stored.items() if gate["drift"]}


def confirm_after(run: Run) -> timedelta:
    """How long a failure may wait for a newer revision before it stands."""
    seconds = DEFAULT_CONFIRM_AFTER_S
    if run.attempt is not None:
        seconds = StagePlan.from_json(run.attempt.stage.plan).confirm_after_s
    return timedelta(seconds=seconds)


def confirm_at(run: Run) -> datetime | None:
    """When a failed gate of the run stands, unless newer gates come first.

    None where no gate has failed, where the failure stands already, and where the run
    is over.
    """
    failed = [g for g in run.gates.values() if g["status"] == GateStatus.FAIL]
    stands = any(gate["confirmed_by"] for gate in failed)
    is_over = run.kind == RunKind.IMPORTED or run.cause or run.status in FINAL
    if not failed or stands or is_over:
        return None
    gates_of_run = run.documents.filter(
        kind=DocumentKind.GATES, standing=Standing.ACCEPTED, revision=run.gates_revision
    )
    since = gates_of_run.order_by("pk").values_list("received_at", flat=True).first()
    return since + confirm_after(run) if since else None


def _follow_up(run: Run) -> None:
    """Ask for the jobs that a run's gates call for now."""
    if run.kind == RunKind.IMPORTED or run.cause:
        return
    failed = [g for g in run.gates.values() if g["status"] == GateStatus.FAIL]
    if any(gate["confirmed_by"] for gate in failed):
        revisions = f"{run.manifest_revision} {run.gates_revision}"
        ask_to_consider(run, once=f"triggers {run.pk} {revisions}")
        if run.status in (RunStatus.COMPLETED, RunStatus.CANCELLED):
            return  # it ended all the same; the failed gate counts, nothing to undo
        enqueue(FALL_BACK_JOB, once=f"fall back {run.pk}", run_id=run.pk)
    elif failed and run.status not in FINAL:
        enqueue(
            CONFIRM_JOB,
            delay=confirm_after(run),
            once=f"confirm {run.pk} {run.gates_revision}",
            run_id=run.pk,
            gates_revision=run.gates_revision,
        )
