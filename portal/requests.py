"""Request ids, and one line in the log for every request."""

import re
import time
from collections.abc import Callable

import structlog
import uuid_utils
from django.http import HttpRequest, HttpResponse

log = structlog.get_logger(__name__)
ACCEPTABLE_ID = re.compile(r"[A-Za-z0-9._:-]{8,64}\Z")
QUIET_PATHS = ("/static/", "/livez", "/readyz")


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
            if not request.path.startswith(QUIET_PATHS):
                log.info(
                    "request",
                    method=request.method,
                    path=request.path,
                    status=response.status_code,
                    ms=round((time.perf_counter() - started) * 1000, 1),
                )
        response["X-Request-ID"] = request_id
        return response
