"""Whoever waits: runs for directives, pages for news."""

import asyncio
import random
import time
from http import HTTPStatus
from typing import Any

import orjson
from asgiref.sync import sync_to_async
from django.core import signing
from django.db import Error, close_old_connections

from portal.domain.roles import May
from portal.models import LedgerEntry
from portal.streams import SALT, TICKET_LIFE_S
from rollout.edge.http import Receive, Request, Send, answer, refuse
from rollout.edge.knowledge import Knowledge, Reader, Token, told

LONGEST_WAIT_S = 30.0
KEEP_ALIVE_S = 15.0
LONGEST_STREAM_S = 600.0
MOST_REPLAYED = 500
SLOWEST_READER = 1000  # lines that may wait for one listener


async def directives(
    reader: Reader, request: Request, send: Send, *, run_id: str | None
) -> None:
    """`GET .../directives?wait=30`: answer as soon as something is asked."""
    token = _token(reader.known, request)
    rollout = await _rollout(reader.known, request, send, token, May.READ_DIRECTIVES)
    if rollout is None:
        return
    said = request.asked("wait") or "0"
    if not said.isdigit() or int(said) > LONGEST_WAIT_S:
        await refuse(
            send,
            request,
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "SCHEMA_VALIDATION_FAILED",
            "wait is a whole number of seconds, 0 to 30.",
        )
        return
    deadline = time.monotonic() + int(said)
    while True:
        found = _asked(reader.known, rollout, run_id)
        left = deadline - time.monotonic()
        if found or left <= 0:
            break
        await reader.change(left)
        if _token(reader.known, request) is None:  # revoked while it waited
            await _rollout(reader.known, request, send, None, May.READ_DIRECTIVES)
            return
    await answer(send, request, HTTPStatus.OK, orjson.dumps({"directives": found}))


def _asked(known: Knowledge, rollout: str, run_id: str | None) -> list[dict[str, Any]]:
    of_rollout = known.asked.get(rollout, {})
    if run_id is not None:
        return of_rollout.get(run_id, [])
    return [each for asked in of_rollout.values() for each in asked]


def _token(known: Knowledge, request: Request) -> Token | None:
    scheme, _, text = request.header(b"authorization").partition(" ")
    return known.token(text.strip()) if scheme.lower() == "bearer" else None


async def _rollout(
    known: Knowledge, request: Request, send: Send, token: Token | None, act: May
) -> str | None:
    """The rollout that a token asks about; None when it has been refused."""
    if token is None:
        code, detail = "NOT_AUTHENTICATED", "This token lets nobody in."
        await refuse(send, request, HTTPStatus.UNAUTHORIZED, code, detail)
        return None
    asked = request.asked("rollout")
    if act not in token.grants:
        detail = f"{token.name} may not do this ({act})."
        await refuse(send, request, HTTPStatus.FORBIDDEN, "NOT_ALLOWED", detail)
        return None
    if asked and token.rollout and asked != token.rollout:
        detail = f"This token is good for {token.rollout} only."
        await refuse(send, request, HTTPStatus.FORBIDDEN, "WRONG_ROLLOUT", detail)
        return None
    rollout = token.rollout or asked or known.only_rollout
    if not rollout:
        detail = "Say which rollout: ?rollout=KEY."
        await refuse(
            send,
            request,
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "ROLLOUT_REQUIRED",
            detail,
        )
        return None
    return rollout


async def stream(
    reader: Reader, request: Request, receive: Receive, send: Send
) -> None:
    """`GET /api/v1/stream`: every new line of the ledger, as server-sent events.

    The id of an event is the line's `seq`; `Last-Event-ID` replays what was missed,
    or says `reset` when that is too much.
    """
    if not _may_listen(reader.known, request):
        code, detail = "NOT_AUTHENTICATED", "A token that may read, or a fresh ticket."
        await refuse(send, request, HTTPStatus.UNAUTHORIZED, code, detail)
        return
    queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(SLOWEST_READER)
    is_behind = asyncio.Event()  # too slow: it comes back with its Last-Event-ID

    def hear(lines: list[dict[str, Any]]) -> None:
        for line in lines:
            if queue.full():
                is_behind.set()
            else:
                queue.put_nowait(line)

    reader.listen(hear)
    gone = asyncio.ensure_future(_disconnect(receive))
    try:
        await _begin(send, request)
        sent = await _replay(reader, request, send)
        ends_at = time.monotonic() + LONGEST_STREAM_S * random.uniform(0.8, 1.2)
        while not (gone.done() or is_behind.is_set()) and time.monotonic() < ends_at:
            waiting = asyncio.ensure_future(queue.get())
            await asyncio.wait(
                {waiting, gone},
                timeout=KEEP_ALIVE_S,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if not waiting.done():
                waiting.cancel()
                await _write(send, b": still here\n\n")
                continue
            line = waiting.result()
            if line["seq"] > sent:
                sent = line["seq"]
                await _write(send, _event(line))
    finally:
        reader.unlisten(hear)
        gone.cancel()
    await send({"type": "http.response.body", "body": b""})


def _may_listen(known: Knowledge, request: Request) -> bool:
    if ticket := request.asked("ticket"):
        try:
            signing.loads(ticket, salt=SALT, max_age=TICKET_LIFE_S)
        except signing.BadSignature:
            return False
        return True
    token = _token(known, request)
    return token is not None and May.READ in token.grants


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


async def _begin(send: Send, request: Request) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [
                (b"content-type", b"text/event-stream; charset=utf-8"),
                (b"cache-control", b"no-cache"),
                (b"x-accel-buffering", b"no"),
                (b"x-request-id", request.request_id.encode()),
            ],
        }
    )
    await _write(send, b"retry: %d\n\n" % random.randint(1000, 4000))


async def _replay(reader: Reader, request: Request, send: Send) -> int:
    """Send what was missed; the last line that this listener knows."""
    said = request.header(b"last-event-id")
    now = reader.known.last_seq
    if not said.isdigit() or int(said) >= now:
        return now
    lines = await sync_to_async(_missed, thread_sensitive=True)(int(said))
    if lines is None or len(lines) > MOST_REPLAYED:
        await _write(send, b"id: %d\nevent: reset\ndata: {}\n\n" % now)
        return now
    for line in lines:
        await _write(send, _event(line))
    return lines[-1]["seq"] if lines else now


def _missed(after: int) -> list[dict[str, Any]] | None:
    try:
        close_old_connections()
        later = LedgerEntry.objects.filter(seq__gt=after).order_by("seq")
        return [told(entry) for entry in later[: MOST_REPLAYED + 1]]
    except Error:
        return None
    finally:
        close_old_connections()


def _event(line: dict[str, Any]) -> bytes:
    return b"id: %d\nevent: message\ndata: %b\n\n" % (line["seq"], orjson.dumps(line))


async def _write(send: Send, chunk: bytes) -> None:
    await send({"type": "http.response.body", "body": chunk, "more_body": True})
