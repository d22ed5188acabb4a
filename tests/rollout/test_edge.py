"""The edge over ASGI, with what it knows put in by hand: no database."""

import asyncio
import time
from datetime import timedelta

import httpx
import pytest

from portal import clock
from portal.domain.roles import May
from portal.domain.tokens import keyed_hash, spell
from rollout.domain.flags import ENABLED
from rollout.domain.ofrep import Evaluator
from rollout.edge import limits as limits_module
from rollout.edge import ofrep
from rollout.edge.app import Edge
from rollout.edge.knowledge import Knowledge, Token
from rollout.edge.limits import Limits
from tests.rollout.domain.test_decisions import a_snapshot
from tests.rollout.edges import BULK, CONTEXT, TOKEN


@pytest.fixture
def edge(settings):
    """An edge that knows one rollout and one token."""

    def know(
        *, grants=(May.DECIDE, May.READ_DIRECTIVES), age_s=0.0, asked=None, **facts
    ):
        token = Token(
            "service", "r", frozenset(grants), clock.now() + timedelta(hours=1)
        )
        made = Edge()
        made.reader.known = Knowledge(
            evaluators={"r": Evaluator.of(a_snapshot(**facts), 1)},
            kinds={"r": "live"},
            tokens={keyed_hash(TOKEN, key=settings.TOKEN_KEY.encode()): token},
            asked={"r": asked or {}},
            confirmed_at=time.monotonic() - age_s,
        )
        return made

    return know


def call(edge, method: str, path: str, token: str | None = TOKEN, **how):
    """One request."""

    async def go():
        transport = httpx.ASGITransport(app=edge)
        headers = dict(how.pop("headers", {}))
        if token is not None:
            headers.setdefault("Authorization", f"Bearer {token}")
        async with httpx.AsyncClient(
            transport=transport, base_url="http://edge"
        ) as client:
            return await client.request(method, path, headers=headers, **how)

    return asyncio.run(go())


def ask(edge, path: str = BULK, context=CONTEXT, **how):
    return call(edge, "POST", path, json={"context": context}, **how)


def test_single_and_bulk_agree(edge):
    answer = ask(edge()).json()["flags"]

    assert len(answer) == 12
    for each in answer:
        assert ask(edge(), f"{BULK}/{each['key']}").json() == each


def test_the_etag_is_of_the_result_with_its_context(edge):
    first = ask(edge())
    etag = first.headers["etag"]
    assert etag.startswith('"')

    for said in (etag, f"W/{etag}", f'"x", {etag}', "*"):
        again = ask(edge(), headers={"If-None-Match": said})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == etag
    other = ask(edge(), context=CONTEXT | {"team": "omega"})
    assert other.headers["etag"] != etag
    assert ask(edge(), headers={"If-None-Match": '"old"'}).status_code == 200


@pytest.mark.parametrize("path", [BULK, f"{BULK}/{ENABLED}"])
def test_every_error_says_what_and_why(edge, path):
    def is_error(answer, status: int, code: str):
        body = answer.json()
        assert (answer.status_code, body["errorCode"]) == (status, code)
        assert body["errorDetails"]
        assert ("key" in body) == (path != BULK)
        assert answer.headers["x-request-id"]

    is_error(ask(edge(), path, token=None), 401, "GENERAL")
    is_error(ask(edge(), path, token=spell(b"u" * 23)), 401, "GENERAL")
    is_error(ask(edge(grants=[May.READ]), path), 403, "GENERAL")
    is_error(ask(edge(), f"{path}?rollout=other"), 403, "GENERAL")
    is_error(call(edge(), "GET", path), 405, "GENERAL")
    is_error(call(edge(), "POST", path, content=b"x"), 415, "PARSE_ERROR")
    json_type = {"Content-Type": "application/json"}
    for body in (b"{", b"[]", b"\xff"):
        answer = call(edge(), "POST", path, content=body, headers=json_type)
        is_error(answer, 400, "PARSE_ERROR")
    is_error(ask(edge(), path, context=[1]), 400, "INVALID_CONTEXT")
    is_error(ask(edge(), path, context={"team": 1}), 400, "INVALID_CONTEXT")
    large = {"note": "x" * 70_000}
    is_error(ask(edge(), path, context=large), 413, "PARSE_ERROR")


