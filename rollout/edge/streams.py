"""Streams of server-sent events: many listeners, each message made once.

A listener is one task that sleeps until there is something for it; what it is told is
the same bytes for everybody. One pulse for all of them keeps streams alive, ends those
whose token has ended, and sees to what happens by the clock.
"""

import asyncio
import random
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, NamedTuple

import orjson

from rollout.domain.kill_file import kills
from rollout.edge.http import Receive, Request, Send
from rollout.edge.reader import Reader
from rollout.edge.tickets import Holder

PULSE_S = 0.4
BEAT_EVERY_S = 5.0  # a comment for clients, an event for pages; both keep alive
MOST_PENDING = 1000  # a page that is slower than that comes back and is replayed to
RETRY_MS = (1000, 4000)  # not all at once


class State(NamedTuple):
    """What bulk answers of a rollout rest on; clients fetch again when it changes."""

    epoch: int
    revision: int
    published_at: int
    mark: str  # killed by the file, expired

    @property
    def id(self) -> str:
        """The id of the event that tells of it, and its ETag in OFREP's sense."""
        return f"{self.epoch}.{self.revision}{self.mark}"

    def event(self) -> bytes:
        """Have clients fetch again."""
        said = {
            "type": "refetchEvaluation",
            "etag": self.id,
            "lastModified": self.published_at,
        }
        head = f"id: {self.id}\nevent: message\ndata: ".encode()
        return head + orjson.dumps(said) + b"\n\n"


class Listener:
    """One open stream: what it was told of, and what it has not been sent yet."""

    __slots__ = (
        "_pending",
        "_waker",
        "ends_at",
        "holder",
        "is_over",
        "rollout",
        "told",
    )

    def __init__(
        self, rollout: str, holder: Holder | None = None, lasts_s: float = float("inf")
    ) -> None:
        self.rollout, self.holder = rollout, holder
        self.ends_at = time.monotonic() + lasts_s
        self.told = ""
        self.is_over = False
        self._pending: list[bytes] = []
        self._waker: asyncio.Future[None] | None = None

    def tell(self, chunk: bytes) -> None:
        """Have this sent."""
        if len(self._pending) < MOST_PENDING:
            self._pending.append(chunk)
        else:
            self.is_over = True
        self._wake()

    def catch_up(self, found: tuple[State, bytes] | None) -> None:
        """Have the event of a state sent, unless it was: only the last one counts."""
        if found is not None and found[0].id != self.told:
            self.told = found[0].id
            self._pending.clear()
            self.tell(found[1])

    def keep_alive(self, comment: bytes) -> None:
        """Have this sent if nothing else is waiting."""
        if not self._pending:
            self.tell(comment)

    def end(self, _: object = None) -> None:
        """Send what is waiting, and no more."""
        self.is_over = True
        self._wake()

    async def next(self) -> bytes:
        """What is to be sent next; nothing when it is over."""
        while not self._pending and not self.is_over:
            self._waker = asyncio.get_running_loop().create_future()
            await self._waker
        chunk = b"".join(self._pending)
        self._pending.clear()
        return chunk

    def _wake(self) -> None:
        if self._waker is not None and not self._waker.done():
            self._waker.set_result(None)


