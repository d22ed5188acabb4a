"""What the edge knows: from the database, its file, or neither; never backwards."""

import asyncio
import json
import stat
import time

import httpx
import orjson
import pytest
import time_machine

from portal.domain.tokens import spell
from rollout.domain.flags import ENABLED
from rollout.edge import kept
from rollout.edge.app import Edge
from rollout.edge.knowledge import Knowledge
from rollout.edge.reader import Reader, _floor
from rollout.models import Snapshot
from rollout.services import kill_file, switch
from tests.rollout.builders import KEY, a_rollout, a_service, confirmed, two_people
from tests.rollout.edges import (
    BULK,
    TOKEN,
    a_held,
    an_edge,
    ask,
    listening,
    some_tokens,
    stream_uri,
)


@pytest.fixture(autouse=True)
def _own_files(settings, tmp_path):
    settings.EDGE_SNAPSHOT = tmp_path / "edge-snapshot.json"
    settings.KILL_FILE = tmp_path / "KILL"


def keep(*, age_s: float = 0.0, **facts) -> kept.Kept:
    what = kept.Kept({"r": a_held(**facts)}, some_tokens(), time.time() - age_s)
    kept.write(what)
    return what


def an_edge_without_database() -> Edge:
    """As if it had tried to reach one."""
    made = Edge()
    made.reader._first.set()
    made.reader.start = lambda: None
    made.hub.start = lambda: None
    made.reader.known = _floor()
    return made


def enabled(edge: Edge, token: str = TOKEN) -> tuple[bool, str, bool]:
    """Its value, why, and whether it is marked stale."""
    answer = asyncio.run(
        ask(edge, f"{BULK}/{ENABLED}", headers={"X-API-Key": token})
    ).json()
    said = answer["metadata"]
    return answer["value"], said["why"], said.get("stale", False)


def test_after_a_restart_without_the_database_the_file_answers_marked_stale():
    keep(age_s=5)
    assert enabled(an_edge_without_database()) == (True, "ADMITTED", True)


def test_the_file_enables_nobody_once_it_is_too_old_or_comes_from_the_future():
    for age_s in (61, -10):
        keep(age_s=age_s)
        edge = an_edge_without_database()
        assert enabled(edge) == (False, "STALE", True)
        answer = asyncio.run(ask(edge)).json()
        values = {each["key"]: each["value"] for each in answer["flags"]}
        assert values["PAI_DR_CLI_MAX_WAVE1_AGENTS"] == 2  # others keep their values
        kept.settings.EDGE_SNAPSHOT.unlink()


def test_the_file_is_private_and_holds_no_token(settings):
    keep()

    assert stat.S_IMODE(settings.EDGE_SNAPSHOT.stat().st_mode) == 0o600
    assert TOKEN not in settings.EDGE_SNAPSHOT.read_text()
    assert asyncio.run(ask(an_edge_without_database())).status_code == 200
    other = {"X-API-Key": spell(b"u" * 23)}
    refused = asyncio.run(ask(an_edge_without_database(), headers=other))
    assert refused.status_code == 401


def _changed(raw: bytes) -> bytes:
    said = json.loads(raw)
    said["body"] = said["body"].replace('\\"released\\"', '\\"engaged\\"')
    return json.dumps(said).encode()


@pytest.mark.parametrize(
    "spoil",
    [
        _changed,
        lambda raw: raw[:-20],
        lambda raw: b"",
        lambda raw: b"[]",
        lambda raw: b'{"signature": 1, "body": 2}',
        lambda raw: raw.replace(b'"signature":"', b'"signature":"0'),
    ],
    ids=["changed", "cut", "empty", "a list", "numbers", "signed otherwise"],
)
def test_a_file_that_is_not_as_it_was_signed_is_refused(settings, spoil):
    keep()
    raw = settings.EDGE_SNAPSHOT.read_bytes()
    assert spoil(raw) != raw
    settings.EDGE_SNAPSHOT.write_bytes(spoil(raw))

    assert kept.read() is None
    assert enabled(an_edge_without_database()) == (False, "NO_SNAPSHOT", True)


def test_a_file_signed_with_another_secret_key_is_refused(settings):
    keep()
    settings.SECRET_KEY = "another one " * 5
    assert kept.read() is None


def test_nothing_older_replaces_the_file():
    keep(revision=3, epoch=3)

    keep(revision=4, epoch=2)
    keep(revision=2, epoch=3)
    keep(revision=4, epoch=4, age_s=100)

    assert kept.read().held["r"].revision == 3
    keep(revision=4, epoch=4)
    assert kept.read().held["r"].revision == 4


def test_with_nothing_at_all_the_values_are_safe_for_whatever_looks_like_a_token():
    edge = an_edge_without_database()

    answer = asyncio.run(ask(edge)).json()
    assert len(answer["flags"]) == 12
    for each in answer["flags"]:
        assert each["reason"] == "DISABLED"
        assert each["metadata"]["why"] == "NO_SNAPSHOT"
        assert each["variant"]
    assert enabled(edge) == (False, "NO_SNAPSHOT", True)
    spelled_wrong = asyncio.run(ask(edge, headers={"X-API-Key": TOKEN[:-1] + "!"}))
    assert spelled_wrong.status_code == 401


