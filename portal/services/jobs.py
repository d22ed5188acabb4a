"""Jobs as rows: wanted, claimed, carried out once, given up on, wanted again.

The row is the truth and Redis the doorbell. A claim raises the row's fence; the
effect of a job and the end of its row are one transaction, which checks the fence:
a worker that wakes up after its lease writes nothing. A job that lasts longer than a
lease renews it while it works, and has a transaction for each of its steps (`held`).
"""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from threading import Event, Thread
from typing import Any

import structlog
from django.db import Error, IntegrityError, connection, transaction
from django.db.models import F, Q, Value
from django.db.models.functions import Now
from django.utils.module_loading import import_string
from structlog.contextvars import bound_contextvars, get_contextvars

from portal.domain.jobs import (
    LEASE,
    MAX_ATTEMPTS,
    Act,
    JobState,
    Queue,
    after,
    backoff,
)
from portal.domain.roles import May
from portal.domain.verbs import Verb
from portal.errors import NotFound, Refusal
from portal.models import Actor, Job
from portal.services import actors, bell
from portal.services.access import require
from portal.services.ledger import record

log = structlog.get_logger(__name__)

QUEUE_OF: dict[str, Queue] = {}
LASTING: set[str] = set()
RENEWALS_PER_LEASE = 4


def define(kind: str, *, queue: Queue, is_lasting: bool = False) -> None:
    """Say which queue carries out the jobs of this kind.

    `kind` is the dotted path of a function in an app's `jobs.py`; each app defines
    its own when it is loaded. A lasting one is not a single transaction: it may take
    minutes, writes only within `held`, and begins again when its worker dies.
    """
    QUEUE_OF[kind] = queue
    if is_lasting:
        LASTING.add(kind)


def enqueue(
    kind: str,
    *,
    delay: timedelta | None = None,
    once: str = "",
    **ids: object,
) -> Job | None:
    """Write down that a job is wanted, in the transaction that wants it.

    The row is the promise; the relay hands it to Redis after the commit, and again
    if Redis forgot. With `once`, at most one unfinished job has that name: if there
    is one already, nothing is written and None returned.
    """
    run_after = Now() if delay is None else Now() + Value(delay)
    job = Job(
        kind=kind,
        queue=QUEUE_OF[kind],
        payload=ids,
        run_after=run_after,
        once=once,
        request_id=str(get_contextvars().get("request_id", "")),
    )
    try:
        with transaction.atomic():
            job.save(force_insert=True)
    except IntegrityError:
        return None  # an unfinished job has this name
    if delay is None:
        bell.ring(bell.JOBS)
    return job


# Carrying out


class StaleClaim(RuntimeError):
    """Somebody else has claimed this job since; nothing of this attempt may stay."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to carry out a job, until its lease ends."""

    job_id: int
    kind: str
    payload: dict[str, Any]
    fence: int
    attempt: int
    request_id: str


def claim(job_id: int, *, worker: str) -> Claim | None:
    """Take a due job; None when it is not to be had (any more).

    The claim is a commit that waits for the disk: what the job was wanted for is there.
    """
    due = Job.objects.filter(pk=job_id, state=JobState.WAITING, run_after__lte=Now())
    taken = due.update(
        state=after(JobState.WAITING, Act.CLAIM),
        fence=F("fence") + 1,
        attempt=F("attempt") + 1,
        lease_until=Now() + Value(LEASE),
        worker=worker,
    )
    if not taken:
        return None
    job = Job.objects.get(pk=job_id)
    return Claim(job.pk, job.kind, job.payload, job.fence, job.attempt, job.request_id)


def carry_out(job_id: int, *, worker: str) -> bool:
    """Carry out a job, if it is to be had; whether its effect is in the database.

    A refusal and an unknown kind are for good; anything else is tried again later.
    """
    claimed = claim(job_id, worker=worker)
    if claimed is None:
        return False
    with bound_contextvars(
        request_id=claimed.request_id, job=claimed.job_id, kind=claimed.kind
    ):
        try:
            effect = _effect_of(claimed.kind)
            if claimed.kind in LASTING:
                with _renewed(claimed):
                    effect(**claimed.payload)
                _finish(claimed)
            else:
                with transaction.atomic():
                    effect(**claimed.payload)
                    _finish(claimed)
        except StaleClaim:
            log.warning("job_stale", fence=claimed.fence)
            return False
        except Refusal as refusal:
            _give_up(claimed, f"{refusal.code}: {refusal}")
            return False
        except Exception as error:  # any failure of a job is a state, not a crash
            log.exception("job_failed", attempt=claimed.attempt)
            _try_again(claimed, f"{type(error).__name__}: {error}")
            return False
    return True


