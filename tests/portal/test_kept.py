"""What was typed when a session ended is there again for whoever typed it."""

from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from portal import clock, kept
from portal.models import Person
from tests.builders import PASSWORD
from tests.portal.enrolling import (
    BACKEND,
    code_now,
    enrolled,
    settled,
)

pytestmark = pytest.mark.django_db
FORM = "/admin/portal/person/act/invite/"
SAID = {"username": "newcomer", "full_name": "دانا الجديدة", "reason": "Joins today."}
CARRIED = "username=newcomer"


def typed_too_late(client: Client, person: Person, **more: str) -> str:
    """Send a form an hour after it was opened; what the sign-in page carries."""
    client.force_login(person, BACKEND)
    client.get(FORM)
    with time_machine.travel(clock.now() + timedelta(hours=1), tick=False):
        said = {**SAID, "typed_by": str(person.pk), "once": "1", **more}
        answer = client.post(FORM, said)
    assert "sign in, and it is there again" in answer.content.decode()
    assert not Person.objects.filter(username="newcomer").exists()
    return answer.context["kept"]


def sign_in(client: Client, person: Person, carried: str, password: str = PASSWORD):
    return client.post(
        f"{reverse('admin:login')}?next={FORM}",
        {"username": person.username, "password": password, "kept": carried},
    )


def test_it_is_in_the_form_again_and_only_once(client):
    person = settled("administrator")
    carried = typed_too_late(client, person)

    assert sign_in(client, person, carried)["location"] == FORM
    again = client.get(FORM).content.decode()

    assert 'value="newcomer"' in again
    assert "دانا الجديدة" in again
    assert "Joins today." in again
    assert "typed is here again" in again
    assert 'value="newcomer"' not in client.get(FORM).content.decode()


def test_a_mistyped_password_does_not_lose_it(client):
    person = settled("administrator")
    carried = typed_too_late(client, person)

    wrong = sign_in(client, person, carried, password="something else")

    assert wrong.context["kept"] == carried
    sign_in(client, person, wrong.context["kept"])
    assert 'value="newcomer"' in client.get(FORM).content.decode()


def test_nobody_else_finds_it(client):
    carried = typed_too_late(client, settled("administrator"))

    sign_in(client, settled("administrator"), carried)

    assert 'value="newcomer"' not in client.get(FORM).content.decode()


def test_it_outlasts_the_second_step(client):
    person, secret, _ = enrolled("administrator")
    carried = typed_too_late(client, person)

    sign_in(client, person, carried)
    client.post(reverse("admin:second_step"), {"code": code_now(secret)})

    assert 'value="newcomer"' in client.get(FORM).content.decode()


def test_secrets_are_not_carried(client):
    carried = typed_too_late(
        client, settled("administrator"), password="my password", code="123456"
    )

    assert CARRIED in carried
    assert "my+password" not in carried
    assert "123456" not in carried


def test_what_is_too_long_to_carry_is_left_and_nothing_breaks(client):
    person = settled("administrator")
    client.force_login(person, BACKEND)
    client.logout()

    said = {"typed_by": str(person.pk), "reason": "x" * (kept.MOST_CHARACTERS + 1)}
    answer = client.post(FORM, said)

    assert answer.context["kept"] == ""
    assert sign_in(client, person, "x" * (kept.MOST_CHARACTERS + 1)).status_code == 302
    assert client.get(FORM).status_code == 200


@pytest.mark.parametrize("nonsense", ["%", "=&=", "typed_by=", "typed_by=x&\0=y"])
def test_nonsense_in_its_place_is_left(client, nonsense):
    sign_in(client, settled("administrator"), nonsense)

    assert client.get(FORM).status_code == 200
