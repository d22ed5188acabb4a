import pytest
from django.apps import apps

from portal.models import Person, SilentChange, Tracked, version_digest
from portal.services import actors
from tests.builders import a_person

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


@pytest.mark.parametrize("model", GOVERNED, ids=lambda model: model.__name__)
@pytest.mark.parametrize(
    "write",
    [
        lambda model: model.objects.all().update(pk=1),
        lambda model: model.objects.all().delete(),
        lambda model: model.objects.bulk_create([model()]),
        lambda model: model.objects.bulk_update([model()], ["pk"]),
        lambda model: model().save(),
        lambda model: model().delete(),
        lambda model: model.objects.create(),
    ],
    ids=["update", "delete", "bulk_create", "bulk_update", "save", "remove", "create"],
)
def test_no_governed_row_changes_in_silence(model, write):
    with pytest.raises(SilentChange):
        write(model)


def test_a_password_hash_may_be_renewed_without_a_version():
    person = a_person()

    person.set_password("another long enough password")
    person.save(update_fields=["password"])

    assert person.history.count() == 1


def test_no_version_holds_a_password_hash():
    assert not hasattr(a_person().history.get(), "password")


def test_a_version_has_the_same_digest_before_and_after_it_was_stored():
    person = a_person()

    assert person.version_digest == version_digest(person.history.get())


def test_djangos_own_ways_to_make_users_lead_nowhere():
    with pytest.raises(SilentChange):
        Person.objects.create_superuser("root", password="x")
    with pytest.raises(SilentChange):
        Person.objects.create_user("root", password="x")
