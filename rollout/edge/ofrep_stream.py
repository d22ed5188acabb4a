"""OFREP's event stream: a client is told when to fetch its flags again."""

from http import HTTPStatus

import orjson

from portal.domain.roles import May
from rollout.edge import tickets
from rollout.edge.http import Receive, Request, Send, answer
from rollout.edge.ofrep import cors_headers, key_of
from rollout.edge.streams import Hub, Listener, attend, begin


async def handle(hub: Hub, request: Request, receive: Receive, send: Send) -> None:
    """`GET /ofrep/v1/stream?ticket=...`, or with the token in a header.

    Clients do not fetch by themselves after a connection was lost: whoever comes with
    another `Last-Event-ID` than the present one is told at once.
    """
    headers = cors_headers(request)
    if request.method == "OPTIONS":
        await answer(send, request, HTTPStatus.NO_CONTENT, b"", headers=headers)
        return
    if request.method != "GET":
        details = "Streams are read by GET."
        headers += ((b"allow", b"GET, OPTIONS"),)
        await _refuse(send, request, HTTPStatus.METHOD_NOT_ALLOWED, details, headers)
        return
    holder = _holder(hub, request)
    if holder is None or not hub.reader.known.lets_in(holder):
        details = "This ticket lets nobody in; evaluate in bulk to get a fresh one."
        headers += ((b"www-authenticate", b'Bearer realm="portal"'),)
        await _refuse(send, request, HTTPStatus.UNAUTHORIZED, details, headers)
        return
    listener = Listener(holder.rollout, holder)
    listener.told = request.header(b"last-event-id")
    await begin(send, request, headers)
    hub.add_client(listener)
    try:
        await attend(listener, receive, send)
    finally:
        hub.clients.discard(listener)


def _holder(hub: Hub, request: Request) -> tickets.Holder | None:
    if ticket := request.asked("ticket"):
        return tickets.read(ticket)
    known = hub.reader.known
    token = known.token(key_of(request))
    if token is None or May.DECIDE not in token.grants:
        return None
    asked = request.asked("rollout")
    return tickets.Holder(token.id, token.rollout or asked or known.only_rollout)


async def _refuse(
    send: Send,
    request: Request,
    status: HTTPStatus,
    details: str,
    headers: tuple[tuple[bytes, bytes], ...],
) -> None:
    body = orjson.dumps({"errorCode": "GENERAL", "errorDetails": details})
    await answer(send, request, status, body, headers=headers)
