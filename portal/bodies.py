"""Large bodies under ASGI, read while they arrive.

Django keeps a body in memory or in `/tmp` before it asks who sent it. Here a body that
is small is read at once, as ever; of a larger one the view gets what has arrived, and
waits for the rest in its own thread. So nobody's upload is put on a disk before that
somebody is known, a disk that is full is the vault's to tell of, and every byte is
written once.
"""

import asyncio
import io
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Any

from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler

SMALL = 1024 * 1024
AHEAD = 4 * 1024 * 1024  # taken in before the view asks for it
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]


class Incoming:
    """What a client sends: its body for the view, what comes afterwards for Django."""

    def __init__(self, receive: Receive) -> None:
        self.receive = receive
        self.loop = asyncio.get_running_loop()
        self.is_over = asyncio.Event()

    async def __call__(self) -> Message:
        """What follows the body: Django waits here for the client to go away."""
        await self.is_over.wait()
        return await self.receive()

    async def take(self) -> bytes | None:
        """More of the body; None at its end. Raises `RequestAborted`."""
        if self.is_over.is_set():
            return None
        message = await self.receive()
        if message["type"] == "http.disconnect":
            self.is_over.set()
            raise RequestAborted
        if not message.get("more_body", False):
            self.is_over.set()
        return message.get("body", b"")


class Arriving(io.RawIOBase):
    """A body that is still arriving, for a view in a thread of its own.

    From its first `read` on the event loop takes in what comes, a little ahead of the
    view, so that neither waits for the other packet by packet: the view is woken when
    there is enough to be worth it.
    """

    def __init__(self, incoming: Incoming, head: bytes) -> None:
        super().__init__()
        self.incoming = incoming
        self.waiting = deque([head])
        self.size = len(head)
        self.wanted: float = 0  # what the view waits for
        self.news = threading.Condition()
        self.has_room = asyncio.Event()
        self.pump: Future[None] | None = None
        self.is_over = False
        self.is_aborted = False

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        """At most `size` bytes; fewer only at the end. Raises `OSError` when the client
        has gone away."""
        if self.pump is None:
            loop = self.incoming.loop
            self.pump = asyncio.run_coroutine_threadsafe(self._take_in(), loop)
        left = float("inf") if size is None or size < 0 else size
        parts: list[bytes] = []
        while left and (taken := self._next(left)):
            parts += taken
            left -= sum(map(len, taken))
        return b"".join(parts)

    def _next(self, most: float) -> list[bytes]:
        """What has arrived, once it is worth waking up for; nothing at the end."""
        with self.news:
            self.wanted = min(most, SMALL)
            self.news.wait_for(lambda: self.size >= self.wanted or self.is_over)
            if not self.waiting and self.is_aborted:
                raise ConnectionAbortedError("the client went away")
            was_full = self.size >= AHEAD
            taken = self._taken(most)
            is_full = self.size >= AHEAD
        if was_full and not is_full:
            self.incoming.loop.call_soon_threadsafe(self.has_room.set)
        return taken

    def _taken(self, most: float) -> list[bytes]:
        taken: list[bytes] = []
        while most and self.waiting:
            part = self.waiting.popleft()
            if len(part) > most:
                self.waiting.appendleft(part[int(most) :])
                part = part[: int(most)]
            taken.append(part)
            self.size -= len(part)
            most -= len(part)
        return taken

    async def _take_in(self) -> None:
        try:
            while (part := await self.incoming.take()) is not None:
                with self.news:
                    if part:
                        self.waiting.append(part)
                        self.size += len(part)
                        if self.size >= self.wanted:
                            self.news.notify()
                    is_full = self.size >= AHEAD
                    if is_full:
                        self.has_room.clear()
                if is_full:
                    await self.has_room.wait()
        except RequestAborted:
            self.is_aborted = True
        finally:
            with self.news:
                self.is_over = True
                self.news.notify()

    def close(self) -> None:
        """Whoever has read enough says so; the rest is the server's to drop."""
        if self.pump is not None:
            self.pump.cancel()
        super().close()


class StreamingHandler(ASGIHandler):
    """Django, with bodies that are read while they arrive."""

    async def __call__(self, scope: Any, receive: Receive, send: Any) -> None:
        await super().__call__(scope, Incoming(receive), send)

    async def read_body(self, receive: Incoming) -> io.IOBase:
        """A small body whole, a large one as it arrives."""
        parts, size = [], 0
        while size <= SMALL:
            part = await receive.take()
            if part is None:
                return io.BytesIO(b"".join(parts))
            parts.append(part)
            size += len(part)
        return Arriving(receive, b"".join(parts))
