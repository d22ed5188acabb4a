"""Where RQ and the job table meet: a bell rung over there, a row carried out here.

RQ carries nothing but the id of a row. The jobs of this app are at the end.
"""

import os
import socket
from typing import Any

import structlog
from django.conf import settings
from django.db import Error, connections
from redis import Redis
from rq import Queue, Worker
from rq.exceptions import DuplicateJobError, NoSuchJobError
from rq.job import Job as RqJob
from rq.job import JobStatus
from rq.serializers import JSONSerializer

from portal.domain import jobs as domain
from portal.models import Job
from portal.services import heartbeats, jobs, notifications
from portal.services.schedule import every

log = structlog.get_logger(__name__)

HARD_LIMIT_S = 600  # RQ ends the work-horse of a job that takes longer
LASTING_LIMIT_S = 4 * 3600  # what lasts has limits of its own, for each of its steps
KEPT_S = 60  # how long Redis remembers what is over


def carry_out(job_id: int) -> None:
    """Safe to run twice: only the last claim of a row can write."""
    connections.close_all()  # whatever was open belongs to the process we forked from
    jobs.carry_out(job_id, worker=f"{socket.gethostname()}:{os.getpid()}")
    connections.close_all()


def queue_named(name: str, redis: Redis) -> Queue:
    """The RQ queue that stands for one of ours."""
    return Queue(
        f"{settings.REDIS_PREFIX}-{name}", connection=redis, serializer=JSONSerializer
    )


def ring(job: Job, redis: Redis) -> bool:
    """Tell Redis of a due job; False when it still knows of the last time.

    The id says which attempt and which telling this is, so that a job which Redis
    forgot can be told again, and one that merely waits its turn is not told twice.
    """
    queue = queue_named(job.queue, redis)
    if job.handings and _is_queued(_bell_id(job, job.handings), queue, redis):
        return False
    try:
        queue.enqueue_call(
            "portal.jobs.carry_out",
            args=(job.pk,),
            timeout=LASTING_LIMIT_S if job.kind in jobs.LASTING else HARD_LIMIT_S,
            result_ttl=0,
            failure_ttl=KEPT_S,
            job_id=_bell_id(job, job.handings + 1),
            description=f"{job.kind} {job.pk}",
            unique=True,
        )
    except DuplicateJobError:
        return True  # told before the last crash could be noted
    return True


def _bell_id(job: Job, handing: int) -> str:
    return f"{settings.REDIS_PREFIX}-{job.pk}-{handing}"


def _is_queued(bell_id: str, queue: Queue, redis: Redis) -> bool:
    """Whether a worker will still come across it.

    A worker that is killed between taking a bell and starting it leaves it "queued" in
    the intermediate list, from which RQ takes it after a minute at best.
    """
    if redis.lpos(queue.intermediate_queue_key, bell_id) is not None:
        return False
    try:
        bell = RqJob.fetch(bell_id, connection=redis, serializer=JSONSerializer)
        return bell.get_status(refresh=False) == JobStatus.QUEUED
    except NoSuchJobError:
        return False


class QueueWorker(Worker):
    """RQ's worker on exactly one queue, with a sign of life in the database.

    With several queues RQ pops in two steps and loses jobs when it is killed between
    them; with one it pops in one.
    """

    def __init__(self, name: str, redis: Redis) -> None:
        self.queue_name = name
        super().__init__(
            [queue_named(name, redis)],
            connection=redis,
            serializer=JSONSerializer,
            worker_ttl=20,  # also how often an idle worker gives a sign of life: - 15 s
            maintenance_interval=5,
            job_monitoring_interval=5,
            log_job_description=False,
        )

    def heartbeat(self, *args: Any, **kwargs: Any) -> None:
        super().heartbeat(*args, **kwargs)
        try:
            heartbeats.beat(f"worker {self.queue_name}")
        except Error as error:
            log.warning("heartbeat_failed", error=str(error))
        finally:
            connections.close_all()  # never hand an open connection to a fork


jobs.define(notifications.DELIVER_JOB, queue=domain.Queue.DELIVERY)
every(notifications.EVERY, notifications.NAME, notifications.sweep)


def deliver_next(endpoint_id: int) -> None:
    """Safe to run twice: an attempt that was written down is not made again; one that
    was not is, with the same id, by which the receiver knows it."""
    notifications.deliver_next(endpoint_id)
