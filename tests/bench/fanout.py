"""The least that a server of event streams can do: one message, told to everybody."""

import asyncio
from collections.abc import Mapping
from typing import Any

EVENT = (
    b'id: 2.2\nevent: message\ndata: {"type":"refetchEvaluation","etag":"2.2",'
    b'"lastModified":1795518694}\n\n'
)
HEADERS = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")]

_fired = asyncio.Condition()


async def application(scope: Mapping[str, Any], receive: Any, send: Any) -> None:
    """`/stream` listens, anything else fires."""
    if scope["type"] != "http":
        return
    await receive()
    is_stream = scope["path"] == "/stream"
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    if not is_stream:
        async with _fired:
            _fired.notify_all()
        await send({"type": "http.response.body", "body": b"fired"})
        return
    await send({"type": "http.response.body", "body": b": here\n\n", "more_body": True})
    while True:
        async with _fired:
            await _fired.wait()
        await send({"type": "http.response.body", "body": EVENT, "more_body": True})
