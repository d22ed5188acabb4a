"""How often one caller may ask: counted in Redis, exactly, in one round trip.

Every caller has a bucket that holds `burst` requests and is filled again evenly. Redis
keeps one moment per bucket, when it will be full, and goes by its own clock: any
number of web processes count as one. (The libraries that were looked at go by the
callers' clocks, or ask once for the verdict and once more for the wait.)
"""

import time
from dataclasses import dataclass
from functools import cache

import redis as client
from django.conf import settings
from redis.commands.core import Script

from portal.services import redis
from portal.services.metrics import LIMITER_AWAY

_TAKE = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local each, room = tonumber(ARGV[1]), tonumber(ARGV[2])
local full_at = tonumber(redis.call('GET', KEYS[1]) or 0)
-- Never further away than an empty bucket, whatever clocks and settings did meanwhile.
full_at = math.max(now, math.min(full_at, now + room))
local wait = full_at + each - room - now
if wait > 0 then
  return {0, 0, wait, full_at - now}
end
full_at = full_at + each
local left = math.floor((room - full_at + now) / each)
redis.call('SET', KEYS[1], string.format('%.0f', full_at),
  'PX', math.ceil((full_at - now) / 1000))
return {1, left, 0, full_at - now}
"""
_US = 1_000_000
AWAY_FOR_S = 1.0  # after a failure nobody asks Redis, and waits for it, for so long


@dataclass(frozen=True, slots=True)
class Budget:
    """So many requests a minute, and so many of them at once; 0: any number."""

    name: str
    per_minute: int
    burst: int


@dataclass(frozen=True, slots=True)
class Allowance:
    """Whether a request may pass, how many more may, and for how long to wait."""

    is_allowed: bool
    left: int
    wait_s: float
    full_in_s: float


@cache
def _script(connection: client.Redis) -> Script:
    return connection.register_script(_TAKE)


class Limiter:
    """Counts requests; while Redis is away it counts nothing and refuses nobody."""

    def __init__(self) -> None:
        self._asks_again_at = 0.0

    def take(self, budget: Budget, caller: object) -> Allowance | None:
        """Take one request out of the caller's bucket; None when nothing counts it."""
        if not budget.per_minute:
            return None
        if time.monotonic() < self._asks_again_at:
            LIMITER_AWAY.inc()
            return None
        each = 60 * _US // budget.per_minute
        try:
            is_allowed, left, wait, full_in = _script(redis.impatient_connection())(
                [f"{settings.REDIS_PREFIX}:rate:{budget.name}:{caller}"],
                [each, each * max(1, budget.burst)],
            )
        except client.RedisError:
            self._asks_again_at = time.monotonic() + AWAY_FOR_S
            LIMITER_AWAY.inc()
            return None
        return Allowance(bool(is_allowed), left, wait / _US, full_in / _US)


limiter = Limiter()
