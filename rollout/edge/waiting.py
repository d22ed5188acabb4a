"""Whoever waits: runs for directives, pages for news."""

import random
import time
from http import HTTPStatus
from typing import Any

import orjson
from asgiref.sync import sync_to_async
from django.core import signing
from django.db import Error, close_old_connections

from portal.domain.numbers import is_number
from portal.domain.roles import May, lacks
from portal.models import LedgerEntry
from portal.streams import SALT, TICKET_LIFE_S
from rollout.edge.http import Receive, Request, Send, answer, refuse
from rollout.edge.knowledge import Knowledge, Token
from rollout.edge.reader import Reader, told
from rollout.edge.streams import Hub, Listener, attend, begin, line_event, write

LONGEST_WAIT_S = 30.0
LONGEST_STREAM_S = 600.0
MOST_REPLAYED = 500


async def directives(
    reader: Reader, request: Request, send: Send, *, run_id: str | None
) -> None:
    """`GET .../directives?wait=30`: answer as soon as something is asked."""
    token = _token(reader.known, request)
    rollout = await _rollout(reader.known, request, send, token, May.READ_DIRECTIVES)
    if rollout is None:
        return
    said = request.asked("wait") or "0"
    if not is_number(said) or int(said) > LONGEST_WAIT_S:
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
        detail = lacks(token.name, act)
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


async def stream(hub: Hub, request: Request, receive: Receive, send: Send) -> None:
    """`GET /api/v1/stream`: every new line of the ledger, as server-sent events.

    The id of an event is the line's `seq`; `Last-Event-ID` replays what was missed,
    or says `reset` when that is too much. Every five seconds a `heartbeat` says which
    epoch of the switch holds.
    """
    known = hub.reader.known
    if not _may_listen(known, request):
        code, detail = "NOT_AUTHENTICATED", "A token that may read, or a fresh ticket."
        await refuse(send, request, HTTPStatus.UNAUTHORIZED, code, detail)
        return
    token = _token(known, request)
    rollout = token.rollout if token else ""
    listener = Listener(rollout, lasts_s=LONGEST_STREAM_S * random.uniform(0.8, 1.2))
    await begin(send, request)
    await _replay(hub.reader, request, send)
    hub.pages.add(listener)  # nothing came in between: nobody else ran since the check
    try:
        await attend(listener, receive, send)
    finally:
        hub.pages.discard(listener)


def _may_listen(known: Knowledge, request: Request) -> bool:
    if ticket := request.asked("ticket"):
        try:
            signing.loads(ticket, salt=SALT, max_age=TICKET_LIFE_S)
        except signing.BadSignature:
            return False
        return True
    token = _token(known, request)
    return token is not None and May.READ in token.grants


async def _replay(reader: Reader, request: Request, send: Send) -> None:
    """Send what was missed, until this edge knows no more than the listener."""
    said = request.header(b"last-event-id")
    last = int(said) if is_number(said) else reader.known.last_seq
    while (now := reader.known.last_seq) > last:
        lines = await sync_to_async(_missed, thread_sensitive=True)(last, now)
        if lines is None:
            await write(send, b"id: %d\nevent: reset\ndata: {}\n\n" % now)
        else:
            await write(send, b"".join(map(line_event, lines)))
        last = now


def _missed(after: int, until: int) -> list[dict[str, Any]] | None:
    """The lines in between; None when they are too many or cannot be had."""
    if until - after > MOST_REPLAYED:
        return None
    try:
        close_old_connections()
        later = LedgerEntry.objects.filter(seq__gt=after, seq__lte=until)
        return [told(entry) for entry in later.order_by("seq")]
    except Error:
        return None
    finally:
        close_old_connections()
