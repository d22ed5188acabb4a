import ast
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings as portal_settings
from django.db.models.functions import Now
from django.utils.module_loading import import_string
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

import portal.jobs
from portal.domain.jobs import MAX_ATTEMPTS, MOVES, Act, JobState, Queue, after, backoff
from portal.domain.verbs import Verb
from portal.errors import NotAllowed, Refusal, WrongMoment
from portal.models import Job
from portal.services import jobs
from tests.builders import an_actor, the_last_line

pytestmark = pytest.mark.django_db
KIND = "tests.portal.test_jobs.effect"
effects: list[str] = []


def effect(name: str, fails: str = "") -> None:
    """Safe to run twice: tests count how often it was."""
    effects.append(name)
    Job.objects.create(kind=f"effect of {name}", queue=Queue.DELIVERY, state="done")
    if fails == "refuses":
        raise Refusal("never")
    if fails == "breaks":
        raise RuntimeError("not today")


@pytest.fixture(autouse=True)
def _known():
    jobs.define(KIND, queue=Queue.DELIVERY)
    effects.clear()
    yield
    del jobs.QUEUE_OF[KIND]


def a_job(**payload) -> Job:
    return jobs.enqueue(KIND, **{"name": "x", **payload})


def traces() -> int:
    return Job.objects.filter(kind__startswith="effect of").count()


@pytest.fixture
def told():
    """Redis, and a job that it was told of."""
    with Redis.from_url(portal_settings.REDIS_URL) as redis:
        job = a_job()
        jobs.note_handed(job, is_new=portal.jobs.ring(job, redis))
        job.refresh_from_db()
        yield redis, job
        portal.jobs.queue_named(job.queue, redis).delete(delete_jobs=True)


def test_redis_is_not_told_again_of_what_waits_its_turn(told):
    redis, job = told

    assert not portal.jobs.ring(job, redis)


def test_redis_is_told_again_of_what_a_worker_took_and_died_of(told):
    redis, job = told
    queue = portal.jobs.queue_named(job.queue, redis)
    assert redis.lmove(queue.key, queue.intermediate_queue_key) is not None

    assert portal.jobs.ring(job, redis)

    assert redis.llen(queue.key) == 1
    redis.delete(queue.intermediate_queue_key)


@pytest.mark.parametrize("act", Act)
@pytest.mark.parametrize("state", JobState)
def test_a_job_moves_only_along_its_table(state, act):
    if (state, act) in MOVES:
        assert after(state, act) == MOVES[state, act]
        return

    with pytest.raises(WrongMoment):
        after(state, act)


def test_a_job_is_carried_out_once_however_often_it_is_told():
    job = a_job()

    told = [jobs.carry_out(job.pk, worker="w") for _ in range(3)]

    assert told == [True, False, False]
    assert traces() == 1
    assert Job.objects.get(pk=job.pk).state == JobState.DONE


def test_a_job_waits_for_its_time():
    job = jobs.enqueue(KIND, delay=timedelta(minutes=1), name="x")

    assert not jobs.carry_out(job.pk, worker="w")
    assert jobs.to_hand_over(patience=timedelta(0)) == []


def test_of_one_name_only_one_unfinished_job_is_wanted():
    first = jobs.enqueue(KIND, once="the one", name="x")

    assert jobs.enqueue(KIND, once="the one", name="x") is None
    jobs.carry_out(first.pk, worker="w")
    assert jobs.enqueue(KIND, once="the one", name="x") is not None


def test_what_breaks_is_undone_and_tried_again_later():
    job = a_job(fails="breaks")

    jobs.carry_out(job.pk, worker="w")

    job.refresh_from_db()
    assert (job.state, job.attempt) == (JobState.WAITING, 1)
    assert "not today" in job.error
    assert traces() == 0


def test_after_the_last_attempt_a_job_is_dead_and_the_ledger_says_so():
    job = a_job(fails="breaks")

    for _ in range(MAX_ATTEMPTS):
        Job.objects.filter(pk=job.pk).update(run_after=Now())
        jobs.carry_out(job.pk, worker="w")

    job.refresh_from_db()
    assert (job.state, job.attempt) == (JobState.DEAD, MAX_ATTEMPTS)
    assert the_last_line()[1] == Verb.JOB_DIED


