"""OFREP's event streams and those of pages, over ASGI: no database."""

import asyncio

import pytest
import time_machine

from portal.domain.roles import May
from rollout.domain.flags import ENABLED
from rollout.edge import tickets
from rollout.edge.streams import MOST_PENDING, Listener
from tests.rollout.edges import (
    BULK,
    TOKEN,
    a_held,
    an_edge,
    ask,
    breathe,
    knowing,
    listening,
    some_tokens,
    stream_uri,
)


def told(stream) -> list[str]:
    return [event["id"] for event in stream.events]


def test_a_bulk_answer_says_where_news_are_to_be_had():
    async def go():
        edge = an_edge()
        (stream,) = (await ask(edge)).json()["eventStreams"]
        assert stream["inactivityDelaySec"] == 120
        async with listening(
            edge, stream["endpoint"]["requestUri"], origin="https://app.example"
        ) as heard:
            assert heard.status == 200
            assert heard.headers["content-type"].startswith("text/event-stream")
            assert heard.headers["cache-control"] == "no-cache"
            assert heard.headers["x-accel-buffering"] == "no"
            assert heard.headers["access-control-allow-origin"] == "*"
            assert heard.text.startswith("retry: ")

    asyncio.run(go())


def test_a_change_makes_clients_fetch_again_and_only_those_that_do_not_know():
    async def go():
        edge = an_edge()
        uri = await stream_uri(edge)
        async with listening(edge, uri, last_event_id="1.1") as heard:
            assert heard.events == []
            edge.reader.known = knowing(a_held(2, epoch=2))
            edge.hub.refresh()
            edge.hub.refresh()
            await breathe()
            assert heard.events == [
                {
                    "id": "2.2",
                    "type": "refetchEvaluation",
                    "etag": "2.2",
                    "lastModified": 1_800_000_002,
                }
            ]
        for said, ids in (("1.1", ["2.2"]), ("2.2", []), ("", ["2.2"])):
            async with listening(edge, uri, last_event_id=said) as back:
                assert told(back) == ids
        assert not edge.hub.clients

    asyncio.run(go())


def test_a_ticket_stays_the_same_through_its_window_and_its_end_is_the_etags(settings):
    async def go():
        edge = an_edge()
        first = await ask(edge)
        assert (await ask(edge)).headers["etag"] == first.headers["etag"]
        known = {"If-None-Match": first.headers["etag"]}
        assert (await ask(edge, headers=known)).status_code == 304

        travelled.shift(settings.STREAM_TICKET_SECONDS)
        later = await ask(edge, headers=known)
        assert later.status_code == 200
        old, new = (
            answer.json()["eventStreams"][0]["endpoint"]["requestUri"]
            for answer in (first, later)
        )
        assert old != new
        for uri in (old, new):  # the old one may be on its way
            async with listening(edge, uri) as heard:
                assert heard.status == 200

        travelled.shift(settings.STREAM_TICKET_SECONDS)
        async with listening(edge, old) as refused:
            assert refused.status == 401
        async with listening(edge, new) as heard:
            assert heard.status == 200

    with time_machine.travel(1_800_000_000, tick=True) as travelled:
        asyncio.run(go())


@pytest.mark.parametrize(
    "ticket",
    ["", "x", "7.r.1", "7.r.2.y.z", "é.r.1.0"],
)
def test_what_is_no_ticket_lets_nobody_in(ticket):
    async def go():
        async with listening(an_edge(), f"{tickets.PATH}?ticket={ticket}") as refused:
            assert refused.status == 401
            assert "errorCode" in refused.text

    asyncio.run(go())


def test_a_ticket_of_another_token_or_rollout_is_not_to_be_made():
    async def go():
        edge = an_edge()
        ticket = (await stream_uri(edge)).partition("=")[2]
        _, _, *rest = ticket.split(".")
        for made in (["8", "r", *rest], ["7", "other", *rest]):
            uri = f"{tickets.PATH}?ticket={'.'.join(made)}"
            async with listening(edge, uri) as refused:
                assert refused.status == 401

    asyncio.run(go())


