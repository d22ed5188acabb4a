"""Which version somebody has seen, and edits that say which one they edit."""

import re

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from portal.errors import PreconditionFailed, PreconditionRequired

_ENTITY = re.compile(r'(?:W/)?"[^"]*"')


def etag(version: object) -> str:
    """A strong entity tag for a version: a digest, a revision, a history id."""
    return f'"{version}"'


def check_if_match(request: Request, current: str) -> None:
    """Let an edit through only when it names the current version.

    Raises `PreconditionRequired` (428) without If-Match, `PreconditionFailed` (412)
    when it names another version; weak tags match nothing here (RFC 9110 §13.1.1).
    """
    field = request.headers.get("If-Match", "").strip()
    if not field:
        raise PreconditionRequired(
            "An edit names the version that it edits: send If-Match with the ETag.",
            etag=current,
        )
    if field != "*" and current not in _ENTITY.findall(field):
        raise PreconditionFailed(
            "This has changed since you read it. Look again, then decide.",
            etag=current,
        )


def conditional(request: Request, response: HttpResponse, current: str) -> HttpResponse:
    """The response with its ETag, or 304 when the caller has that version already."""
    field = request.headers.get("If-None-Match", "").strip()
    seen = {tag.removeprefix("W/") for tag in _ENTITY.findall(field)}
    if field == "*" or current in seen:
        response = Response(status=304)
    response["ETag"] = current
    return response