@pytest.mark.parametrize("kind", [KIND, "nobody.knows.this"])
def test_what_can_never_succeed_is_given_up_at_once(kind):
    job = Job.objects.create(
        kind=kind, queue=Queue.DELIVERY, payload={"name": "x", "fails": "refuses"}
    )

    jobs.carry_out(job.pk, worker="w")

    job.refresh_from_db()
    assert (job.state, job.attempt) == (JobState.DEAD, 1)


def test_a_dead_job_is_wanted_again_with_a_reason():
    job = a_job(fails="refuses")
    jobs.carry_out(job.pk, worker="w")
    with pytest.raises(NotAllowed):
        jobs.requeue(job.pk, by=an_actor("auditor"), reason="curious")

    operator = an_actor("operator")
    jobs.requeue(job.pk, by=operator, reason="the cause is gone")

    job.refresh_from_db()
    assert (job.state, job.attempt) == (JobState.WAITING, 0)
    assert the_last_line() == (operator.name, Verb.JOB_REQUEUED, "the cause is gone")


def test_a_worker_that_wakes_up_after_its_lease_writes_nothing():
    job = a_job()
    sleeper = jobs.claim(job.pk, worker="sleeper")
    Job.objects.filter(pk=job.pk).update(lease_until=Now() - timedelta(seconds=1))
    assert jobs.lapse() == 1
    assert jobs.carry_out(job.pk, worker="another")

    with pytest.raises(jobs.StaleClaim):
        jobs._finish(sleeper)

    assert Job.objects.get(pk=job.pk).fence == 2
    assert traces() == 1


def test_a_lease_that_has_not_ended_is_left_alone():
    jobs.claim(a_job().pk, worker="w")

    assert jobs.lapse() == 0


def test_what_was_told_is_not_told_again_at_once():
    job = a_job()
    assert [each.pk for each in jobs.to_hand_over(patience=timedelta(seconds=5))] == [
        job.pk
    ]

    jobs.note_handed(job, is_new=True)

    assert jobs.to_hand_over(patience=timedelta(seconds=5)) == []
    assert jobs.to_hand_over(patience=timedelta(0))


@given(st.integers(1, 20), st.floats(0, 1, exclude_max=True))
def test_the_wait_before_another_attempt_has_a_ceiling(attempt, chance):
    wait = backoff(attempt, chance=chance)

    assert timedelta(0) <= wait <= timedelta(minutes=5)


steps = st.sampled_from(["tell", "tell broken", "crash", "lapse", "wake"])


@given(st.lists(steps, max_size=12))
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_whatever_happens_an_effect_is_there_at_most_once(happenings):
    Job.objects.all().delete()
    job = a_job()
    asleep = []

    for step in happenings:
        Job.objects.filter(pk=job.pk, state="waiting").update(run_after=Now())
        if step == "tell":
            jobs.carry_out(job.pk, worker="w")
        elif step == "tell broken":
            Job.objects.filter(pk=job.pk).update(
                payload={"name": "x", "fails": "breaks"}
            )
            jobs.carry_out(job.pk, worker="w")
            Job.objects.filter(pk=job.pk).update(payload={"name": "x"})
        elif step == "crash" and (claimed := jobs.claim(job.pk, worker="w")):
            asleep.append(claimed)
        elif step == "lapse":
            Job.objects.filter(pk=job.pk, state="running").update(
                lease_until=Now() - timedelta(seconds=1)
            )
            jobs.lapse()
        elif step == "wake" and asleep:
            jobs._give_up(asleep.pop(0), "woke up")

    job.refresh_from_db()
    assert traces() == (1 if job.state == JobState.DONE else 0)


def test_every_kind_leads_to_a_function_that_says_why_it_is_safe_to_repeat():
    for kind in set(jobs.QUEUE_OF) - {KIND}:
        assert "Safe to run twice" in import_string(kind).__doc__, kind
    assert "Safe to run twice" in portal.jobs.carry_out.__doc__


def test_services_want_only_jobs_that_somebody_has_defined():
    root = Path(__file__).parents[2]
    names = {
        node.value
        for app in ("portal", "rollout", "drills")
        for path in (root / app / "services").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and ".jobs." in node.value
        and " " not in node.value
    }

    assert names
    assert names <= set(jobs.QUEUE_OF)
