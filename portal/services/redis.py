"""The connection to Redis or Valkey; the doorbell, never the truth."""

from functools import cache

import redis
from django.conf import settings


@cache
def connection() -> redis.Redis:
    """One pooled connection per process; short time-outs, so that nobody hangs."""
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=5, socket_connect_timeout=2
    )
