from contextlib import suppress

import pytest
from django.apps import apps
from django.contrib import admin
from django.core import serializers
from django.db import IntegrityError, connection, transaction

from portal.models import (
    Person,
    SilentChange,
    Tracked,
    name_versions,
    version_digest,
)
from portal.services import actors, versions
from tests.builders import a_person
from tests.rollout.builders import a_rollout

pytestmark = pytest.mark.django_db

GOVERNED = [model for model in apps.get_models() if issubclass(model, Tracked)]


def test_every_version_says_who_when_and_why():
    person = a_person()

    person.full_name = "Another Name"
    person.save_as(actors.host(), reason="married")

    newest, oldest = person.history.all()
    assert (newest.full_name, newest.history_change_reason) == (
        "Another Name",
        "married",
    )
    assert newest.history_user == actors.host()
    assert newest.history_date > oldest.history_date


def test_a_save_that_names_nobody_is_refused():
    person = a_person()

    with pytest.raises(SilentChange):
        person.save()


def test_the_name_is_good_for_one_save_only():
    person = a_person()
    person.save_as(actors.host(), reason="once")

    with pytest.raises(SilentChange):
        person.save()


def from_a_fixture(model) -> None:
    """What `loaddata` does with a row."""
    row = {"model": model._meta.label_lower, "pk": 1, "fields": {}}
    for each in serializers.deserialize("python", [row]):
        each.save()


WRITES = {
    "save": lambda model: model().save(),
    "save some fields": lambda model: model(pk=1).save(update_fields=["pk"]),
    "create": lambda model: model.objects.create(),
    "get_or_create": lambda model: model.objects.get_or_create(pk=987_654),
    "update_or_create": lambda model: model.objects.update_or_create(pk=987_654),
    "bulk_create": lambda model: model.objects.bulk_create([model()]),
    "bulk_update": lambda model: model.objects.bulk_update([model()], ["pk"]),
    "update": lambda model: model.objects.all().update(pk=1),
    "update past the manager": lambda model: model._base_manager.update(pk=1),
    "delete": lambda model: model().delete(),
    "delete many": lambda model: model.objects.all().delete(),
    "delete past the manager": lambda model: model._base_manager.all().delete(),
    "loaddata": from_a_fixture,
}


@pytest.mark.parametrize("model", GOVERNED, ids=lambda model: model.__name__)
@pytest.mark.parametrize("write", WRITES.values(), ids=list(WRITES))
def test_no_governed_row_changes_in_silence(model, write):
    """A3: write paths by governed models."""
    with pytest.raises(SilentChange):
        write(model)


@pytest.mark.parametrize("model", GOVERNED, ids=lambda model: model.__name__)
def test_no_governed_row_has_relations_that_change_in_silence(model):
    pages = admin.site._registry.get(model)

    assert model._meta.many_to_many == ()
    assert pages is None or not pages.inlines


@pytest.mark.parametrize("model", GOVERNED, ids=lambda model: model.__name__)
def test_the_database_refuses_to_change_a_version(model):
    table = model.history.model._meta.db_table

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass", [table]
        )
        names = {name for (name,) in cursor.fetchall()}

    assert {"written_once", "never_emptied"} <= names


@pytest.mark.parametrize("model", GOVERNED, ids=lambda model: model.__name__)
def test_the_database_compares_every_governed_row_with_its_version(model):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgname, tgargs FROM pg_trigger WHERE tgrelid = %s::regclass",
            [model._meta.db_table],
        )
        found = dict(cursor.fetchall())

    assert bytes(found["has_its_version"]).decode().rstrip("\0") == (
        model.history.model._meta.db_table
    )
    assert "stays" in found


CHANGED = "UPDATE portal_person SET full_name = 'Me'"
BY_HAND = {
    "a row is changed": CHANGED,
    "a row is made": """
        INSERT INTO portal_rolegrant
            (person_id, role, granted_by_id, granted_at, at_installation)
        SELECT person_id, 'qa', granted_by_id, now(), true FROM portal_rolegrant
        """,
    "its version says otherwise": f"""
        {CHANGED};
        INSERT INTO portal_historicalperson SELECT (version).* FROM (
            SELECT jsonb_populate_record(it, '{{"history_id": 987654}}') AS version
            FROM portal_historicalperson it) it
        """,
    "a row is deleted": "DELETE FROM portal_rolegrant",
}


@pytest.mark.parametrize("sql", BY_HAND.values(), ids=list(BY_HAND))
def test_a_hand_in_the_database_is_refused_where_it_leaves_no_version(sql):
    a_person("engineer")
    see_to_what_waits()  # what the act wrote is fine

    with (
        pytest.raises(IntegrityError, match=r"without a version|written once"),
        transaction.atomic(),
    ):
        see_to_what_waits(sql)


def see_to_what_waits(sql: str = "") -> None:
    """Do this, and what the database does when a transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(f"{sql}; SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


def test_what_a_hand_in_the_database_changes_is_found():
    a_rollout()
    a_person("qa")
    changed = set()

    for model in (each for each in GOVERNED if each._base_manager.exists()):
        assert list(versions.silent_changes(model)) == []
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute(f"DELETE FROM {model._meta.db_table}")
            assert list(versions.silent_changes(model)), model
            changed.add(model)
            transaction.set_rollback(True)

    assert len(changed) >= 6


def test_a_password_hash_may_be_renewed_without_a_version():
    person = a_person()

    person.set_password("another long enough password")
    person.save(update_fields=["password"])

    assert person.history.count() == 1


def test_no_version_holds_a_password_hash():
    assert not hasattr(a_person().history.get(), "password")


def test_versions_that_a_savepoint_takes_back_are_named_by_no_line():
    person = a_person()
    name_versions()
    with suppress(LookupError), transaction.atomic():
        person.save_as(actors.host(), reason="taken back")
        raise LookupError

    person.save_as(actors.host(), reason="kept")

    (key, digests), *rest = name_versions().items()
    assert (key, rest) == (f"portal.person:{person.pk}", [])
    assert digests == [version_digest(person.history.latest())]


def test_what_a_line_named_that_was_taken_back_is_named_by_the_next():
    person = a_person()
    name_versions()
    person.save_as(actors.host(), reason="kept")
    with suppress(LookupError), transaction.atomic():
        name_versions()
        raise LookupError

    assert list(name_versions()) == [f"portal.person:{person.pk}"]
    assert name_versions() == {}


def test_djangos_own_ways_to_make_users_lead_nowhere():
    with pytest.raises(SilentChange):
        Person.objects.create_superuser("root", password="x")
    with pytest.raises(SilentChange):
        Person.objects.create_user("root", password="x")