class Hub:
    """Everybody who listens to this edge."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.clients: set[Listener] = set()  # of OFREP: told to fetch again
        self.pages: set[Listener] = set()  # told every line of the ledger
        self._beaten_at = 0.0
        self._pulse: asyncio.Task[None] | None = None
        reader.listen(self.hear)

    def start(self) -> None:
        """Begin to pulse; called in the event loop."""
        if self._pulse is None:
            self._pulse = asyncio.get_running_loop().create_task(self._beat_on())

    async def stop(self) -> None:
        """End the pulse and every stream."""
        for listener in (*self.clients, *self.pages):
            listener.end()
        if self._pulse is not None:
            self._pulse.cancel()
            with suppress(asyncio.CancelledError):
                await self._pulse
            self._pulse = None

    def hear(self, lines: list[dict[str, Any]]) -> None:
        """Something has changed: clients first, for it may be the switch."""
        self.refresh()
        for line in lines:
            event = line_event(line)
            for page in self.pages:
                page.tell(event)

    def refresh(self) -> None:
        """Tell clients whose rollout has another state; end those let in no more."""
        events: dict[str, tuple[State, bytes] | None] = {}
        let_in: dict[Holder, bool] = {}
        for client in tuple(self.clients):
            if client.rollout not in events:
                events[client.rollout] = self._event(client.rollout)
            if client.holder not in let_in:
                let_in[client.holder] = self.reader.known.lets_in(client.holder)
            client.catch_up(events[client.rollout])
            if not let_in[client.holder]:
                client.end()

    def add_client(self, client: Listener) -> None:
        """A client that is told of the present state, unless it knows."""
        self.clients.add(client)
        client.catch_up(self._event(client.rollout))

    def _event(self, rollout: str) -> tuple[State, bytes] | None:
        state = self.state(rollout)
        return state and (state, state.event())

    def state(self, rollout: str) -> State | None:
        """What bulk answers rest on now."""
        known = self.reader.known
        evaluator = self.reader.evaluator(rollout)
        if evaluator is None:
            return None
        held = known.held.get(rollout)
        mark = "k" if kills(self.reader.killed, rollout) else ""
        mark += "x" if known.is_expired else ""
        basis = evaluator.basis
        published_at = held.published_at if held else 0
        return State(basis.epoch, basis.revision, published_at, mark)

    async def _beat_on(self) -> None:
        while True:
            self.reader.look_for_kill_file()
            self.refresh()
            self.reader.hand_over_notes()
            now = time.monotonic()
            for page in tuple(self.pages):
                if page.ends_at <= now:
                    page.end()
            if now - self._beaten_at >= BEAT_EVERY_S:
                self._beaten_at = now
                self.beat()
            await asyncio.sleep(PULSE_S)

    def beat(self) -> None:
        """Say which epoch holds, to everybody."""
        is_stale = self.reader.known.is_stale
        beats: dict[str, bytes] = {}
        comments: dict[str, bytes] = {"": b": still here\n\n"}
        for rollout in self.reader.known.evaluators:
            state = self.state(rollout)
            said = {
                "rollout": rollout,
                "epoch": state.epoch,
                "revision": state.revision,
                **({"killed": True} if "k" in state.mark else {}),
                **({"stale": True} if is_stale else {}),
            }
            beats[rollout] = b"event: heartbeat\ndata: %b\n\n" % orjson.dumps(said)
            stale = " stale" if is_stale else ""
            comment = f": epoch={state.epoch} revision={state.revision}{stale}\n\n"
            comments[rollout] = comment.encode()
        every = b"".join(beats.values()) or comments[""]
        for page in self.pages:
            page.keep_alive(beats.get(page.rollout, every))
        for client in self.clients:
            client.keep_alive(comments.get(client.rollout, comments[""]))


def line_event(line: dict[str, Any]) -> bytes:
    """A line of the ledger, as pages are told of it."""
    return b"id: %d\nevent: message\ndata: %b\n\n" % (line["seq"], orjson.dumps(line))


async def begin(
    send: Send, request: Request, headers: Iterable[tuple[bytes, bytes]] = ()
) -> None:
    """Start a stream."""
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [
                (b"content-type", b"text/event-stream; charset=utf-8"),
                (b"cache-control", b"no-cache"),
                (b"x-accel-buffering", b"no"),
                (b"x-request-id", request.request_id.encode()),
                *headers,
            ],
        }
    )
    await write(send, b"retry: %d\n\n" % random.randint(*RETRY_MS))


async def attend(listener: Listener, receive: Receive, send: Send) -> None:
    """Send a listener what it is told, until it is over or gone."""
    gone = asyncio.ensure_future(_disconnect(receive))
    gone.add_done_callback(listener.end)
    try:
        while chunk := await listener.next():
            await write(send, chunk)
    finally:
        gone.cancel()
    await send({"type": "http.response.body", "body": b""})


async def write(send: Send, chunk: bytes) -> None:
    """Send a part of a stream."""
    await send({"type": "http.response.body", "body": chunk, "more_body": True})


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue
