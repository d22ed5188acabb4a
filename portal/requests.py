"""Request ids, a line in the log and a count for every request, and what it reads."""

import re
import time
from collections.abc import Callable

import structlog
import uuid_utils
from django.http import HttpRequest, HttpResponse

from portal.services.metrics import HTTP_REQUESTS, HTTP_SECONDS
from portal.services.reading import one_answer

log = structlog.get_logger(__name__)
ACCEPTABLE_ID = re.compile(r"[A-Za-z0-9._:-]{8,64}\Z")
QUIET_PATHS = ("/static/", "/livez", "/readyz", "/metrics")
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


class RequestIds:
    """Give every request an id: the caller's, if it is a sane one, or a new one.

    It is in the answer, in the log, and in the ledger entries of what the request did.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        offered = request.headers.get("X-Request-ID", "")
        request_id = (
            offered if ACCEPTABLE_ID.match(offered) else str(uuid_utils.uuid7())
        )
        request.request_id = request_id
        started = time.perf_counter()
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            response = self.get_response(request)
            took = time.perf_counter() - started
            _count(request, response.status_code, took)
            if not request.path.startswith(QUIET_PATHS):
                log.info(
                    "request",
                    method=request.method,
                    path=request.path,
                    status=response.status_code,
                    ms=round(took * 1000, 1),
                )
        response["X-Request-ID"] = request_id
        return response


class ReadOnce:
    """Have what a page needs in many places read once, where it changes nothing."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            return self.get_response(request)
        with one_answer():
            return self.get_response(request)


def _count(request: HttpRequest, status: int, took: float) -> None:
    """Count by the route and not by the path, of which there is no end."""
    match = request.resolver_match
    route = f"/{match.route}" if match else "other"
    method = request.method if request.method in METHODS else "other"
    HTTP_REQUESTS.labels(route, method, status).inc()
    HTTP_SECONDS.labels(route, method).observe(took)
