"""People are let in, helped and locked out; roles are given by two; tokens are shown
once."""

import re
from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from portal import clock
from portal.domain.roles import May, Role
from portal.domain.verbs import Verb
from portal.models import ApiToken, Approval, LedgerEntry, Person, RoleGrant
from portal.services import actors, people
from tests.builders import PASSWORD, a_person, an_actor, the_last_line

pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"
NEW = "a password of one's own"


def signed_in(client: Client, *roles: str) -> Person:
    person = a_person(*roles)
    person.must_change_password = False
    person.save_as(actors.host(), reason="test")
    client.force_login(person, BACKEND)
    return person


def a_link(answer) -> str:
    (link,) = re.findall(r"http://testserver(/\S+?)<", answer.content.decode())
    return link.replace("&amp;", "&")


def invited(client: Client, username: str = "ann") -> str:
    page = reverse("admin:portal_person_invite")
    said = {"username": username, "full_name": "Ann", "email": "", "reason": "joins"}
    answer = client.post(page, said)
    assert answer.status_code == 200, answer.content.decode()
    assert "no-store" in answer["cache-control"]
    return a_link(answer)


def choose(browser: Client, link: str, password: str = NEW):
    opened = browser.get(link)
    page = opened["location"] if opened.status_code == 302 else link
    return browser.post(page, {"new": password, "again": password})


def gets_in(username: str, password: str) -> bool:
    browser = Client()
    said = {"username": username, "password": password}
    return browser.post(reverse("admin:login"), said).status_code == 302


def test_an_invitation_is_a_link_that_is_good_once(client):
    signed_in(client, "administrator")
    link = invited(client)

    first, second = choose(Client(), link), choose(Client(), link)

    assert first["location"] == reverse("admin:login")
    assert second.status_code == 404
    assert gets_in("ann", NEW)
    lines = LedgerEntry.objects.order_by("seq").values_list("actor_name", "verb")
    assert ("Ann", Verb.PASSWORD_CHANGED) in lines


def test_a_link_is_good_for_a_day_and_for_one_person(client):
    signed_in(client, "administrator")
    link, other = invited(client), a_person()

    with time_machine.travel(clock.now() + timedelta(hours=25)):
        late = choose(Client(), link)
    path, key = link.split("?")
    for_another = choose(Client(), f"{reverse('admin:welcome', args=[other.pk])}?{key}")

    assert (late.status_code, for_another.status_code) == (404, 404)
    assert choose(Client(), path).status_code == 404
    assert choose(Client(), link).status_code == 302


def test_the_key_does_not_stay_in_the_address(client):
    signed_in(client, "administrator")

    opened = Client().get(invited(client))

    assert "key" not in opened["location"]


def test_a_weak_password_is_not_chosen(client):
    signed_in(client, "administrator")
    link = invited(client)

    refused = choose(browser := Client(), link, "too short")

    assert refused.status_code == 422
    assert "at least 15" in refused.content.decode()
    assert choose(browser, link).status_code == 302


def test_a_reset_ends_password_and_sessions_and_gives_a_link(client):
    signed_in(client, "administrator")
    person = a_person("architect")
    (browser := Client()).force_login(person, BACKEND)

    page = reverse("admin:portal_person_reset_password", args=[person.pk])
    link = a_link(client.post(page, {"reason": "has forgotten it"}))

    person.refresh_from_db()
    assert browser.get(reverse("admin:index")).status_code == 302
    assert not gets_in(person.username, PASSWORD)
    assert choose(Client(), link).status_code == 302
    assert gets_in(person.username, NEW)
    (grant,) = person.role_grants.all()
    assert people.signs_from(grant) > clock.now() + timedelta(hours=23)


def test_whoever_was_locked_out_chooses_no_password(client):
    signed_in(client, "administrator")
    link = invited(client)
    ann = Person.objects.get(username="ann")
    people.deactivate(ann.pk, by=an_actor("administrator"), reason="a mistake")

    assert choose(Client(), link).status_code == 404


def test_a_role_is_given_by_two_and_the_page_shows_that_it_waits(client):
    administrator = signed_in(client, "administrator")
    person = a_person()
    (architect := Client()).force_login(second := a_person("architect"), BACKEND)
    second.must_change_password = False
    second.save_as(actors.host(), reason="test")

    page = reverse("admin:portal_person_request_role", args=[person.pk])
    client.post(page, {"role": "qa", "reason": "reviews with us"})
    asked = Approval.objects.get()
    confirm = reverse("admin:portal_approval_confirm", args=[asked.pk])
    own = client.post(confirm, {"reason": "I say so", "password": PASSWORD})
    shown = client.get(reverse("admin:portal_person_change", args=[person.pk]))
    assert f"asked for by {administrator}" in shown.content.decode()
    assert not person.role_grants.exists()
    assert own.status_code == 403 or b"another person" in own.content

    architect.post(confirm, {"reason": "yes", "password": PASSWORD})

    shown = client.get(reverse("admin:portal_person_change", args=[person.pk]))
    assert RoleGrant.objects.get(person=person).role == Role.QA
    assert f"given by {administrator}, confirmed by {second}; signs from" in (
        shown.content.decode()
    )


