"""How often one caller may ask; nobody is refused because Redis is away."""

import time
from typing import Any

import redis
from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from portal.services.redis import connection

WINDOW_S = 60


class PerActor(BaseThrottle):
    """A fixed window of a minute per actor, counted in Redis."""

    def allow_request(self, request: Request, view: Any) -> bool:
        if request.user is None or not settings.API_REQUESTS_PER_MINUTE:
            return True
        window = int(time.time() // WINDOW_S)
        key = f"{settings.REDIS_PREFIX}:rate:{request.user.pk}:{window}"
        try:
            with connection().pipeline(transaction=False) as pipe:
                pipe.incr(key).expire(key, 2 * WINDOW_S)
                count = pipe.execute()[0]
        except redis.RedisError:
            return True
        return count <= settings.API_REQUESTS_PER_MINUTE

    def wait(self) -> float:
        return max(1.0, WINDOW_S - time.time() % WINDOW_S)
