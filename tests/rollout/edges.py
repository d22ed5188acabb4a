"""An edge that knows what a test puts in, and a client that speaks ASGI to it."""

import asyncio
import json
import time
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import httpx
from django.conf import settings

from portal import clock
from portal.domain.canonical import canonical
from portal.domain.roles import May
from portal.domain.tokens import keyed_hash, spell
from rollout.edge.app import Edge
from rollout.edge.knowledge import Held, Knowledge, Token
from tests.rollout.domain.test_decisions import a_snapshot

BULK = "/ofrep/v1/evaluate/flags"
TOKEN = spell(b"t" * 23)
CONTEXT = {
    "targetingKey": "run-1",
    "team": "alpha",
    "mode": "standard",
    "query_class": "fixture_replay",
    "sensitivity": "no_web",
}


def a_held(revision: int = 1, **facts) -> Held:
    """A rollout's snapshot."""
    body = canonical(a_snapshot(**facts).content).decode()
    return Held.of("live", revision, body, 1_800_000_000 + revision)


def some_tokens(grants=(May.DECIDE, May.READ), valid_s: float = 3600):
    """`TOKEN`, by its keyed hash."""
    expires_at = clock.now() + timedelta(seconds=valid_s)
    token = Token("service", "r", frozenset(grants), expires_at, 7)
    return {keyed_hash(TOKEN, key=settings.TOKEN_KEY.encode()): token}


def knowing(held: Held, *, tokens=None, age_s: float = 0.0) -> Knowledge:
    """What an edge knows that has one rollout, `r`, and one token."""
    return Knowledge(
        evaluators={"r": held.evaluator},
        kinds={"r": held.kind},
        tokens=some_tokens() if tokens is None else tokens,
        confirmed_at=time.monotonic() - age_s,
        held={"r": held},
    )


def an_edge(**facts) -> Edge:
    """An edge that knows one rollout and one token."""
    made = Edge()
    made.reader.known = knowing(a_held(**facts))
    return made


async def ask(edge: Edge, path: str = BULK, **how) -> httpx.Response:
    """Evaluate in bulk, or one flag."""
    headers = {"X-API-Key": TOKEN} | how.pop("headers", {})
    transport = httpx.ASGITransport(app=edge)
    async with httpx.AsyncClient(transport=transport, base_url="http://edge") as client:
        return await client.post(
            path, json={"context": CONTEXT}, headers=headers, **how
        )


async def stream_uri(edge: Edge) -> str:
    """Where a bulk answer says that news are to be had."""
    (stream,) = (await ask(edge)).json()["eventStreams"]
    assert stream["type"] == "sse"
    return stream["endpoint"]["requestUri"]


class Stream:
    """One listener, and what it has received."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.text = ""
        self.is_over = False

    async def send(self, message) -> None:
        """What the server calls."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {k.decode(): v.decode() for k, v in message["headers"]}
        else:
            self.text += message.get("body", b"").decode()
            self.is_over = not message.get("more_body")

    @property
    def events(self) -> list[dict]:
        """The messages: their ids and data."""
        found = []
        for block in self.text.split("\n\n"):
            fields = dict(
                line.split(": ", 1)
                for line in block.splitlines()
                if not line.startswith(":")
            )
            if fields.get("event") == "message":
                found.append({"id": fields["id"], **json.loads(fields["data"])})
        return found


@asynccontextmanager
async def listening(edge: Edge, uri: str, **headers: str):
    """A stream, open while the block runs."""
    path, _, query = uri.partition("?")
    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": query.encode(),
        "headers": [
            (name.replace("_", "-").encode(), value.encode())
            for name, value in headers.items()
        ],
        "client": ("127.0.0.1", 1),
    }
    gone = asyncio.Event()

    async def receive():
        await gone.wait()
        return {"type": "http.disconnect"}

    stream = Stream()
    task = asyncio.ensure_future(edge(scope, receive, stream.send))
    await breathe()
    try:
        yield stream
    finally:
        gone.set()
        with suppress(TimeoutError):
            await asyncio.wait_for(task, 5)


async def breathe() -> None:
    """Let everybody do what they are about to do."""
    for _ in range(5):
        await asyncio.sleep(0)
