"""How long a sign-in lasts, and what ends it."""

from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.test import Client
from django.urls import reverse

from portal import clock
from portal.domain.roles import Role
from portal.models import Person
from portal.services import actors, approvals, people
from tests.builders import PASSWORD, a_person, an_actor, with_password

pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"
NEW = "quite another long password"


def signed_in(client: Client, *roles: str) -> Person:
    person = a_person(*roles)
    person.must_change_password = False
    person.save_as(actors.host(), reason="test")
    said = {"username": person.username, "password": PASSWORD}
    client.post(reverse("admin:login"), said)
    assert is_in(client)
    return person


def is_in(client: Client, **headers: str) -> bool:
    on_pages = client.get(reverse("admin:index"), headers=headers).status_code == 200
    over_api = client.get("/api/v1/rollouts", headers=headers).status_code == 200
    assert on_pages == over_api
    return on_pages


def test_half_an_hour_away_is_away(client):
    signed_in(client, "engineer")
    start = clock.now()

    with time_machine.travel(start + timedelta(minutes=29)):
        assert is_in(client)
    with time_machine.travel(start + timedelta(minutes=58)):
        assert is_in(client)  # the last look was 29 minutes ago
    with time_machine.travel(start + timedelta(minutes=90)):
        assert not is_in(client)


def test_a_page_that_refreshes_itself_keeps_nobody_in(client):
    signed_in(client, "engineer")
    start = clock.now()

    for minutes in (10, 20, 29):
        with time_machine.travel(start + timedelta(minutes=minutes)):
            assert is_in(client, **{"x-live": "1"})
    with time_machine.travel(start + timedelta(minutes=31)):
        assert not is_in(client, **{"x-live": "1"})


def test_after_twelve_hours_everybody_signs_in_again(client):
    signed_in(client, "engineer")
    start = clock.now()

    for minutes in range(20, 12 * 60, 20):
        with time_machine.travel(start + timedelta(minutes=minutes)):
            assert is_in(client)
    with time_machine.travel(start + timedelta(hours=12, minutes=1)):
        assert not is_in(client)


def test_a_new_password_ends_every_other_session(client):
    person = signed_in(client, "engineer")
    elsewhere = Client()
    elsewhere.force_login(person, BACKEND)

    said = {"old": PASSWORD, "new": NEW, "again": NEW}
    client.post(reverse("admin:password_change"), said)

    assert is_in(client)
    assert not is_in(elsewhere)


def test_a_role_that_is_given_or_taken_ends_the_session(client):
    administrator, architect = an_actor("administrator"), an_actor("architect")
    person = signed_in(client, "engineer")

    asked = people.request_role(person.pk, Role.QA, by=administrator, reason="joins")
    assert is_in(client)
    approvals.confirm(asked.pk, by=with_password(architect), reason="yes")
    assert not is_in(client)

    client.force_login(person, BACKEND)
    assert is_in(client)
    people.revoke_role(person.pk, Role.QA, by=administrator, reason="leaves")
    assert not is_in(client)


def test_whoever_is_locked_out_is_out_at_once(client):
    administrator = an_actor("administrator")
    person = signed_in(client, "engineer")

    people.deactivate(person.pk, by=administrator, reason="left")

    assert not is_in(client)


def test_wrong_passwords_lock_an_address_out_and_not_the_owner(client):
    person = signed_in(client, "engineer")
    client.post(reverse("admin:logout"))
    thief = Client(REMOTE_ADDR="203.0.113.9")
    login = reverse("admin:login")

    for _ in range(5):
        thief.post(login, {"username": person.username, "password": "wrong"})
    right = {"username": person.username, "password": PASSWORD}
    locked_out = thief.post(login, right)

    assert locked_out.status_code == 429
    assert b"Too many attempts" in locked_out.content
    client.post(login, right)
    assert is_in(client)
    with time_machine.travel(clock.now() + timedelta(minutes=16)):
        assert thief.post(login, right)["location"] == reverse("admin:index")


@pytest.mark.parametrize(
    ("password", "because"),
    [
        ("fourteen chars", "at least 15"),
        ("1q2w3e4r5t6y7u8i", "too common"),
        ("123456789123456789", "too common"),
    ],
)
def test_a_weak_password_is_not_taken(client, password, because):
    signed_in(client, "engineer")

    said = {"old": PASSWORD, "new": password, "again": password}
    refused = client.post(reverse("admin:password_change"), said)

    assert refused.status_code == 422
    assert because in refused.content.decode()


@pytest.mark.parametrize("password", ["a" * 11 + " bcd", "ééééééééééééééé"])
def test_no_kind_of_letter_is_demanded(client, password):
    person = signed_in(client, "engineer")

    said = {"old": PASSWORD, "new": password, "again": password}
    client.post(reverse("admin:password_change"), said)

    person.refresh_from_db()
    assert person.check_password(password)


def test_passwords_are_stored_as_argon2id():
    assert (
        Argon2PasswordHasher()
        .encode("x" * 15, "somesalt")
        .startswith("argon2$argon2id$")
    )
