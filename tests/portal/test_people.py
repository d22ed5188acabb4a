from datetime import timedelta

import pytest

from portal import clock
from portal.domain.roles import May, Role
from portal.domain.verbs import Verb
from portal.errors import Conflict, Invalid, NotAllowed
from portal.models import RoleGrant
from portal.services import actors, people
from portal.services.access import may, require
from tests.builders import a_person, an_actor, the_last_line

pytestmark = pytest.mark.django_db


def test_roles_are_set_freely_until_somebody_signs_in():
    person = a_person("architect")
    people.sign_in(by=actors.for_person(person))

    with pytest.raises(NotAllowed) as refusal:
        people.install_role(
            person.pk, Role.QA, by=actors.host(), reason="one more role"
        )

    assert refusal.value.code == "INSTALLATION_IS_OVER"
    assert person.role_grants.get().at_installation


def test_nobody_asks_for_a_role_for_themselves():
    administrator = an_actor("administrator")

    with pytest.raises(NotAllowed) as refusal:
        people.request_role(
            administrator.person.pk, Role.ARCHITECT, by=administrator, reason="me"
        )

    assert refusal.value.code == "CANNOT_GRANT_TO_ONESELF"


def test_a_revoked_role_is_gone_at_once():
    engineer = an_actor("engineer")
    require(engineer, May.PROPOSE_CHANGE)

    people.revoke_role(
        engineer.person.pk,
        Role.ENGINEER,
        by=an_actor("administrator"),
        reason="moved on",
    )

    with pytest.raises(NotAllowed):
        require(engineer, May.PROPOSE_CHANGE)


def test_a_deactivated_person_may_do_nothing_and_keeps_their_name():
    operator = an_actor("operator", name="An Operator")
    people.deactivate(operator.person.pk, by=an_actor("administrator"), reason="left")
    operator.person.refresh_from_db()

    with pytest.raises(NotAllowed):
        require(operator, May.ENGAGE_SWITCH)
    assert operator.name == "An Operator"


def test_a_new_role_waits_a_day_and_so_does_whoever_was_given_a_new_password():
    person = a_person("architect")
    (installed,) = person.role_grants.all()
    now = clock.now()
    new = RoleGrant(person=person, role="qa", granted_at=now)

    assert people.signs_from(installed) <= now
    assert people.signs_from(new) == now + timedelta(hours=24)
    person.credentials_reset_at = now + timedelta(hours=1)
    assert people.signs_from(new) == now + timedelta(hours=25)


def test_the_superuser_bit_means_nothing():
    person = a_person()
    person.is_superuser = True
    person.save_as(actors.host(), reason="trying")

    assert not may(actors.for_person(person), May.READ)
    assert not person.has_perm("portal.view_person")


def test_a_weak_password_is_refused_with_the_reason():
    person = a_person()

    with pytest.raises(Invalid, match="at least 15"):
        people.change_password(
            person.pk, "short", by=actors.for_person(person), reason="mine"
        )


def test_changing_ones_own_password_ends_the_duty_to_change_it():
    person = a_person()
    actor = actors.for_person(person)

    people.change_password(
        person.pk, "a new and long password", by=actor, reason="first sign-in"
    )

    person.refresh_from_db()
    assert not person.must_change_password
    assert the_last_line() == (actor.name, Verb.PASSWORD_CHANGED, "first sign-in")


def test_others_do_not_change_it():
    with pytest.raises(NotAllowed):
        people.change_password(
            a_person().pk,
            "a new and long password",
            by=an_actor("architect"),
            reason="helping",
        )


def test_a_name_is_taken_once():
    person = a_person()

    with pytest.raises(Conflict):
        people.invite(person.username, by=actors.host(), reason="again")
