"""Every "no" in one shape: RFC 9457 problem details with a stable `code`."""

from http import HTTPStatus
from typing import Any

import structlog
from django.core.exceptions import BadRequest, PermissionDenied, RequestDataTooBig
from django.db import DataError, OperationalError
from django.http import Http404, HttpRequest, JsonResponse
from psycopg.errors import DeadlockDetected, LockNotAvailable
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.errors import (
    Conflict,
    Invalid,
    Malformed,
    NoRoom,
    NotAllowed,
    NotFound,
    PreconditionFailed,
    PreconditionRequired,
    Refusal,
    TooLarge,
    Unavailable,
    Unsupported,
    WrongMoment,
    problem,
)

log = structlog.get_logger(__name__)

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER_S = 2
BUSY = "The database is busy; nothing was changed. Try again."
# It may have gone away in the midst of a commit, or between commit and disk.
AWAY = (
    "The database is away. If this was to change something, nobody knows whether it "
    "has: look, or try again with the same Idempotency-Key."
)

STATUS: dict[type[Refusal], HTTPStatus] = {
    Malformed: HTTPStatus.BAD_REQUEST,
    NotAllowed: HTTPStatus.FORBIDDEN,
    NotFound: HTTPStatus.NOT_FOUND,
    WrongMoment: HTTPStatus.CONFLICT,
    Conflict: HTTPStatus.CONFLICT,
    PreconditionFailed: HTTPStatus.PRECONDITION_FAILED,
    Unsupported: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Invalid: HTTPStatus.UNPROCESSABLE_ENTITY,
    PreconditionRequired: HTTPStatus.PRECONDITION_REQUIRED,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    NoRoom: HTTPStatus.INSUFFICIENT_STORAGE,
    Refusal: HTTPStatus.CONFLICT,
}
CODES = {
    HTTPStatus.BAD_REQUEST: "MALFORMED",
    HTTPStatus.UNAUTHORIZED: "NOT_AUTHENTICATED",
    HTTPStatus.FORBIDDEN: "NOT_ALLOWED",
    HTTPStatus.NOT_FOUND: "NOT_FOUND",
    HTTPStatus.METHOD_NOT_ALLOWED: "METHOD_NOT_ALLOWED",
    HTTPStatus.NOT_ACCEPTABLE: "NOT_ACCEPTABLE",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "UNSUPPORTED_MEDIA_TYPE",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "TOO_LARGE",
    HTTPStatus.TOO_MANY_REQUESTS: "TOO_MANY_REQUESTS",
    HTTPStatus.INTERNAL_SERVER_ERROR: "INTERNAL_ERROR",
    HTTPStatus.SERVICE_UNAVAILABLE: "UNAVAILABLE",
    HTTPStatus.INSUFFICIENT_STORAGE: "STORAGE_FULL",
}


def body_of(
    status: HTTPStatus,
    *,
    code: str,
    detail: str,
    request: HttpRequest,
    facts: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The members of a problem document."""
    request_id = getattr(request, "request_id", "")
    members = problem(
        status, code=code, detail=detail, path=request.path, request_id=request_id
    )
    return {**(facts or {}), **members}


def status_of(refusal: Refusal) -> HTTPStatus:
    """The HTTP status of a refusal: that of its nearest class in the table."""
    return next(STATUS[kind] for kind in type(refusal).mro() if kind in STATUS)


def answer(error: Exception, context: dict[str, Any]) -> Response | None:
    """REST framework's exception handler: one shape for every refusal."""
    request = context["request"]
    headers: dict[str, str] = {}
    facts: dict[str, Any] = {}
    match error:
        case Refusal():
            status, code, detail = status_of(error), error.code, str(error)
            facts = error.facts
        case RequestDataTooBig():
            status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            code, detail = CODES[status], "This body is too large."
        case Http404():
            status = HTTPStatus.NOT_FOUND
            code, detail = CODES[status], "There is no such thing."
        case PermissionDenied():
            status = HTTPStatus.FORBIDDEN
            code, detail = CODES[status], "This is not allowed."
        case BadRequest() | DataError():
            status = HTTPStatus.BAD_REQUEST
            code, detail = CODES[status], "This request cannot be read."
        case OperationalError():
            log.warning("database_unavailable", error=str(error))
            status = HTTPStatus.SERVICE_UNAVAILABLE
            code = CODES[status]
            detail = BUSY if _is_busy(error) else AWAY
        case exceptions.ValidationError():
            status, code = HTTPStatus.UNPROCESSABLE_ENTITY, Invalid.code
            facts = {"errors": _pointers(error.detail)}
            detail = "; ".join(
                f"{each['pointer']} {each['detail']}" for each in facts["errors"]
            )
        case exceptions.APIException():
            status, code, detail = _from_framework(error, headers, context["view"])
        case _:
            return None
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers.setdefault("Retry-After", str(RETRY_AFTER_S))
    return Response(
        body_of(status, code=code, detail=detail, request=request, facts=facts),
        status=status,
        headers=headers,
        content_type=CONTENT_TYPE,
    )


def _is_busy(error: OperationalError) -> bool:
    """Whether it has refused to go on, and so has taken everything back."""
    return isinstance(error.__cause__, DeadlockDetected | LockNotAvailable)


def _from_framework(
    error: exceptions.APIException, headers: dict[str, str], view: APIView
) -> tuple[HTTPStatus, str, str]:
    status = HTTPStatus(error.status_code)
    code = CODES.get(status, "REFUSED")
    if isinstance(error, exceptions.AuthenticationFailed):
        given = str(error.get_codes())
        code = given if given.startswith("TOKEN_") else code
    if header := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = header
    if (wait := getattr(error, "wait", None)) is not None:
        headers["Retry-After"] = str(max(1, int(wait + 0.999)))
    return status, code, _detail(error, view)


def _detail(error: exceptions.APIException, view: APIView) -> str:
    """What the framework says, with what is possible instead."""
    match error:
        case exceptions.UnsupportedMediaType():
            types = " or ".join(each.media_type for each in view.parser_classes)
            return f"This body cannot be read as what it is said to be; send {types}."
        case exceptions.NotAcceptable():
            types = " or ".join(each.media_type for each in view.renderer_classes)
            return f"What is accepted is not to be had here; there is {types}."
        case exceptions.MethodNotAllowed():
            offered = ", ".join(sorted(getattr(view, "may", {})))
            return f"{error.detail} There is {offered}."
    return str(error.detail)


def plain(request: HttpRequest, status: HTTPStatus, detail: str) -> JsonResponse:
    """A problem for what never reached a view of the API."""
    body = body_of(status, code=CODES[status], detail=detail, request=request)
    return JsonResponse(body, status=status, content_type=CONTENT_TYPE)


def _pointers(detail: Any, pointer: str = "") -> list[dict[str, str]]:
    if isinstance(detail, dict):
        items = [
            (pointer if key == "non_field_errors" else f"{pointer}/{key}", item)
            for key, item in detail.items()
        ]
    elif isinstance(detail, list):
        items = [
            (pointer if isinstance(item, str) else f"{pointer}/{index}", item)
            for index, item in enumerate(detail)
        ]
    else:
        return [{"pointer": pointer, "detail": str(detail)}]
    return [found for place, item in items for found in _pointers(item, place)]
