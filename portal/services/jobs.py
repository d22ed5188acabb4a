"""Writing down that a job is wanted."""

from datetime import timedelta

from django.db import connection
from django.db.models import Value
from django.db.models.functions import Now
from structlog.contextvars import get_contextvars

from portal.domain.jobs import Queue
from portal.models import Job

# Rung at the commit of whoever wants a job, so that the relay need not poll fast.
CHANNEL = "portal_jobs"

QUEUE_OF: dict[str, Queue] = {}


def define(kind: str, *, queue: Queue) -> None:
    """Say which queue carries out the jobs of this kind.

    `kind` is the dotted path of a function in an app's `jobs.py`; each app defines
    its own when it is loaded.
    """
    QUEUE_OF[kind] = queue


def enqueue(
    kind: str,
    *,
    delay: timedelta | None = None,
    once: str | None = None,
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
    if once is not None:
        Job.objects.bulk_create([job], ignore_conflicts=True)
    else:
        job.save(force_insert=True)
    if delay is None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, '')", [CHANNEL])
    return job if job.pk else None