def test_who_has_left_and_who_has_another_name_stays_readable(client):
    signed_in(client, "administrator")
    person = a_person("engineer", name="Ann Miller")
    people.revoke_role(
        a_person("qa").pk, Role.QA, by=an_actor("administrator"), reason="before"
    )
    own = actors.for_person(person)
    people.sign_in(by=own)

    page = reverse("admin:portal_person_correct", args=[person.pk])
    client.post(page, {"full_name": "Ann Smith", "email": "", "reason": "married"})
    people.deactivate(person.pk, by=an_actor_again(), reason="left")

    signed = LedgerEntry.objects.get(verb=Verb.PERSON_SIGNED_IN)
    person.refresh_from_db()
    history = client.get(reverse("admin:portal_person_history", args=[person.pk]))
    assert signed.actor_name == "Ann Miller"
    assert str(actors.for_person(person)) == "Ann Smith"
    assert b"Ann Miller" in history.content
    assert b"Ann Smith" in history.content
    assert not person.is_active


def an_actor_again():
    """The administrator who was there before anybody signed in."""
    grant = RoleGrant.objects.filter(role=Role.ADMINISTRATOR).first()
    return actors.for_person(grant.person)


def test_a_table_says_who_may_what(client):
    signed_in(client, "auditor")
    architect = a_person("architect", name="Bea Builder")

    shown = client.get(reverse("admin:who_may")).content.decode()

    assert architect.full_name in shown
    for act in May:
        assert act.replace("_", " ") in shown


@pytest.mark.parametrize("people_there", [1, 12])
def test_the_list_of_people_asks_the_database_as_often_for_many(
    client, django_assert_max_num_queries, people_there
):
    signed_in(client, "administrator")
    for _ in range(people_there):
        a_person("engineer", "qa")

    with django_assert_max_num_queries(12):
        client.get(reverse("admin:portal_person_changelist"))


# Tokens


def a_token_over_pages(client, **said) -> str:
    page = reverse("admin:portal_apitoken_create")
    default = {
        "name": "runner",
        "owner": a_person("engineer").pk,
        "rollout": "any",
        "scopes": ["read"],
        "days": "30",
        "reason": "a service",
    }
    shown = client.post(page, default | said)
    assert shown.status_code == 200, shown.content.decode()
    (text,) = re.findall(r"rgp_\w+", shown.content.decode())
    return text


def lets_in(text: str) -> bool:
    answer = Client().get(
        "/api/v1/rollouts", headers={"authorization": f"Bearer {text}"}
    )
    return answer.status_code == 200


def test_a_token_is_shown_once_and_lets_in_until_it_is_revoked(client):
    signed_in(client, "administrator")
    once = {"once": "0123456789abcdef"}
    text = a_token_over_pages(client, **once)
    token = ApiToken.objects.get()

    again = client.post(
        reverse("admin:portal_apitoken_create"),
        {
            "name": "runner",
            "owner": token.owner_id,
            "rollout": "any",
            "scopes": ["read"],
            "days": "30",
            "reason": "a service",
        }
        | once,
    )
    page = client.get(reverse("admin:portal_apitoken_change", args=[token.pk]))
    assert ApiToken.objects.count() == 1
    assert text not in again.content.decode() + page.content.decode()
    assert token.keyed_hash not in page.content.decode()
    assert lets_in(text)
    token.refresh_from_db()
    assert token.last_used_at is not None

    revoke = reverse("admin:portal_apitoken_revoke", args=[token.pk])
    client.post(revoke, {"reason": "not needed"})
    assert not lets_in(text)
    listed = client.get(reverse("admin:portal_apitoken_changelist"))
    assert "✗ revoked" in listed.content.decode()


def test_a_successor_and_the_old_token_overlap_for_a_day(client):
    administrator = signed_in(client, "administrator")
    old = a_token_over_pages(client)
    token = ApiToken.objects.get()

    shown = client.post(
        reverse("admin:portal_apitoken_rotate", args=[token.pk]), {"reason": "monthly"}
    )
    (new,) = re.findall(r"rgp_\w{30,}", shown.content.decode())

    assert lets_in(old)
    assert lets_in(new)
    with time_machine.travel(clock.now() + timedelta(hours=25)):
        assert not lets_in(old)
        assert lets_in(new)
    assert the_last_line() == (str(administrator), Verb.TOKEN_ROTATED, "monthly")


@pytest.mark.parametrize("role", [r for r in Role if r != Role.ADMINISTRATOR])
def test_only_administrators_manage_people_and_tokens(client, role):
    signed_in(client, role)
    other = a_person("engineer")

    for name, args in (
        ("portal_person_invite", []),
        ("portal_person_request_role", [other.pk]),
        ("portal_person_reset_password", [other.pk]),
        ("portal_person_remove_second_factor", [other.pk]),
        ("portal_person_deactivate", [other.pk]),
        ("portal_person_correct", [other.pk]),
        ("portal_apitoken_create", []),
    ):
        assert client.get(reverse(f"admin:{name}", args=args)).status_code == 403