def _effect_of(kind: str) -> Callable[..., None]:
    if kind not in QUEUE_OF:
        raise Refusal(f"Nobody knows the job {kind}.", code="UNKNOWN_JOB")
    return import_string(kind)


_carried_out: ContextVar[Claim] = ContextVar("the claim of the job that lasts")


@contextmanager
def held() -> Iterator[None]:
    """One step of a lasting job: a transaction that only the last claim can commit.

    Raises `StaleClaim` when somebody else has claimed the job since.
    """
    with transaction.atomic():
        claimed = _carried_out.get()
        # The lock keeps it so until the step is committed.
        if not _held(claimed).select_for_update(no_key=True).exists():
            raise StaleClaim
        yield


@contextmanager
def _renewed(claimed: Claim) -> Iterator[None]:
    """Keep the claim of a lasting job, from a thread of its own, until it ends."""
    over = Event()

    def renew() -> None:
        pause = LEASE.total_seconds() / RENEWALS_PER_LEASE
        while not over.wait(pause):
            try:
                _held(claimed).update(lease_until=Now() + Value(LEASE))
            except Error as error:  # the next renewal may get through
                log.warning("lease_not_renewed", error=str(error))
                connection.close()
        connection.close()

    thread = Thread(target=renew, name=f"lease of job {claimed.job_id}", daemon=True)
    thread.start()
    token = _carried_out.set(claimed)
    try:
        yield
    finally:
        _carried_out.reset(token)
        over.set()
        thread.join()


def _held(claimed: Claim) -> Any:
    """The row, as long as this claim is the last one."""
    return Job.objects.filter(
        pk=claimed.job_id, state=JobState.RUNNING, fence=claimed.fence
    )


def _finish(claimed: Claim) -> None:
    done = _held(claimed).update(
        state=after(JobState.RUNNING, Act.FINISH),
        finished_at=Now(),
        lease_until=None,
        error="",
    )
    if not done:
        raise StaleClaim


def _try_again(claimed: Claim, error: str) -> None:
    if claimed.attempt >= MAX_ATTEMPTS:
        _give_up(claimed, error)
        return
    wait = backoff(claimed.attempt, chance=random.random())
    _held(claimed).update(
        state=after(JobState.RUNNING, Act.RETRY),
        run_after=Now() + Value(wait),
        handed_at=None,
        lease_until=None,
        error=error[:2000],
    )


@transaction.atomic
def _give_up(claimed: Claim, error: str) -> None:
    buried = _held(claimed).update(
        state=after(JobState.RUNNING, Act.BURY),
        finished_at=Now(),
        lease_until=None,
        error=error[:2000],
    )
    if buried:
        job = Job.objects.get(pk=claimed.job_id)
        record(
            Verb.JOB_DIED,
            job,
            by=actors.system(),
            reason=error[:500],
            attempt=claimed.attempt,
        )


# Handing over, as the relay does it


@transaction.atomic
def lapse() -> int:
    """Take back the jobs whose worker has not finished within its lease."""
    overdue = (
        Job.objects.select_for_update(skip_locked=True, no_key=True)
        .filter(state=JobState.RUNNING, lease_until__lt=Now())
        .values_list("pk", flat=True)[:500]
    )
    return Job.objects.filter(pk__in=list(overdue)).update(
        state=after(JobState.RUNNING, Act.LAPSE), handed_at=None, lease_until=None
    )


def to_hand_over(*, patience: timedelta, limit: int = 500) -> list[Job]:
    """Due jobs that nobody was told of, or that Redis may have forgotten."""
    untold = Q(handed_at=None) | Q(handed_at__lt=Now() - Value(patience))
    return list(
        Job.objects.filter(
            untold, state=JobState.WAITING, run_after__lte=Now()
        ).order_by("run_after", "pk")[:limit]
    )


def note_handed(job: Job, *, is_new: bool) -> None:
    """Remember that Redis was told, and how often."""
    Job.objects.filter(pk=job.pk).update(
        handed_at=Now(), handings=job.handings + (1 if is_new else 0)
    )


@transaction.atomic
def requeue(job_id: int, *, by: Actor, reason: str) -> Job:
    """Want a dead job again."""
    require(by, May.REQUEUE_JOB)
    job = Job.objects.select_for_update(no_key=True).filter(pk=job_id).first()
    if job is None:
        raise NotFound(f"There is no job {job_id}.")
    job.state = after(JobState(job.state), Act.REQUEUE)
    job.attempt = 0
    job.run_after = Now()
    job.handed_at = job.finished_at = None
    job.save()
    record(Verb.JOB_REQUEUED, job, by=by, reason=reason, kind=job.kind)
    return job
