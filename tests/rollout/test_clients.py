"""Who goes by which epoch, and which flags are asked for."""

import asyncio
from datetime import timedelta

import pytest
from django.urls import reverse
from rest_framework.test import APIClient

from portal import clock
from rollout.domain.flags import ENABLED
from rollout.edge.app import Edge
from rollout.edge.knowledge import Knowledge
from rollout.edge.notes import Notes
from rollout.models import EdgeClient, FlagUse
from rollout.services import clients, switch
from tests.rollout.builders import KEY, a_rollout, a_service, two_people
from tests.rollout.edges import BULK, ask
from tests.rollout.test_admin import signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_files(settings, tmp_path):
    settings.EDGE_SNAPSHOT = tmp_path / "edge-snapshot.json"


@pytest.fixture
def token(db):
    a_rollout()
    return a_service("decide")


def an_edge() -> Edge:
    """One that has read the database."""
    edge = Edge()
    edge.reader._read(Knowledge())
    return edge


def serve(edge: Edge, text: str, client: str, path: str = BULK) -> None:
    headers = {"X-API-Key": text, "X-Client-Id": client}
    assert asyncio.run(ask(edge, path, headers=headers)).status_code == 200


def write_down(edge: Edge) -> None:
    edge.reader._noted_at = 0.0
    edge.reader.hand_over_notes()
    edge.reader._write_down()


def ack(text: str, epoch: object, client: str = "worker-1", key: str = "k1"):
    return APIClient().post(
        "/api/v1/switch/ack",
        {"epoch": epoch, "client": client},
        headers={"Authorization": f"Bearer {text}", "Idempotency-Key": key},
    )


def epochs() -> dict[str, int]:
    return dict(EdgeClient.objects.values_list("client", "epoch"))


def test_whoever_evaluates_is_known_to_have_that_epoch(token):
    edge = an_edge()
    serve(edge, token[1], "a")
    serve(edge, token[1], "b")
    write_down(edge)
    assert epochs() == {"a": 1, "b": 1}

    switch.engage(KEY, by=two_people()[0], reason="stop")
    edge.reader._read(Knowledge())
    serve(edge, token[1], "a", f"{BULK}/{ENABLED}")
    write_down(edge)

    assert epochs() == {"a": 2, "b": 1}
    (standing,) = clients.standing()
    assert (standing.epoch, standing.clients, standing.missing) == (2, 2, 1)


def test_names_that_no_table_takes_do_not_stop_the_others(token):
    notes = Notes()
    notes.serve(KEY, token[0].token.pk, "nul\0", 1, "")
    notes.serve(KEY, token[0].token.pk, "x" * 200, 1, "")
    notes.write_down()
    assert set(epochs()) == {"?", "x" * 100}


def test_an_epoch_never_goes_back_and_who_is_long_gone_is_forgotten(token):
    known = token[0].token.pk
    now = clock.now()
    clients.note({(KEY, known, "a"): 3}, at=now - timedelta(minutes=1))
    clients.note({(KEY, known, "a"): 2, ("gone", known, "x"): 1}, at=now)
    assert epochs() == {"a": 3}

    clients.note({(KEY, known, "b"): 3}, at=now + timedelta(days=8))
    assert epochs() == {"b": 3}


def test_a_client_can_say_itself_what_it_goes_by(token):
    switch.engage(KEY, by=two_people()[0], reason="stop")

    behind = ack(token[1], 1)
    assert behind.json() == {
        "rollout": KEY,
        "state": "engaged",
        "epoch": 2,
        "is_current": False,
    }
    current = ack(token[1], 2, key="k2")
    assert current.json()["is_current"] is True
    assert epochs() == {"worker-1": 2}


@pytest.mark.parametrize("epoch", [3, -1, "two", None])
def test_an_epoch_that_cannot_be_is_refused(token, epoch):
    answer = ack(token[1], epoch)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (
        422,
        "/epoch",
    )
    assert epochs() == {}


def test_acknowledging_takes_the_scope_to_decide_and_a_key(token):
    _, reader = a_service("read")
    assert ack(reader, 1).status_code == 403
    answer = ack(token[1], 1, key="")
    assert answer.json()["code"] == "IDEMPOTENCY_KEY_REQUIRED"


def test_flags_are_known_to_be_used_by_name_and_in_bulk(token):
    edge = an_edge()
    serve(edge, token[1], "a", f"{BULK}/PAI_DR_OPTION_C_ENABLED")  # an older name
    write_down(edge)
    (use,) = FlagUse.objects.all()
    assert (use.key, use.last_bulk_at) == (ENABLED, None)
    first = use.last_asked_at

    serve(edge, token[1], "a")
    write_down(edge)

    assert FlagUse.objects.exclude(last_bulk_at=None).count() == 12
    assert FlagUse.objects.get(key=ENABLED).last_asked_at == first
    clients.note_use({(KEY, ENABLED)}, (), at=first - timedelta(days=1))
    assert FlagUse.objects.get(key=ENABLED).last_asked_at == first


def test_what_was_asked_while_the_database_was_away_is_written_down_later(
    token, monkeypatch
):
    edge = an_edge()
    serve(edge, token[1], "a")

    def fail(*_, **__):
        raise ConnectionError

    with monkeypatch.context() as broken:
        broken.setattr(clients, "note", fail)
        with pytest.raises(ConnectionError):
            write_down(edge)
    write_down(edge)

    assert epochs() == {"a": 1}


def test_the_pages_say_who_has_not_the_current_epoch(client, token):
    known = token[0].token.pk
    clients.note({(KEY, known, f"pod-{n}"): 1 for n in range(3)}, at=clock.now())
    clients.note({(KEY, known, "yesterday"): 1}, at=clock.now() - timedelta(days=1))
    switch.engage(KEY, by=two_people()[0], reason="stop")
    clients.note({(KEY, known, "pod-0"): 2}, at=clock.now())
    signed_in(client, "auditor")

    listed = client.get(reverse("admin:rollout_edgeclient_changelist"))
    assert "2 of 3 clients NOT at epoch 2 yet" in listed.content.decode()
    late = client.get(reverse("admin:rollout_edgeclient_changelist") + "?has=not")
    names = [row.client for row in late.context["cl"].result_list]
    assert sorted(names) == ["pod-1", "pod-2"]
    away = client.get(reverse("admin:rollout_edgeclient_changelist") + "?has=away")
    assert [row.client for row in away.context["cl"].result_list] == ["yesterday"]
    switches = client.get(reverse("admin:rollout_switch_changelist"))
    assert "1 of 3 have epoch 2" in switches.content.decode()


def test_the_list_of_clients_costs_the_same_for_many(
    client, token, django_assert_max_num_queries
):
    known = token[0].token.pk
    clients.note({(KEY, known, f"pod-{n}"): 1 for n in range(40)}, at=clock.now())
    signed_in(client, "auditor")

    with django_assert_max_num_queries(14):
        client.get(reverse("admin:rollout_edgeclient_changelist"))