@pytest.mark.parametrize("path", [BULK, f"{BULK}/{ENABLED}"])
def test_a_token_that_asks_too_often_is_told_when_to_come_back(edge, path, monkeypatch):
    monkeypatch.setattr(ofrep, "limits", Limits(2))
    edge = edge()

    answers = [ask(edge, path) for _ in range(3)]
    other = ask(edge, path, token=spell(b"u" * 23))

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    body = answers[-1].json()
    assert body.get("key") == (None if path == BULK else ENABLED)
    assert body["errorCode"] == "GENERAL"
    assert body["errorDetails"] == "This token asks too often."
    assert answers[-1].headers["retry-after"] == "1"
    assert other.status_code == 401  # and what lets nobody in is not remembered


def test_a_bucket_holds_a_second_and_is_filled_evenly():
    limits = Limits(4)

    def asked(times: int, at: float) -> list[int]:
        return [limits.wait_s("t", at) for _ in range(times)]

    assert asked(6, at=100.0) == [0, 0, 0, 0, 1, 1]
    assert limits.wait_s("other", 100.0) == 0
    assert asked(3, at=100.5) == [0, 0, 1]
    assert asked(5, at=160.0) == [0, 0, 0, 0, 1]


def test_tokens_that_ask_no_more_are_forgotten(monkeypatch):
    monkeypatch.setattr(limits_module, "MOST_REMEMBERED", 3)
    limits = Limits(1)

    for token in ("a", "b", "c"):
        limits.wait_s(token, 100.0)
    limits.wait_s("d", 102.0)

    assert set(limits._full_at) == {"d"}


def test_without_a_limit_nobody_is_counted():
    limits = Limits(0)

    assert not any(limits.wait_s("t", 100.0) for _ in range(10_000))


def test_an_unknown_flag_is_404(edge):
    answer = ask(edge(), f"{BULK}/NOPE")
    assert (answer.status_code, answer.json()["errorCode"]) == (404, "FLAG_NOT_FOUND")
    assert answer.json()["key"] == "NOPE"


def test_a_key_may_come_as_an_api_key(edge):
    answer = ask(edge(), token=None, headers={"X-API-Key": TOKEN})
    assert answer.status_code == 200


def test_browsers_are_told_what_they_may(edge):
    asked = call(
        edge(), "OPTIONS", BULK, token=None, headers={"Origin": "https://app.example"}
    )
    assert asked.status_code == 204
    assert "X-API-Key" in asked.headers["access-control-allow-headers"]
    answer = ask(edge(), headers={"Origin": "https://app.example"})
    assert "ETag" in answer.headers["access-control-expose-headers"]


def test_a_portal_that_has_lost_its_database_gets_stale_and_then_safe(edge):
    def enabled(age_s: float) -> tuple[bool, bool]:
        found = ask(edge(age_s=age_s), f"{BULK}/{ENABLED}").json()
        return found["value"], found["metadata"].get("stale", False)

    assert enabled(0) == (True, False)
    assert enabled(5) == (True, True)
    assert enabled(61) == (False, True)


def test_a_run_is_told_at_once_what_is_asked_of_it(edge):
    directive = {"id": "1", "kind": "pause", "run_id": "run-1"}
    known = edge(asked={"run-1": [directive]})

    mine = call(known, "GET", "/api/v1/runs/run-1/directives?wait=30")
    assert mine.json() == {"directives": [directive]}
    assert call(known, "GET", "/api/v1/directives").json() == mine.json()
    other = call(known, "GET", "/api/v1/runs/run-2/directives")
    assert other.json() == {"directives": []}


@pytest.mark.parametrize(
    ("path", "token", "status", "code"),
    [
        ("?wait=x", TOKEN, 422, "SCHEMA_VALIDATION_FAILED"),
        ("?wait=31", TOKEN, 422, "SCHEMA_VALIDATION_FAILED"),
        ("?rollout=other", TOKEN, 403, "WRONG_ROLLOUT"),
        ("", "rgp_nonsense", 401, "NOT_AUTHENTICATED"),
    ],
)
def test_a_wait_that_cannot_be_is_refused(edge, path, token, status, code):
    answer = call(edge(), "GET", f"/api/v1/runs/r1/directives{path}", token=token)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_stream_lets_in_who_may_read(edge):
    assert call(edge(), "GET", "/api/v1/stream").status_code == 401
    assert call(edge(), "GET", "/api/v1/stream?ticket=x", token=None).status_code == 401
    assert call(edge(), "GET", "/ofrep/v1/other").status_code == 404
