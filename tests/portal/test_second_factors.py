"""The second factor, through the pages and the services that ask for it."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import time_machine
from django.conf import settings as configured
from django.db import connection
from django.test import Client
from django.urls import reverse

from portal import clock
from portal.domain.encryption import decrypt
from portal.domain.roles import Role
from portal.domain.second_factors import FREE_MISTAKES, STEP_S
from portal.domain.verbs import Verb
from portal.errors import NotAllowed
from portal.models import (
    Actor,
    Authentication,
    LedgerEntry,
    Person,
    RecoveryCode,
    SecondFactor,
)
from portal.services import actors, people, second_factors
from portal.services.access import require_password
from tests.builders import PASSWORD, a_person, an_actor, the_last_line, with_password
from tests.portal.enrolling import BACKEND, code_now, enrolled, secret_of, settled

pytestmark = pytest.mark.django_db
PAGE = "admin:second_factor"


def sign_in(client: Client, person: Person, password: str = PASSWORD):
    said = {"username": person.username, "password": password}
    return client.post(reverse("admin:login"), said)


def is_in(client: Client) -> bool:
    return client.get(reverse("admin:index")).status_code == 200


# Enrolling


def test_the_page_shows_the_secret_as_a_picture_that_is_drawn_here(client):
    person = settled("engineer")
    client.force_login(person, BACKEND)

    shown = client.get(reverse(PAGE))

    text = shown.content.decode()
    assert text.count("<svg") >= 1
    assert second_factors.domain.spelled(secret_of(person)) in text
    assert "no-store" in shown["cache-control"]
    assert not re.search(r"(src|href)=\"https?://", text)


def test_a_telephone_is_enrolled_with_password_and_code(client):
    person = settled("engineer")
    client.force_login(person, BACKEND)
    client.get(reverse(PAGE))

    said = {"code": code_now(secret_of(person)), "password": PASSWORD}
    done = client.post(reverse(PAGE), said)

    codes = re.findall(r"\b(?:[A-Z2-7]{4}-){3}[A-Z2-7]{4}\b", done.content.decode())
    person.refresh_from_db()
    assert person.second_factor_since is not None
    assert len(set(codes)) == 10
    assert the_last_line()[1] == Verb.SECOND_FACTOR_ENROLLED
    assert is_in(client)


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({"password": "wrong"}, "not your password"),
        ({"code": "000000"}, "not the code of now"),
        ({"code": ""}, "Type the code"),
    ],
)
def test_it_is_not_enrolled_without_both(client, said, error):
    person = settled("engineer")
    client.force_login(person, BACKEND)
    client.get(reverse(PAGE))
    right = {"code": code_now(secret_of(person)), "password": PASSWORD}

    refused = client.post(reverse(PAGE), right | said)

    person.refresh_from_db()
    assert refused.status_code == 422
    assert error in refused.content.decode()
    assert person.second_factor_since is None


def test_enrolling_ends_every_other_session(client):
    person = settled("engineer")
    elsewhere = Client()
    for each in (client, elsewhere):
        each.force_login(person, BACKEND)
    client.get(reverse(PAGE))

    said = {"code": code_now(secret_of(person)), "password": PASSWORD}
    client.post(reverse(PAGE), said)

    assert is_in(client)
    assert not is_in(elsewhere)


def test_what_is_stored_gives_nothing_away():
    person, secret, codes = enrolled("engineer")

    stored = SecondFactor.objects.get(person=person).encrypted_secret
    hashes = set(RecoveryCode.objects.values_list("keyed_hash", flat=True))
    assert secret.hex() not in stored
    assert decrypt(stored, keys=configured.ENCRYPTION_KEYS)
    assert not hashes & set(codes)
    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(body, ' ') FROM portal_ledgerentry")
        told = cursor.fetchone()[0]
    assert not any(code in told for code in codes)


# Signing in


def test_the_password_alone_lets_nobody_in_who_has_a_second_factor(client):
    person, secret, _ = enrolled("engineer")

    first = sign_in(client, person)

    assert first["location"] == reverse("admin:second_step")
    assert not is_in(client)
    assert client.get("/api/v1/rollouts").status_code == 401
    second = client.post(first["location"], {"code": code_now(secret)})
    assert second["location"] == reverse("admin:index")
    assert is_in(client)
    assert the_last_line()[1:] == (Verb.PERSON_SIGNED_IN, "signed in with a code")


def test_it_leads_on_to_where_they_wanted_and_nowhere_else(client):
    person, secret, _ = enrolled("engineer")
    wanted = reverse("admin:portal_person_changelist")
    for number, (to, expected) in enumerate(
        ((wanted, wanted), ("https://evil.example/", reverse("admin:index")))
    ):
        with time_machine.travel(clock.now() + timedelta(minutes=number)):
            login = f"{reverse('admin:login')}?next={to}"
            said = {"username": person.username, "password": PASSWORD, "next": to}
            client.post(login, said)
            second = client.post(
                reverse("admin:second_step"), {"code": code_now(secret)}
            )
            assert second["location"] == expected
            client.post(reverse("admin:logout"))


def test_a_code_that_was_used_lets_nobody_in_again(client):
    person, secret, _ = enrolled("engineer")
    with time_machine.travel(clock.now(), tick=False):
        code = code_now(secret)
        for each in (client, thief := Client()):
            sign_in(each, person)
            answer = each.post(reverse("admin:second_step"), {"code": code})

    assert is_in(client)
    assert not is_in(thief)
    assert "used already" in answer.content.decode()


def test_the_second_step_is_for_whoever_took_the_first(client):
    assert client.get(reverse("admin:second_step")).status_code == 302
    person, secret, _ = enrolled("engineer")
    sign_in(client, person)

    with time_machine.travel(clock.now() + timedelta(minutes=6)):
        late = client.post(reverse("admin:second_step"), {"code": code_now(secret)})

    assert late["location"] == reverse("admin:login")
    assert not is_in(client)


def test_a_password_that_was_changed_meanwhile_ends_the_first_step(client):
    person, secret, _ = enrolled("engineer")
    sign_in(client, person)
    person.set_password("another long password of mine")
    person.save_as(actors.host(), reason="test")

    client.post(reverse("admin:second_step"), {"code": code_now(secret)})

    assert not is_in(client)


def test_somebody_who_was_locked_out_meanwhile_stays_out(client):
    person, secret, _ = enrolled("engineer")
    sign_in(client, person)
    person.is_active = False
    person.save_as(actors.host(), reason="test")

    client.post(reverse("admin:second_step"), {"code": code_now(secret)})

    assert not is_in(client)


def test_whoever_guesses_is_slowed_down_and_the_owner_has_a_way(client):
    person, secret, recovery = enrolled("engineer")
    sign_in(client, person)
    page = reverse("admin:second_step")
    with time_machine.travel(clock.now(), tick=False) as time:
        for _ in range(FREE_MISTAKES + 1):
            client.post(page, {"code": "000000"})
        slowed = client.post(page, {"code": code_now(secret)})

        assert "Too many wrong codes" in slowed.content.decode()
        assert not is_in(client)
        let_in = client.post(page, {"code": recovery[0].lower()})
        assert let_in["location"] == reverse("admin:index")
        client.post(reverse("admin:logout"))
        time.shift(STEP_S)
        sign_in(client, person)  # the recovery code has ended the wait
        client.post(page, {"code": code_now(secret)})
        assert is_in(client)


def test_a_recovery_code_is_good_once(client):
    person, _, recovery = enrolled("engineer")
    page = reverse("admin:second_step")
    for each in (client, again := Client()):
        sign_in(each, person)
        each.post(page, {"code": recovery[0]})

    assert is_in(client)
    assert not is_in(again)


# Acts that ask again


def test_what_needs_the_password_needs_a_code_of_whoever_has_one():
    person, _, _ = enrolled("architect")

    with pytest.raises(NotAllowed) as refusal:
        require_password(
            actors.for_person(person, authenticated_by=Authentication.PASSWORD)
        )

    assert refusal.value.code == "CODE_REQUIRED"
    require_password(
        actors.for_person(person, authenticated_by=Authentication.PASSWORD_AND_CODE)
    )


def test_a_session_is_never_enough(db):
    for actor in (an_actor("architect"), actors.host(), actors.system()):
        with pytest.raises(NotAllowed) as refusal:
            require_password(actor)
        assert refusal.value.code == "PASSWORD_REQUIRED"


def a_role_request(of: Actor):
    return people.request_role(a_person().pk, Role.ENGINEER, by=of, reason="joins us")


def test_confirming_asks_for_a_code_and_a_wrong_one_confirms_nothing(client):
    architect, secret, _ = enrolled("architect")
    asked = a_role_request(an_actor("administrator"))
    client.force_login(architect, BACKEND)
    page = reverse("admin:portal_approval_confirm", args=[asked.pk])
    said = {"reason": "I know them.", "password": PASSWORD}

    shown = client.get(page)
    without = client.post(page, said)
    wrong = client.post(page, said | {"code": "000000"})
    asked.refresh_from_db()
    assert (without.status_code, wrong.status_code) == (422, 422)
    assert (b'name="code"' in shown.content, asked.state) == (True, "pending")

    done = client.post(page, said | {"code": code_now(secret)})
    asked.refresh_from_db()
    entry = LedgerEntry.objects.get(verb=Verb.APPROVAL_CONFIRMED)
    assert (done.status_code, asked.state) == (302, "confirmed")
    assert '"authenticated_by":"password_and_code"' in entry.body


def test_a_form_that_has_to_come_back_uses_up_no_code(client):
    architect, secret, _ = enrolled("architect")
    asked = a_role_request(an_actor("administrator"))
    client.force_login(architect, BACKEND)
    page = reverse("admin:portal_approval_confirm", args=[asked.pk])
    with time_machine.travel(clock.now(), tick=False):
        said = {"password": PASSWORD, "code": code_now(secret)}

        without_reason = client.post(page, said)
        done = client.post(page, said | {"reason": "I know them."})

    assert (without_reason.status_code, done.status_code) == (422, 302)


def test_others_are_asked_for_the_password_alone(client):
    client.force_login(settled("architect"), BACKEND)
    asked = a_role_request(an_actor("administrator"))

    shown = client.get(reverse("admin:portal_approval_confirm", args=[asked.pk]))

    assert b'name="password"' in shown.content
    assert b'name="code"' not in shown.content


# Roles that demand it


def test_a_role_that_demands_one_opens_nothing_before_it(client, settings):
    settings.SECOND_FACTOR_ROLES = ["architect"]
    person = settled("architect")
    client.force_login(person, BACKEND)

    anywhere = client.get(reverse("admin:portal_person_changelist"))
    over_api = client.get("/api/v1/rollouts")

    assert anywhere["location"] == reverse(PAGE)
    assert over_api.status_code == 403
    assert over_api.json()["code"] == "SECOND_FACTOR_REQUIRED"
    client.get(reverse(PAGE))
    said = {"code": code_now(secret_of(person)), "password": PASSWORD}
    client.post(reverse(PAGE), said)
    assert is_in(client)
    assert client.get("/api/v1/rollouts").status_code == 200


def test_a_role_that_demands_one_confirms_nothing_without_it(settings):
    settings.SECOND_FACTOR_ROLES = ["architect"]

    with pytest.raises(NotAllowed) as refusal:
        require_password(with_password(an_actor("architect")))

    assert refusal.value.code == "SECOND_FACTOR_REQUIRED"
    require_password(with_password(an_actor("qa")))


# Taking it off


def test_taking_it_off_takes_password_and_code(client):
    person, secret, _ = enrolled("engineer")
    client.force_login(person, BACKEND)
    said = {"password": PASSWORD, "code": code_now(secret), "take_off": "1"}

    for missing in ("password", "code"):
        refused = client.post(reverse(PAGE), said | {missing: "wrong"})
        assert refused.status_code == 422
    client.post(reverse(PAGE), said)

    person.refresh_from_db()
    assert person.second_factor_since is None
    assert not SecondFactor.objects.filter(person=person).exists()
    assert not RecoveryCode.objects.filter(person=person).exists()
    assert the_last_line()[1] == Verb.SECOND_FACTOR_REMOVED
    assert is_in(client)


def test_new_recovery_codes_replace_the_old(client):
    person, secret, old = enrolled("engineer")
    client.force_login(person, BACKEND)

    said = {"password": PASSWORD, "code": code_now(secret), "renew": "1"}
    shown = client.post(reverse(PAGE), said)

    assert shown.content.count(b'<li class="mono">') == 10
    with pytest.raises(second_factors.WrongCode):
        second_factors.check(person.pk, old[0])
    assert the_last_line()[1] == Verb.RECOVERY_CODES_RENEWED


def test_an_administrator_helps_whoever_has_lost_it(client):
    person, _, _ = enrolled("engineer")
    administrator = with_password(an_actor("administrator"))

    second_factors.remove(person.pk, by=administrator, reason="lost the telephone")

    person.refresh_from_db()
    assert person.second_factor_since is None
    assert person.credentials_reset_at is not None
    sign_in(client, person)
    assert is_in(client)


def test_nobody_else_does_and_nobody_helps_themselves():
    person, _, _ = enrolled("administrator")
    proven = actors.for_person(
        person, authenticated_by=Authentication.PASSWORD_AND_CODE
    )

    with pytest.raises(NotAllowed, match="own second factor"):
        second_factors.remove(person.pk, by=proven, reason="mine")
    with pytest.raises(NotAllowed, match="takes one of: administrator"):
        second_factors.remove(
            person.pk, by=with_password(an_actor("architect")), reason="theirs"
        )


@pytest.mark.django_db(transaction=True)
def test_of_many_with_the_same_code_one_gets_through():
    person, secret, _ = enrolled("engineer")
    code = code_now(secret)

    def attempt(_: int) -> bool:
        try:
            second_factors.check(person.pk, code)
        except second_factors.WrongCode:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(8))) == 1
