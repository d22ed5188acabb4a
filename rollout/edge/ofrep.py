"""OFREP 0.3: single and bulk evaluation, from memory."""

import re
import time
from functools import lru_cache
from hashlib import sha256
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

import orjson
from django.conf import settings

from portal.domain.numbers import is_number
from portal.domain.roles import May
from rollout.domain.ofrep import Answer, Basis, Evaluator, Failure
from rollout.edge import tickets
from rollout.edge.http import (
    Headers,
    Receive,
    Request,
    Send,
    TooLarge,
    answer,
    body_of,
)
from rollout.edge.knowledge import STALE_AFTER_S, Knowledge, Token
from rollout.edge.limits import limits
from rollout.edge.reader import Reader

PREFIX = "/ofrep/v1/evaluate/flags"
RETRY_AFTER_S = 2
OK = int(HTTPStatus.OK)
ALLOWED = b"Authorization, X-API-Key, Content-Type, If-None-Match, X-Client-Id"
EXPOSED = b"ETag, Retry-After"
CATCH_UP_S = 2.0
_REVISION = re.compile(r"(?P<epoch>\d{1,18})\.(?P<revision>\d{1,18})")
_STATUS_OF = {
    "FLAG_NOT_FOUND": HTTPStatus.NOT_FOUND,
    "TARGETING_KEY_MISSING": HTTPStatus.BAD_REQUEST,
    "INVALID_CONTEXT": HTTPStatus.BAD_REQUEST,
}


class Refused(Exception):
    """This request gets no evaluation."""

    def __init__(
        self, status: HTTPStatus, code: str, details: str, *, retry_after_s: int = 0
    ) -> None:
        super().__init__(details)
        self.status, self.code, self.retry_after_s = status, code, retry_after_s


async def handle(
    reader: Reader, request: Request, receive: Receive, send: Send
) -> None:
    """Answer a request under `/ofrep/`."""
    key = unquote(request.path[len(PREFIX) :].lstrip("/"))
    cors = cors_headers(request)
    if request.method == "OPTIONS":
        await answer(send, request, HTTPStatus.NO_CONTENT, b"", headers=cors)
        return
    try:
        if request.method != "POST":
            raise Refused(
                HTTPStatus.METHOD_NOT_ALLOWED, "GENERAL", "Flags are asked by POST."
            )
        token, rollout = _asker(reader.known, request)
        attributes = _attributes(request, await body_of(receive))
        if not key and request.has_query:
            await _catch_up(reader, request, rollout)
        evaluator = _evaluator(reader, rollout)
    except TooLarge:
        too_large = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        refused = Refused(too_large, "PARSE_ERROR", "This body is too large.")
        await _refuse(send, request, refused, key, cors)
        return
    except Refused as refused:
        await _refuse(send, request, refused, key, cors)
        return
    age = reader.known.age_s
    basis = evaluator.basis
    if age > STALE_AFTER_S:
        basis = basis._replace(is_stale=True)
    is_expired = age > settings.MAX_STALE_SECONDS
    _note(reader, request, token, rollout, basis.epoch, key)
    if key:
        found = evaluator.one(key, attributes, is_expired=is_expired)
        status = _status(found)
        await answer(send, request, status, _json(found, basis), headers=cors)
        return
    every = evaluator.all(attributes, is_expired=is_expired)
    if isinstance(every, Failure):
        body = _json(every, basis)
        await answer(send, request, _status(every), body, headers=cors)
        return
    streams = tickets.event_streams(token.id, rollout, tickets.window())
    body, etag = _bulk(tuple(every), basis, streams)
    headers = (*cors, (b"etag", etag))
    if _is_known(request.header(b"if-none-match"), etag.decode()):
        await answer(send, request, HTTPStatus.NOT_MODIFIED, b"", headers=headers)
    else:
        await answer(send, request, OK, body, headers=headers)


def _status(found: Answer | Failure) -> int:
    return _STATUS_OF[found.code] if isinstance(found, Failure) else OK


@lru_cache(maxsize=256)
def _bulk(
    found: tuple[Answer | Failure, ...], basis: Basis, streams: bytes
) -> tuple[bytes, bytes]:
    """The body that holds these, and its ETag.

    Kept, for few combinations of answers come about, however many contexts ask; not
    many, for with a thousand flags one of them takes a quarter of a megabyte.
    """
    flags = b",".join([_json(each, basis) for each in found])
    body = b'{"flags":[%b],"eventStreams":%b}' % (flags, streams)
    return body, b'"%b"' % sha256(body).hexdigest()[:32].encode()


def _json(found: Answer | Failure, basis: Basis) -> bytes:
    if isinstance(found, Failure):
        return orjson.dumps(found.to_json())
    return _answer_json(found, basis)


@lru_cache(maxsize=4096)
def _answer_json(found: Answer, basis: Basis) -> bytes:
    """Kept, for a snapshot has few different answers, however many contexts ask."""
    return orjson.dumps(basis.to_json(found))


def key_of(request: Request) -> str:
    """The token that a request shows, or an empty text."""
    scheme, _, text = request.header(b"authorization").partition(" ")
    if scheme.lower() != "bearer":
        text = request.header(b"x-api-key")
    return text.strip()


