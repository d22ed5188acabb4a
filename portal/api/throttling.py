"""How often one caller may ask; emergencies and outages of Redis refuse nobody."""

from math import ceil
from typing import Any

from django.conf import settings
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from portal.domain.roles import SAFETY
from portal.services.limits import Budget, limiter


class PerActor(BaseThrottle):
    """Every token and every person has a budget for reads and one for writes.

    What leads towards safety is never counted: the switch, holds, fallbacks,
    directives and rollbacks pass however much else was asked. What is left of a
    budget is in the answer (draft-ietf-httpapi-ratelimit-headers).
    """

    def allow_request(self, request: Request, view: Any) -> bool:
        act = getattr(view, "may", {}).get(request.method)
        if request.user is None or act in SAFETY:
            return True
        budget = budget_of(request.method)
        found = limiter.take(budget, request.user.pk)
        if found is None:
            return True
        named = f'"{budget.name}"'
        view.headers["RateLimit-Policy"] = f"{named};q={budget.per_minute};w=60"
        view.headers["RateLimit"] = f"{named};r={found.left};t={ceil(found.full_in_s)}"
        self._wait_s = found.wait_s
        return found.is_allowed

    def wait(self) -> float:
        return self._wait_s


def budget_of(method: str) -> Budget:
    """Polling must not use up what reports need, so they have one each."""
    if method in SAFE_METHODS:
        return Budget("reads", settings.API_READS_PER_MINUTE, settings.API_BURST)
    return Budget("writes", settings.API_WRITES_PER_MINUTE, settings.API_BURST)
