"""Just enough HTTP: requests read, answers sent."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

import orjson
import uuid_utils

from portal.errors import problem

Receive = Any
Send = Any
Headers = tuple[tuple[bytes, bytes], ...]

JSON = b"application/json"
PROBLEM = b"application/problem+json"
LARGEST_BODY = 64 * 1024


class TooLarge(Exception):
    """The body is larger than any context."""


class Request:
    """A request, its body not yet read."""

    __slots__ = (
        "_query_string",
        "address",
        "headers",
        "method",
        "path",
        "request_id",
    )

    def __init__(self, scope: Mapping[str, Any]) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers: Mapping[bytes, bytes] = dict(scope["headers"])
        self.request_id = str(uuid_utils.uuid7())
        self.address: str = (scope.get("client") or ("",))[0]
        self._query_string: bytes = scope["query_string"]

    @property
    def has_query(self) -> bool:
        """Whether anything was asked behind the path."""
        return bool(self._query_string)

    def header(self, name: bytes) -> str:
        """A header, or an empty text."""
        return self.headers.get(name, b"").decode("latin-1")

    def asked(self, name: str) -> str:
        """A parameter of the query, or an empty text."""
        if not self._query_string:
            return ""
        query = parse_qs(self._query_string.decode("latin-1"))
        return query.get(name, [""])[0]


async def body_of(receive: Receive) -> bytes:
    """The whole body; raises `TooLarge`."""
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b""
        part = message.get("body", b"")
        size += len(part)
        if size > LARGEST_BODY:
            raise TooLarge
        parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts) if len(parts) > 1 else part


async def answer(
    send: Send,
    request: Request,
    status: int,
    body: bytes,
    *,
    content_type: bytes = JSON,
    headers: Headers = (),
) -> None:
    """Send a whole answer."""
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", content_type),
                (b"content-length", b"%d" % len(body)),
                (b"cache-control", b"no-store"),
                (b"x-content-type-options", b"nosniff"),
                (b"x-request-id", request.request_id.encode()),
                *headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})


async def refuse(
    send: Send,
    request: Request,
    status: HTTPStatus,
    code: str,
    detail: str,
    headers: Headers = (),
) -> None:
    """Send a problem document."""
    body = problem(
        status,
        code=code,
        detail=detail,
        path=request.path,
        request_id=request.request_id,
    )
    if status == HTTPStatus.UNAUTHORIZED:
        headers += ((b"www-authenticate", b'Bearer realm="portal"'),)
    await answer(
        send,
        request,
        status,
        orjson.dumps(body),
        content_type=PROBLEM,
        headers=headers,
    )