def _asker(known: Knowledge, request: Request) -> tuple[Token, str]:
    """Who asks, and about which rollout."""
    text = key_of(request)
    token = known.token(text)
    if token is None:
        raise Refused(HTTPStatus.UNAUTHORIZED, "GENERAL", "This token lets nobody in.")
    if wait := limits.wait_s(text, time.monotonic()):
        raise Refused(
            HTTPStatus.TOO_MANY_REQUESTS,
            "GENERAL",
            "This token asks too often.",
            retry_after_s=wait,
        )
    if May.DECIDE not in token.grants:
        raise Refused(
            HTTPStatus.FORBIDDEN, "GENERAL", "This token needs the scope decide."
        )
    asked = request.asked("rollout")
    if asked and token.rollout and asked != token.rollout:
        raise Refused(
            HTTPStatus.FORBIDDEN,
            "GENERAL",
            f"This token is good for {token.rollout} only.",
        )
    return token, token.rollout or asked or known.only_rollout


def _evaluator(reader: Reader, rollout: str) -> Evaluator:
    evaluator = reader.evaluator(rollout)
    if evaluator is None:
        raise Refused(
            HTTPStatus.BAD_REQUEST, "GENERAL", "Say which rollout: ?rollout=KEY."
        )
    return evaluator


async def _catch_up(reader: Reader, request: Request, rollout: str) -> None:
    """Serve nothing older than what a client was told of, perhaps by another edge."""
    said = _REVISION.match(request.asked("flagConfigEtag"))
    least = (int(said["epoch"]), int(said["revision"])) if said else (0, 0)
    moment = request.asked("flagConfigLastModified")
    since = int(moment) if is_number(moment) else 0
    deadline = time.monotonic() + CATCH_UP_S
    while not reader.known.has(rollout, least, since):
        left = deadline - time.monotonic()
        if left <= 0:
            raise Refused(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "GENERAL",
                "This edge does not know of that revision yet.",
                retry_after_s=RETRY_AFTER_S,
            )
        await reader.change(left)


def _note(
    reader: Reader,
    request: Request,
    token: Token,
    rollout: str,
    epoch: int,
    key: str,
) -> None:
    """Remember who was given what; the reader's thread writes it down."""
    if token.id:
        client = request.header(b"x-client-id") or request.address
        reader.notes.serve(rollout, token.id, client, epoch, key)


async def fail(send: Send, request: Request) -> None:
    """Say that something went wrong, in the shape that clients can read."""
    key = unquote(request.path[len(PREFIX) :].lstrip("/"))
    named = key if request.path.startswith(PREFIX) else ""
    error = HTTPStatus.INTERNAL_SERVER_ERROR
    refused = Refused(error, "GENERAL", "Something went wrong.")
    await _refuse(send, request, refused, named, cors_headers(request))


async def _refuse(
    send: Send, request: Request, refused: Refused, key: str, headers: Headers
) -> None:
    body = {"errorCode": refused.code, "errorDetails": str(refused)}
    if key:
        body["key"] = key
    if refused.retry_after_s:
        headers += ((b"retry-after", b"%d" % refused.retry_after_s),)
    if refused.status == HTTPStatus.UNAUTHORIZED:
        headers += ((b"www-authenticate", b'Bearer realm="portal"'),)
    if refused.status == HTTPStatus.METHOD_NOT_ALLOWED:
        headers += ((b"allow", b"POST, OPTIONS"),)
    await answer(send, request, refused.status, orjson.dumps(body), headers=headers)


def _attributes(request: Request, raw: bytes) -> dict[str, Any]:
    kind = request.header(b"content-type")
    if kind != "application/json" and not _is_json(kind):
        raise Refused(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "PARSE_ERROR", "Send application/json."
        )
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as trouble:
        raise Refused(
            HTTPStatus.BAD_REQUEST, "PARSE_ERROR", f"This is no JSON: {trouble}."
        ) from None
    if not isinstance(body, dict):
        raise Refused(
            HTTPStatus.BAD_REQUEST, "PARSE_ERROR", "The body is a JSON object."
        )
    context = body.get("context")
    if context is None:
        return {}
    if not isinstance(context, dict):
        raise Refused(
            HTTPStatus.BAD_REQUEST, "INVALID_CONTEXT", "`context` is an object."
        )
    return context


def _is_json(kind: str) -> bool:
    return kind.partition(";")[0].strip().lower() == "application/json"


def _is_known(said: str, etag: str) -> bool:
    """Whether `If-None-Match` names this answer; weak comparison, lists and `*`."""
    if not said:
        return False
    named = [each.strip().removeprefix("W/") for each in said.split(",")]
    return "*" in named or etag in named


def cors_headers(request: Request) -> Headers:
    """What browsers need to be told; no cookie is ever involved."""
    if not request.headers.get(b"origin"):
        return ()
    return (
        (b"access-control-allow-origin", b"*"),
        (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
        (b"access-control-allow-headers", ALLOWED),
        (b"access-control-expose-headers", EXPOSED),
        (b"access-control-max-age", b"600"),
    )