@pytest.mark.parametrize("path", ["/api/v1/stream", "/api/v1/directives"])
def test_with_nothing_at_all_whoever_waits_is_told_to_come_back(path):
    async def go():
        async with listening(
            an_edge_without_database(), path, authorization=f"Bearer {TOKEN}"
        ) as refused:
            assert refused.status == 503
            assert int(refused.headers["retry-after"]) >= 1

    asyncio.run(go())


def test_who_was_served_safe_values_is_sent_back_for_a_real_ticket():
    async def go():
        edge = an_edge_without_database()
        uri = await stream_uri(edge)
        async with listening(edge, uri) as heard:
            assert heard.status == 200
            edge.reader.known = an_edge().reader.known
            edge.hub.refresh()
            await asyncio.sleep(0.01)
            assert heard.is_over
        async with listening(edge, uri) as refused:
            assert refused.status == 401
        assert "ticket=7.r." in await stream_uri(edge)

    asyncio.run(go())


@pytest.mark.django_db
def test_the_reader_learns_what_the_database_says_and_keeps_it(settings):
    a_rollout()
    _, text = a_service("decide")
    reader = Reader()

    reader._read(Knowledge())

    assert reader.known.token(text).rollout == KEY
    held = kept.read().held[KEY]
    newest = Snapshot.objects.get()
    assert (held.revision, held.epoch, held.body) == (1, 1, newest.body)
    switch.engage(KEY, by=two_people()[0], reason="stop")
    reader._read(Knowledge())
    assert reader.evaluator(KEY).snapshot.is_switch_engaged
    assert kept.read().held[KEY].epoch == 2


@pytest.mark.django_db
def test_an_older_database_is_not_followed_and_is_no_confirmation(settings):
    rollout = a_rollout()
    now = json.loads(Snapshot.objects.get().body)
    ahead = now | {"switch": {"state": "released", "epoch": 9}}
    body = orjson.dumps(ahead).decode()
    held = kept.Held.of("live", 9, body, 1)
    kept.write(kept.Kept({KEY: held}, {}, time.time() - 20))
    reader = Reader()

    reader._read(_floor())
    reader._read(_floor())

    assert reader.evaluator(KEY).basis.epoch == 9
    assert 20 <= reader.known.age_s < 30  # so that it becomes too old
    assert kept.read().held[KEY].epoch == 9
    # A rollout that was made anew has another salt: it is another rollout.
    ahead["salt"] = f"not {rollout.salt}"
    settings.EDGE_SNAPSHOT.unlink()
    other = kept.Held.of("live", 9, orjson.dumps(ahead).decode(), 1)
    kept.write(kept.Kept({KEY: other}, {}, time.time() - 20))
    fresh = Reader()
    fresh._read(_floor())
    assert fresh.evaluator(KEY).basis.epoch == 1


def test_the_kill_file_is_the_switch_until_the_database_has_been_read_without_it(
    settings,
):
    edge = an_edge()
    reader = edge.reader
    reader.look_for_kill_file()
    assert enabled(edge)[0] is True

    kill_file.write("other", "not this one")
    reader.look_for_kill_file()
    assert enabled(edge)[0] is True
    kill_file.write("r", "Provider leaks.")
    reader.look_for_kill_file()
    assert enabled(edge) == (False, "KILL_SWITCH", False)
    assert edge.hub.state("r").id == "1.1k"

    settings.KILL_FILE.unlink()
    reader.look_for_kill_file()
    reader.look_for_kill_file()
    assert enabled(edge)[0] is False
    reader.known = an_edge().reader.known  # read again, after the file had gone
    reader.look_for_kill_file()
    assert enabled(edge)[0] is True


@pytest.mark.parametrize("said", ["*", "* everything burns", "", "# a note only\n"])
def test_a_kill_file_that_names_all_or_nothing_kills_all(settings, said):
    settings.KILL_FILE.write_text(said)
    edge = an_edge()
    edge.reader.look_for_kill_file()
    assert enabled(edge) == (False, "KILL_SWITCH", False)


def test_an_edge_on_its_own_says_that_it_lives():
    async def go():
        transport = httpx.ASGITransport(app=an_edge())
        async with httpx.AsyncClient(transport=transport, base_url="http://e") as e:
            return await e.get("/livez")

    assert asyncio.run(go()).json() == {"status": "alive"}


@pytest.mark.django_db
def test_after_a_release_the_edge_goes_on_with_the_higher_epoch():
    a_rollout()
    engineer, _ = two_people()
    reader = Reader()
    switch.engage(KEY, by=engineer, reason="stop")
    reader._read(Knowledge())
    confirmed(switch.request_release(KEY, by=engineer, reason="go"))
    with time_machine.travel(time.time() + 1):
        reader._read(Knowledge())

    basis = reader.evaluator(KEY).basis
    assert (basis.epoch, reader.evaluator(KEY).snapshot.is_switch_engaged) == (3, False)
