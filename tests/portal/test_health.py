from datetime import timedelta

import pytest
from django.conf import settings as django_settings
from django.core.checks import run_checks

from portal import clock
from portal.domain.jobs import Queue
from portal.models import Heartbeat
from portal.services import heartbeats, redis, schedule
from tests.rollout.builders import a_rollout

pytestmark = pytest.mark.django_db


def everybody_is_alive() -> None:
    a_rollout()
    for name in heartbeats.EXPECTED:
        heartbeats.beat(name)


def test_a_portal_with_everything_is_ready(client):
    everybody_is_alive()

    response = client.get("/readyz")

    assert (response.status_code, response.json()["status"]) == (200, "ready")


@pytest.mark.parametrize("name", ["relay", *(f"worker {queue}" for queue in Queue)])
def test_a_process_that_was_never_seen_counts_as_stopped(client, name):
    everybody_is_alive()
    Heartbeat.objects.filter(name=name).delete()

    response = client.get("/readyz")

    assert response.status_code == 503
    assert name in response.json()["checks"]["processes"]["says"]


def test_what_is_done_every_so_often_is_missed_only_after_that(client):
    everybody_is_alive()
    intervals = {
        tick.name: timedelta(seconds=tick.every_s) for tick in schedule.ticks()
    }
    assert max(intervals.values()) > heartbeats.STALE_AFTER
    for name, interval in intervals.items():
        at = clock.now() - interval - timedelta(seconds=5)
        Heartbeat.objects.filter(name=name).update(at=at)

    assert client.get("/readyz").status_code == 200

    slow = max(intervals, key=intervals.__getitem__)
    at = clock.now() - intervals[slow] - heartbeats.STALE_AFTER - timedelta(seconds=5)
    Heartbeat.objects.filter(name=slow).update(at=at)
    response = client.get("/readyz")
    assert response.status_code == 503
    assert slow in response.json()["checks"]["processes"]["says"]


def test_without_a_queue_the_portal_answers_and_says_so(client, settings):
    everybody_is_alive()
    settings.REDIS_URL = "unix:///nowhere.sock"
    redis.connection.cache_clear()
    redis.connection.cache_clear()
    try:
        response = client.get("/readyz")
    finally:
        redis.connection.cache_clear()

    assert response.status_code == 503
    assert not response.json()["checks"]["queue"]["is_well"]
    assert response.json()["checks"]["database"]["is_well"]


def test_a_process_that_answers_is_alive(client):
    assert client.get("/livez").json() == {"status": "alive"}
    assert client.post("/livez").status_code == 405


def test_the_holes_of_the_queues_own_pages_are_closed(client):
    assert django_settings.RQ_SHOW_ADMIN_LINK is False
    for queue in django_settings.RQ_QUEUES.values():
        assert queue["SERIALIZER"] == "rq.serializers.JSONSerializer"
    assert client.get("/django-rq/").status_code == 404
    assert client.get("/admin/django_rq/").status_code in (302, 404)


def test_nothing_is_wrong_with_the_set_up():
    assert run_checks() == []


def test_a_sealer_that_refuses_is_told_and_turns_nobody_away(client):
    everybody_is_alive()
    heartbeats.beat(heartbeats.SEALER, refuses="An old backup was put back.")

    response = client.get("/readyz")

    assert response.status_code == 200
    assert response.json()["checks"]["sealed"] == {
        "is_well": False,
        "says": "An old backup was put back.",
    }
