"""The ASGI application of the edge: which path is answered by whom."""

import re
from collections.abc import Coroutine, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

import structlog

from rollout.edge import ofrep, ofrep_stream, tickets, waiting
from rollout.edge.http import Receive, Request, Send, answer, refuse
from rollout.edge.measured import Measured
from rollout.edge.reader import Reader
from rollout.edge.streams import Hub

log = structlog.get_logger(__name__)

STREAM = "/api/v1/stream"
LIVEZ = "/livez"  # of an edge on its own; beside the web process that one answers
DIRECTIVES = re.compile(r"/api/v1/(?:runs/(?P<run_id>[^/]+)/)?directives\Z")


class Edge:
    """Answers what it `takes`; everything else belongs to the web process."""

    def __init__(self) -> None:
        self.reader = Reader()
        self.hub = Hub(self.reader)

    def takes(self, scope: Mapping[str, Any]) -> bool:
        """Whether a request is the edge's."""
        path = scope["path"]
        if path.startswith("/ofrep/") or path == STREAM:
            return True
        # With a session instead of a token the web process answers, without waiting.
        return (
            scope["method"] == "GET"
            and DIRECTIVES.match(path) is not None
            and any(name == b"authorization" for name, _ in scope["headers"])
        )

    async def __call__(
        self, scope: Mapping[str, Any], receive: Receive, send: Send
    ) -> None:
        """Serve one request, or the life of the process."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        request = Request(scope)
        if self.reader.known.is_nothing:
            self.hub.start()
            await self.reader.ready()
        with Measured(send, request.path, self.reader.known) as measured:
            try:
                await self._route(request, receive, measured.send)
            except Exception:
                log.exception("edge_failed", path=request.path)
                await ofrep.fail(measured.send, request)

    def _route(
        self, request: Request, receive: Receive, send: Send
    ) -> Coroutine[Any, Any, None]:
        """Who answers; what is asked most comes first."""
        path = request.path
        if path == ofrep.PREFIX or path.startswith(f"{ofrep.PREFIX}/"):
            return ofrep.handle(self.reader, request, receive, send)
        if path == tickets.PATH:
            return ofrep_stream.handle(self.hub, request, receive, send)
        if request.method in ("GET", "HEAD") and path == LIVEZ:
            return answer(send, request, HTTPStatus.OK, b'{"status":"alive"}')
        if self.reader.known.is_nothing:
            status, detail = HTTPStatus.SERVICE_UNAVAILABLE, "Nothing is known yet."
            later = ((b"retry-after", b"%d" % ofrep.RETRY_AFTER_S),)
            return refuse(send, request, status, "UNAVAILABLE", detail, later)
        if request.method == "GET" and path == STREAM:
            return waiting.stream(self.hub, request, receive, send)
        if request.method == "GET" and (found := DIRECTIVES.match(path)):
            run_id = found["run_id"]
            return waiting.directives(
                self.reader, request, send, run_id=run_id and unquote(run_id)
            )
        detail = "There is nothing here."
        return refuse(send, request, HTTPStatus.NOT_FOUND, "NOT_FOUND", detail)

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self.reader.start()
                self.hub.start()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self.hub.stop()
                self.reader.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return
