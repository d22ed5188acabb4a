import pytest
from django.db import DatabaseError, connection, transaction

from portal.domain.ledger import Fault
from portal.domain.verbs import Verb
from portal.models import LedgerEntry, Person, SilentChange
from portal.services import actors, ledger, people
from tests.builders import a_person
from tests.portal.tampering import tamper

pytestmark = pytest.mark.django_db


def some_history() -> list[LedgerEntry]:
    a_person("operator")
    a_person("qa")
    return list(LedgerEntry.objects.order_by("seq"))


def test_every_act_adds_one_line_without_a_gap():
    entries = some_history()

    assert [entry.seq for entry in entries] == [1, 2, 3, 4]
    assert [entry.verb for entry in entries] == [
        Verb.PERSON_INVITED,
        Verb.ROLE_GRANTED,
        Verb.PERSON_INVITED,
        Verb.ROLE_GRANTED,
    ]
    assert list(ledger.verify()) == []


def test_a_line_names_the_versions_that_its_act_wrote():
    person = a_person()

    body = LedgerEntry.objects.get().body

    assert f'"portal.person:{person.pk}":["sha256:' in body


def test_what_was_undone_leaves_no_line():
    host = actors.host()

    with transaction.atomic():
        people.invite("somebody", by=host, reason="test")
        transaction.set_rollback(True)

    assert not LedgerEntry.objects.exists()
    assert not Person.objects.exists()


def test_reasons_are_stored_without_their_secrets():
    people.invite(
        "somebody", by=actors.host(), reason="see https://me:hunter2@example.org/"
    )

    assert "hunter2" not in LedgerEntry.objects.get().body
    assert "hunter2" not in LedgerEntry.objects.get().reason


@pytest.mark.parametrize(
    ("sql", "params", "seq", "fault"),
    [
        (
            "UPDATE portal_ledgerentry SET body = replace(body, 'test', 'fine') "
            "WHERE seq = %s",
            [3],
            3,
            Fault.ALTERED,
        ),
        (
            "UPDATE portal_ledgerentry SET reason = 'fine' WHERE seq = %s",
            [2],
            2,
            Fault.MISPROJECTED,
        ),
        (
            "UPDATE portal_ledgerentry SET actor_name = 'me' WHERE seq = %s",
            [2],
            2,
            Fault.MISPROJECTED,
        ),
        ("DELETE FROM portal_ledgerentry WHERE seq = %s", [2], 2, Fault.GAP),
    ],
    ids=["its text", "its reason", "its actor", "all of it"],
)
def test_an_entry_that_was_changed_is_named(sql, params, seq, fault):
    some_history()

    tamper(sql, *params)

    first = next(ledger.verify())
    assert (first.seq, first.fault) == (seq, fault)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE portal_ledgerentry SET reason = 'x'",
        "DELETE FROM portal_ledgerentry",
        "UPDATE portal_historicalperson SET username = 'x'",
        "DELETE FROM portal_historicalperson",
    ],
)
def test_the_database_itself_refuses_to_change_the_past(sql):
    some_history()

    with pytest.raises(DatabaseError, match="written once"), transaction.atomic():
        connection.cursor().execute(sql)


def test_the_models_refuse_it_too():
    entry = some_history()[0]

    with pytest.raises(SilentChange):
        entry.save()
    with pytest.raises(SilentChange):
        entry.delete()
    with pytest.raises(SilentChange):
        LedgerEntry.objects.update(reason="x")
    with pytest.raises(SilentChange):
        LedgerEntry.objects.all().delete()
