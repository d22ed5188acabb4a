"""Runs: taking in what they report, and telling them whether they may go on."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from portal import clock
from portal.domain.canonical import digest
from portal.domain.roles import May
from portal.errors import Conflict, NotFound, Refusal
from portal.models import Actor
from portal.services.access import require
from portal.services.jobs import enqueue
from portal.services.ledger import record
from rollout.domain import documents, gates
from rollout.domain import runs as domain
from rollout.domain import snapshots as compiled
from rollout.domain.gates import Gate, GateStatus
from rollout.domain.runs import FINAL, Act, RunKind, RunStage, RunStatus
from rollout.domain.stages import StagePlan
from rollout.domain.verbs import Verb
from rollout.models import (
    Advance,
    Decision,
    DocumentKind,
    Run,
    RunDocument,
    Standing,
)
from rollout.services import endings, rollouts, snapshots, symptoms, timers, vault
from rollout.services.consequences import Cause, announce, ask_to_consider

FALL_BACK_JOB = "rollout.jobs.fall_back"
CONFIRM_JOB = "rollout.jobs.confirm_gate_failure"
DEFAULT_CONFIRM_AFTER_S = 60
CONFLICTING = "conflicting revision"  # the note of what contradicts what is known


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


def find(rollout_key: str, run_id: str) -> Run:
    """The run, or a refusal."""
    run = (
        Run.objects.select_related("rollout", "decision", "attempt__stage")
        .filter(rollout__key=rollout_key, run_id=run_id)
        .first()
    )
    if run is None:
        raise NotFound(f"There is no run {run_id!r} in {rollout_key}.")
    return run


def document_of(run: Run, kind: DocumentKind) -> RunDocument | None:
    """The newest accepted revision of a run's document."""
    return (
        run.documents.filter(kind=kind, standing=Standing.ACCEPTED)
        .order_by("-pk")
        .first()
    )


def locked_or_new(
    rollout_key: str, run_id: str, *, kind: RunKind, by: Actor, reason: str
) -> Run:
    """The run's row, locked; a run that nobody let in is kept all the same."""
    known = Run.objects.select_for_update(of=["self"], no_key=True)
    wanted = {"rollout__key": rollout_key, "run_id": run_id}
    if (run := known.filter(**wanted).first()) is not None:
        return run
    rollout = rollouts.find(rollout_key)
    with connection.cursor() as cursor:
        # Two first reports at once: one makes the row, the other finds it.
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, %s))",
            [run_id, rollout.pk],
        )
    if (run := known.filter(**wanted).first()) is not None:
        return run
    decision = Decision.objects.filter(
        rollout=rollout, run_id=run_id, is_override=False
    ).first()
    now = clock.now()
    run = Run(
        rollout=rollout,
        run_id=run_id,
        kind=kind,
        decision=decision,
        attempt=None,
        created_at=now,
    )
    timers.start(run, now)
    run.save_as(by, reason=reason)
    return run


def locked(run_pk: int) -> Run:
    """The run's row, locked, for acts that know its number."""
    run = (
        Run.objects.select_for_update(of=["self"], no_key=True)
        .select_related("rollout")
        .filter(pk=run_pk)
        .first()
    )
    if run is None:
        raise NotFound(f"There is no run {run_pk}.")
    return run


# Documents


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
    content = documents.read_manifest(
        raw, run_id=run_id, limit=settings.MAX_DOCUMENT_BYTES
    )
    run = locked_or_new(rollout_key, run_id, kind=kind, by=by, reason=reason)
    early = _early_receipt(run, DocumentKind.MANIFEST, raw, content, by=by)
    if early is not None:
        return early
    reported = RunStatus(content["status"])
    if run.reported_status in FINAL and reported not in FINAL and not run.cause:
        return _refuse_revival(run, raw, content, by=by)
    gap = max(0, content["revision"] - run.manifest_revision - 1)
    standing = Standing.KEPT if run.cause else Standing.ACCEPTED
    known = _newest(run, DocumentKind.MANIFEST)
    _keep(run, DocumentKind.MANIFEST, raw, content, standing, by=by, gap=gap)
    _take_over(run, content, known)
    gates_document = _newest(run, DocumentKind.GATES)
    run.gates = _as_json(gates.judge(gates_document, content))
    run.manifest_revision = content["revision"]
    run.manifest_digest = digest(raw)
    run.save_as(by, reason=reason)
    symptoms.look_into_manifest(run, content, digest=run.manifest_digest, by=by)
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
    content = documents.read_gates(
        raw, run_id=run_id, limit=settings.MAX_DOCUMENT_BYTES
    )
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
        manifest = _newest(run, DocumentKind.MANIFEST)
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
    """The answer where a revision is not newer: a repetition, or a conflict."""
    is_manifest = kind == DocumentKind.MANIFEST
    known = run.manifest_revision if is_manifest else run.gates_revision
    known_digest = run.manifest_digest if is_manifest else run.gates_digest
    revision = content["revision"]
    if revision > known:
        return None
    if revision == known:
        if digest(raw) == known_digest:
            return Receipt(run, "unchanged", revision)
        stored = run.documents.get(kind=kind, revision=revision, digest=known_digest)
        if documents.is_same(raw, stored.digest, stored.content):
            return Receipt(run, "unchanged", revision)
    try:
        documents.check_revision(new=revision, known=known, kind=kind)
    except Conflict as refusal:
        if revision == known and _keep_aside(
            run, kind, raw, content, CONFLICTING, by=by
        ):
            announce(Cause.REVISION_CONFLICT, run, by=by, document=str(kind))
        return Receipt(run, "refused", revision, refusal=refusal)
    return None


def _refuse_revival(
    run: Run, raw: bytes, content: dict[str, Any], *, by: Actor
) -> Receipt:
    _keep_aside(run, DocumentKind.MANIFEST, raw, content, "revives the run", by=by)
    announce(Cause.FINAL_RUN_REVIVED, run, by=by, reported=content["status"])
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


def _newest(run: Run, kind: DocumentKind) -> dict[str, Any] | None:
    accepted = run.documents.filter(kind=kind, standing=Standing.ACCEPTED)
    return accepted.order_by("-pk").values_list("content", flat=True).first()


def _take_over(
    run: Run, content: Mapping[str, Any], known: Mapping[str, Any] | None
) -> None:
    """Let the run's row say what its manifest says."""
    now = clock.now()
    reported = RunStatus(content["status"])
    run.reported_at = now
    run.reported_status = reported
    run.mode = content["mode"]
    version = str(content.get("system_version") or "unknown")[:100]
    query = content["query"]
    flags = (query.get("constraints") or {}).get("deep_research_cli_flags") or {}
    is_offline = query.get("sensitivity") == "no_web"
    run.no_web = run.no_web or is_offline or flags.get("PAI_DR_CLI_NO_WEB") is True
    if version != run.system_version and run.attempt is not None and run.decision:
        run.fingerprint = compiled.fingerprint(
            snapshots.loaded(run.decision.snapshot).content,
            stage_key=run.decision.stage_key,
            system_version=version,
        )
    run.system_version = version
    stage = content["stage"]
    marks = ("current", "started_at", "last_progress_at")
    before = (known or {}).get("stage") or {}
    run.stage = stage["current"]
    if run.status not in FINAL:
        run.status = domain.after(RunStatus(run.status), Act(f"report_{reported}"))
        if run.status in FINAL:
            run.finished_at = now
    if any(stage.get(mark) != before.get(mark) for mark in marks):
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


# Going on


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
    manifest = _newest(run, DocumentKind.MANIFEST) or {}
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
