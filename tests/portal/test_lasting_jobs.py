"""Jobs that last longer than a lease, in several steps."""

import time
from datetime import timedelta

import pytest
from django.db.models import F
from django.db.models.functions import Now

from portal.domain.jobs import JobState, Queue
from portal.models import Heartbeat, Job
from portal.services import heartbeats, jobs

pytestmark = pytest.mark.django_db(transaction=True)
KIND = "tests.portal.test_lasting_jobs.two_steps"
LEASE = timedelta(seconds=0.8)


def two_steps(between: str) -> None:
    """Safe to run twice: each step writes the same again."""
    job = Job.objects.get(kind=KIND)
    with jobs.held():
        heartbeats.beat("first step")
    if between == "breaks":
        raise RuntimeError("not today")
    if between == "takes long":
        time.sleep(2 * LEASE.total_seconds())
        assert jobs.lapse() == 0
    if between == "somebody else claims it":
        Job.objects.filter(pk=job.pk).update(fence=F("fence") + 1)
    with jobs.held():
        heartbeats.beat("second step")


@pytest.fixture(autouse=True)
def _known(monkeypatch):
    monkeypatch.setattr(jobs, "LEASE", LEASE)
    jobs.define(KIND, queue=Queue.DRILLS, is_lasting=True)
    yield
    del jobs.QUEUE_OF[KIND]
    jobs.LASTING.remove(KIND)


def carried_out(between: str) -> tuple[bool, Job, set[str]]:
    job = jobs.enqueue(KIND, between=between)
    is_done = jobs.carry_out(job.pk, worker="w")
    job.refresh_from_db()
    return is_done, job, set(Heartbeat.objects.values_list("name", flat=True))


def test_a_job_keeps_its_claim_for_as_long_as_it_works():
    is_done, job, steps = carried_out("takes long")

    assert is_done
    assert job.state == JobState.DONE
    assert steps == {"first step", "second step"}


def test_a_step_stays_when_a_later_one_fails_and_the_job_is_tried_again():
    is_done, job, steps = carried_out("breaks")

    assert not is_done
    assert job.state == JobState.WAITING
    assert job.error == "RuntimeError: not today"
    assert steps == {"first step"}


def test_a_step_is_refused_to_whoever_has_lost_the_claim():
    is_done, job, steps = carried_out("somebody else claims it")

    assert not is_done
    assert job.state == JobState.RUNNING
    assert steps == {"first step"}


def test_the_claim_of_a_dead_worker_is_taken_back_as_soon_as_nobody_renews_it():
    job = jobs.enqueue(KIND, between="")
    jobs.claim(job.pk, worker="killed")
    Job.objects.filter(pk=job.pk).update(lease_until=Now() - timedelta(seconds=1))

    assert jobs.lapse() == 1
    assert jobs.carry_out(job.pk, worker="w")
