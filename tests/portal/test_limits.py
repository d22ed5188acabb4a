"""How often a caller may ask: exactly so often, whoever counts."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from portal.services import limits, redis
from portal.services.limits import Budget, Limiter

SLOW = Budget("test", 1, 20)  # nothing comes back while a test looks


@pytest.fixture
def caller():
    """Somebody who has asked for nothing yet."""
    return f"caller-{time.monotonic_ns()}"


@pytest.fixture
def no_redis(settings):
    """Redis is away."""
    settings.REDIS_URL = "unix:///nowhere.sock"
    redis.impatient_connection.cache_clear()
    yield
    redis.impatient_connection.cache_clear()


def test_of_many_at_once_exactly_as_many_pass_as_the_bucket_holds(caller):
    processes = [Limiter() for _ in range(4)]

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda n: processes[n % 4].take(SLOW, caller), range(80)))

    assert sum(each.is_allowed for each in found) == SLOW.burst
    left = sorted((each.left for each in found if each.is_allowed), reverse=True)
    assert left == list(range(SLOW.burst - 1, -1, -1))


def test_whoever_is_refused_knows_when_the_next_one_passes(caller):
    budget = Budget("test", 600, 2)  # one comes back every tenth of a second
    limiter = Limiter()
    while (refused := limiter.take(budget, caller)).is_allowed:
        continue
    assert 0 < refused.wait_s <= 0.1

    time.sleep(refused.wait_s)

    assert limiter.take(budget, caller).is_allowed


def test_a_refusal_uses_nothing_up(caller):
    limiter = Limiter()
    for _ in range(SLOW.burst):
        limiter.take(SLOW, caller)

    waits = [limiter.take(SLOW, caller).wait_s for _ in range(10)]

    assert all(59 < wait <= 60 for wait in waits)


def test_callers_and_budgets_do_not_share(caller):
    limiter = Limiter()
    for _ in range(SLOW.burst + 1):
        limiter.take(SLOW, caller)

    assert limiter.take(SLOW, f"{caller}-other").left == SLOW.burst - 1
    assert limiter.take(Budget("other", 1, 20), caller).left == SLOW.burst - 1


def test_a_smaller_bucket_counts_from_now_on(caller):
    limiter = Limiter()
    for _ in range(SLOW.burst):
        limiter.take(SLOW, caller)

    refused = limiter.take(Budget("test", 1, 2), caller)

    assert not refused.is_allowed
    assert refused.wait_s <= 60


def test_what_is_known_of_a_caller_goes_away_by_itself(caller, settings):
    Limiter().take(Budget("test", 600, 2), caller)

    key = f"{settings.REDIS_PREFIX}:rate:test:{caller}"
    assert 0 < redis.connection().pttl(key) <= 100


def test_without_redis_nobody_is_counted_and_it_is_not_asked_again_at_once(
    no_redis, caller, settings
):
    limiter = Limiter()
    assert limiter.take(SLOW, caller) is None

    settings.REDIS_URL = "unix:///elsewhere.sock"
    redis.impatient_connection.cache_clear()
    assert limiter.take(SLOW, caller) is None
    assert redis.impatient_connection.cache_info().currsize == 0


def test_redis_is_asked_again_when_it_is_back(caller, monkeypatch, settings):
    monkeypatch.setattr(limits, "AWAY_FOR_S", 0.0)
    here = settings.REDIS_URL
    settings.REDIS_URL = "unix:///nowhere.sock"
    redis.impatient_connection.cache_clear()
    limiter = Limiter()
    limiter.take(SLOW, caller)

    settings.REDIS_URL = here
    redis.impatient_connection.cache_clear()

    assert limiter.take(SLOW, caller).left == SLOW.burst - 1
