"""Just enough HTTP: requests read, answers sent."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

import orjson
import uuid_utils

from portal.errors import problem

Receive = Any
Send = Any

JSON = b"application/json"
PROBLEM = b"application/problem+json"
LARGEST_BODY = 64 * 1024


class TooLarge(Exception):
    """The body is larger than any context."""


@dataclass(slots=True)
class Request:
    """A request, its body not yet read."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[bytes, bytes]
    request_id: str
    address: str = ""

    @classmethod
    def of(cls, scope: Mapping[str, Any]) -> "Request":
        """The request of an ASGI scope."""
        query = scope["query_string"]
        return cls(
            scope["method"],
            scope["path"],
            parse_qs(query.decode("latin-1")) if query else {},
            dict(scope["headers"]),
            str(uuid_utils.uuid7()),
            (scope.get("client") or ("",))[0],
        )

    def header(self, name: bytes) -> str:
        """A header, or an empty text."""
        return self.headers.get(name, b"").decode("latin-1")

    def asked(self, name: str) -> str:
        """A parameter of the query, or an empty text."""
        return self.query.get(name, [""])[0]


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
    headers: tuple[tuple[bytes, bytes], ...] = (),
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
    headers: tuple[tuple[bytes, bytes], ...] = (),
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
