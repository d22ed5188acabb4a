"""What callers of the API see of their limits."""

import pytest

from portal.api import throttling
from portal.services import redis
from portal.services.limits import Limiter
from tests.rollout.builders import a_service
from tests.rollout.documents import a_manifest, raw
from tests.rollout.test_api import Caller

pytestmark = pytest.mark.django_db


@pytest.fixture
def call(client, service) -> Caller:
    return Caller(client, a_service()[1])


@pytest.fixture
def scarce(settings):
    """Two requests of a kind, and no more for a long time."""
    settings.API_READS_PER_MINUTE = settings.API_WRITES_PER_MINUTE = 1
    settings.API_BURST = 2


def test_a_caller_is_told_what_is_left_and_how_long_to_wait(scarce, call):
    first, second, third = (call.get("runs") for _ in range(3))

    assert first["ratelimit-policy"] == '"reads";q=1;w=60'
    assert first["ratelimit"] == '"reads";r=1;t=60'
    assert second["ratelimit"] == '"reads";r=0;t=120'
    assert third.status_code == 429
    assert third.json()["code"] == "TOO_MANY_REQUESTS"
    assert third["content-type"] == "application/problem+json"
    assert 59 <= int(third["retry-after"]) <= 60
    assert third["ratelimit"].startswith('"reads";r=0;t=')


def test_reads_writes_and_callers_have_budgets_of_their_own(scarce, call, client):
    for _ in range(3):
        call.get("runs")

    assert call.put("runs/r1/manifest", raw(a_manifest("r1"))).status_code < 300
    assert Caller(client, a_service()[1]).get("runs").status_code == 200


def test_an_emergency_waits_for_nobody(scarce, call):
    for number in range(4):
        call.put(f"runs/r{number}/manifest", raw(a_manifest(f"r{number}")))
    last = call.put("runs/r9/manifest", raw(a_manifest("r9")))
    assert last.status_code == 429

    because = {"reason": "Gate C fails everywhere."}
    for path, body in [
        ("switch/engage", because),
        ("directives", because | {"kind": "pause"}),
        ("stages/offline-baseline/hold", because),
        ("runs/r0/fallback-offer", because),
    ]:
        for _ in range(3):
            answer = call.post(path, body)
            assert answer.status_code != 429, path
            assert "ratelimit" not in answer


def test_without_redis_everybody_passes(scarce, call, monkeypatch, settings):
    settings.REDIS_URL = "unix:///nowhere.sock"
    monkeypatch.setattr(throttling, "limiter", Limiter())
    redis.impatient_connection.cache_clear()
    try:
        answers = [call.get("runs") for _ in range(4)]
    finally:
        redis.impatient_connection.cache_clear()

    assert [answer.status_code for answer in answers] == [200] * 4