@pytest.mark.parametrize(
    "tokens",
    [{}, some_tokens(valid_s=-1), some_tokens(grants=[May.READ])],
    ids=["revoked", "expired", "without its scope"],
)
def test_a_token_that_is_over_ends_its_streams(tokens):
    async def go():
        edge = an_edge()
        uri = await stream_uri(edge)
        async with listening(edge, uri) as heard:
            edge.reader.known = knowing(a_held(), tokens=tokens)
            edge.hub.refresh()
            await breathe()
            assert heard.is_over
        async with listening(edge, uri) as refused:
            assert refused.status == 401

    asyncio.run(go())


def test_clients_fetch_again_when_what_is_known_becomes_too_old(settings):
    settings.MAX_STALE_SECONDS = 30.0

    async def go():
        edge = an_edge()
        uri = await stream_uri(edge)
        async with listening(edge, uri, last_event_id="1.1") as heard:
            edge.reader.known = knowing(a_held(), age_s=31)
            edge.hub.refresh()
            await breathe()
            assert told(heard) == ["1.1x"]
            answer = (await ask(edge, f"{BULK}/{ENABLED}")).json()
            assert (answer["value"], answer["metadata"]["why"]) == (False, "STALE")
            edge.reader.known = knowing(a_held())
            edge.hub.refresh()
            await breathe()
            assert told(heard) == ["1.1x", "1.1"]

    asyncio.run(go())


def test_a_client_is_served_nothing_older_than_it_was_told_of(monkeypatch):
    monkeypatch.setattr("rollout.edge.ofrep.CATCH_UP_S", 0.05)

    async def go():
        edge = an_edge()
        for least in ("1.1", "1.1x", "of-another-system"):
            answer = await ask(edge, f"{BULK}?flagConfigEtag={least}")
            assert answer.status_code == 200
        moment = "?flagConfigLastModified="
        assert (await ask(edge, f"{BULK}{moment}1800000001")).status_code == 200
        for ahead in ("?flagConfigEtag=2.2", f"{moment}1800000002"):
            answer = await ask(edge, f"{BULK}{ahead}")
            assert answer.status_code == 503
            assert int(answer.headers["retry-after"]) >= 1
            assert answer.json()["errorCode"] == "GENERAL"

    asyncio.run(go())


def test_a_client_waits_for_the_edge_to_hear_what_it_was_told_elsewhere():
    async def go():
        edge = an_edge()
        waiting = asyncio.ensure_future(ask(edge, f"{BULK}?flagConfigEtag=2.2"))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        edge.reader.known = knowing(a_held(2, epoch=2))
        edge.reader._tell([])
        assert (await waiting).json()["flags"][0]["metadata"]["epoch"] == 2

    asyncio.run(go())


def test_the_heartbeat_says_which_epoch_holds():
    async def go():
        edge = an_edge()
        uri = await stream_uri(edge)
        async with listening(edge, uri, last_event_id="1.1") as client:
            edge.hub.beat()
            await breathe()
            assert client.text.endswith(": epoch=1 revision=1\n\n")
            assert client.events == []
            edge.reader.known = knowing(a_held(), age_s=2)
            edge.hub.beat()
            await breathe()
            assert client.text.endswith(": epoch=1 revision=1 stale\n\n")
        reader = {"authorization": f"Bearer {TOKEN}"}
        async with listening(edge, "/api/v1/stream", **reader) as page:
            edge.hub.beat()
            await breathe()
            said = '{"rollout":"r","epoch":1,"revision":1,"stale":true}'
            assert f"event: heartbeat\ndata: {said}\n\n" in page.text

    asyncio.run(go())


def test_only_the_last_state_waits_for_a_slow_client_and_a_slow_page_is_let_go():
    async def go():
        edge = an_edge()
        client = Listener("r")
        edge.hub.clients.add(client)
        client.holder = tickets.Holder(7, "r")
        for revision in (2, 3, 4):
            edge.reader.known = knowing(a_held(revision))
            edge.hub.refresh()
        assert (await client.next()).count(b"refetchEvaluation") == 1
        assert client.told == "1.4"

        page = Listener("r")
        for number in range(MOST_PENDING + 1):
            page.tell(b"id: %d\n\n" % number)
        assert page.is_over
        assert await page.next()
        assert await page.next() == b""

    asyncio.run(go())
