"""Counts the requests of the edge, at some microseconds each."""

import re
import time
from collections.abc import Awaitable
from functools import lru_cache
from typing import Any

from rollout.edge.http import Send
from rollout.edge.knowledge import STALE_AFTER_S, Knowledge
from rollout.edge.ofrep import PREFIX
from rollout.services.metrics import (
    EDGE_REQUESTS,
    EDGE_SECONDS,
    EDGE_STALE,
    EDGE_WAITING,
)

BULK, SINGLE = PREFIX, f"{PREFIX}/{{key}}"
_WAITING = [
    (re.compile(r"/api/v1/stream\Z"), "/api/v1/stream"),
    (re.compile(r"/ofrep/v1/stream\Z"), "/ofrep/v1/stream"),
    (re.compile(r"/api/v1/directives\Z"), "/api/v1/directives"),
    (re.compile(r"/api/v1/runs/.*/directives\Z"), "/api/v1/runs/{run_id}/directives"),
]
# Finding a series by its labels costs more than counting in it.
_seconds = lru_cache(EDGE_SECONDS.labels)
_requests = lru_cache(EDGE_REQUESTS.labels)


def route_of(path: str) -> str:
    """The template of a path; of paths there is no end, of templates there is."""
    if path.startswith(PREFIX):
        return BULK if len(path) <= len(PREFIX) + 1 else SINGLE
    return next((text for form, text in _WAITING if form.match(path)), "other")


class Measured:
    """One request: passes on what is sent, and counts at the end."""

    __slots__ = ("_began", "_known", "_route", "_send", "_status")

    def __init__(self, send: Send, path: str, known: Knowledge) -> None:
        self._send, self._known, self._route = send, known, route_of(path)
        self._status = 0
        self._began = time.perf_counter()

    def __enter__(self) -> "Measured":
        if not self._is_evaluation:
            EDGE_WAITING.labels(self._route).inc()
        return self

    def send(self, message: dict[str, Any]) -> Awaitable[None]:
        """Send, and remember the status."""
        self._status = message.get("status", self._status)
        return self._send(message)

    def __exit__(self, *_: object) -> None:
        _requests(self._route, self._status).inc()
        if not self._is_evaluation:
            EDGE_WAITING.labels(self._route).dec()
            return
        _seconds(self._route).observe(time.perf_counter() - self._began)
        if self._known.age_s > STALE_AFTER_S:
            EDGE_STALE.inc()

    @property
    def _is_evaluation(self) -> bool:
        return self._route is BULK or self._route is SINGLE
