"""The watchdog: ends runs that have hung, once each."""

from datetime import datetime, timedelta

from django.db import transaction

from portal import clock
from portal.domain.roles import May
from portal.models import Actor, Heartbeat
from portal.services import heartbeats
from portal.services.access import require
from portal.services.jobs import enqueue
from portal.services.ledger import record
from rollout.domain.runs import Act
from rollout.domain.verbs import Verb
from rollout.domain.watchdog import (
    CAUSE,
    CHECKPOINT_JSON,
    CHECKPOINT_TEXT,
    Checkpoint,
    timeout_of,
)
from rollout.models import DocumentKind, Origin, Run, RunTimeout
from rollout.services import artifacts, endings, runs, vault
from rollout.services.consequences import Cause, announce

NAME = "watchdog"
EVERY = timedelta(seconds=1)
TIME_OUT_JOB = "rollout.jobs.time_out"
LARGEST_CHECKPOINT = 64 * 1024
# While the portal was away no run could report. So after a gap in its own life, or in
# that of the process that callers talk to, the watchdog lets them speak first.
GAP = heartbeats.STALE_AFTER
SETTLES_FOR = timedelta(seconds=60)
MOST_AT_ONCE = 500


def sweep() -> int:
    """Ask for the end of every run whose time is up; how many there were."""
    now = clock.now()
    if not _is_watching(now):
        return 0
    overdue = list(
        Run.objects.filter(times_out_at__lte=now)
        .order_by("times_out_at")
        .values_list("pk", flat=True)[:MOST_AT_ONCE]
    )
    for pk in overdue:
        enqueue(TIME_OUT_JOB, once=f"time out {pk}", run_id=pk)
    return len(overdue)


def lets_runs_speak(now: datetime) -> bool:
    """Whether runs could not report lately, and are given the time to."""
    seen = Heartbeat.objects.in_bulk((NAME, heartbeats.EDGE), field_name="name")
    last = seen.get(NAME)
    watches_from = last.details.get("watches_from", "") if last else ""
    has_gap = any(now - each.at > GAP for each in seen.values())
    return has_gap or now.isoformat() < watches_from


def _is_watching(now: datetime) -> bool:
    seen = Heartbeat.objects.in_bulk((NAME, heartbeats.EDGE), field_name="name")
    last = seen.get(NAME)
    watches_from = last.details.get("watches_from", "") if last else ""
    if any(now - each.at > GAP for each in seen.values()):
        watches_from = (now + SETTLES_FOR).isoformat()
    heartbeats.beat(NAME, watches_from=watches_from)
    return now.isoformat() >= watches_from


@transaction.atomic
def time_out(run_pk: int, *, by: Actor, reason: str) -> RunTimeout | None:
    """End a run whose time is up; None if it reported in time, or has ended."""
    run = runs.locked(run_pk)
    require(by, May.FALL_BACK, rollout=run.rollout.key)
    now = clock.now()
    if run.times_out_at is None or run.times_out_at > now:
        return None
    checkpoint = _checkpoint(run)
    written = {}
    for path, content in (
        (CHECKPOINT_TEXT, checkpoint.as_text),
        (CHECKPOINT_JSON, checkpoint.as_json),
    ):
        stored = vault.put([content], limit=LARGEST_CHECKPOINT)
        written[path], _ = artifacts.add_version(
            run, path, stored, origin=Origin.PORTAL, by=by
        )
    ended = RunTimeout(
        run=run,
        stage=checkpoint.stage,
        timeout_s=checkpoint.timeout_s,
        elapsed_s=checkpoint.elapsed_s,
        failure=checkpoint.failure(),
        checkpoint=written[CHECKPOINT_JSON],
        at=now,
    )
    ended.save()
    endings.end(run, Act.TIME_OUT, cause=CAUSE, by=by, reason=reason)
    announce(Cause.TIMED_OUT, run, by=by, stage=checkpoint.stage)
    record(
        Verb.RUN_TIMED_OUT,
        run,
        by=by,
        reason=reason,
        failure=ended.failure,
        timeout_s=ended.timeout_s,
        checkpoint=ended.checkpoint.digest,
    )
    return ended


def _checkpoint(run: Run) -> Checkpoint:
    now = clock.now()
    manifest = runs.document_of(run, DocumentKind.MANIFEST)
    stage = manifest.content["stage"] if manifest else {}
    timeout = timeout_of(run.stage, run.timeouts)
    elapsed = timeout + (now - run.times_out_at)
    return Checkpoint(
        stage=run.stage or "init",
        now=now,
        timeout_s=int(timeout.total_seconds()),
        elapsed_s=int(elapsed.total_seconds()),
        timer_origin=run.stage_since,
        started_at=stage.get("started_at"),
        last_progress_at=stage.get("last_progress_at"),
    )
