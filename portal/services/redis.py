"""The connection to Redis or Valkey; the doorbell, never the truth."""

from functools import cache

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry


@cache
def connection() -> redis.Redis:
    """One pooled connection per process; short time-outs, so that nobody hangs."""
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=5, socket_connect_timeout=2
    )


@cache
def impatient_connection() -> redis.Redis:
    """For what a request can do without: one short try, and no second one."""
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=0.2,
        socket_connect_timeout=0.2,
        retry=Retry(NoBackoff(), 0),
    )
