from datetime import timedelta

import pytest
import time_machine
from django.db import IntegrityError, transaction

from portal.domain.approvals import ApprovalState
from portal.domain.roles import Role
from portal.domain.verbs import Verb
from portal.errors import NotAllowed, WrongMoment
from portal.models import Approval, Authentication
from portal.services import actors, approvals, people
from tests.builders import a_person, an_actor, the_last_line, with_password

pytestmark = pytest.mark.django_db


@pytest.fixture
def administrator():
    return an_actor("administrator")


@pytest.fixture
def architect():
    return an_actor("architect", authenticated_by=Authentication.PASSWORD)


def a_request(by) -> Approval:
    return people.request_role(a_person().pk, Role.OPERATOR, by=by, reason="on call")


def test_what_one_asks_for_another_confirms(administrator, architect):
    approval = a_request(administrator)

    approvals.confirm(approval.pk, by=architect, reason="known to me")

    grant = approval.requester_person.__class__.objects.get(
        pk=approval.subject_id
    ).role_grants.get()
    assert grant.role == Role.OPERATOR
    assert (grant.granted_by, grant.confirmed_by) == (administrator, architect)
    assert the_last_line() == (
        architect.name,
        Verb.APPROVAL_CONFIRMED,
        "known to me",
    )


def test_nobody_confirms_what_they_asked_for(administrator):
    approval = a_request(administrator)

    with pytest.raises(NotAllowed) as refusal:
        approvals.confirm(
            approval.pk, by=with_password(administrator), reason="me again"
        )

    assert refusal.value.code == "CANNOT_CONFIRM_OWN_REQUEST"


def test_the_database_refuses_one_person_in_both_parts_too(administrator):
    approval = a_request(administrator)
    approval.state = ApprovalState.CONFIRMED
    approval.decider_person = administrator.person

    with (
        pytest.raises(IntegrityError, match="confirmed_by_another_person"),
        transaction.atomic(),
    ):
        approval.save_as(administrator, reason="sneaky")


def test_confirming_takes_the_password_again(administrator):
    approval = a_request(administrator)
    architect = an_actor("architect")

    with pytest.raises(NotAllowed) as refusal:
        approvals.confirm(approval.pk, by=architect, reason="fine")

    assert refusal.value.code == "PASSWORD_REQUIRED"


def test_a_role_that_may_not_confirm_is_told_who_may(administrator):
    approval = a_request(administrator)
    operator = an_actor("operator", authenticated_by=Authentication.PASSWORD)

    with pytest.raises(NotAllowed, match="architect, administrator"):
        approvals.confirm(approval.pk, by=operator, reason="fine")


def test_a_request_is_void_once_its_ground_has_moved(administrator, architect):
    approval = a_request(administrator)
    people.deactivate(int(approval.subject_id), by=administrator, reason="left")

    with pytest.raises(WrongMoment) as refusal:
        approvals.confirm(approval.pk, by=architect, reason="fine")

    assert refusal.value.code == "APPROVAL_STALE"


def test_an_old_request_confirms_nothing(administrator, architect):
    approval = a_request(administrator)

    with (
        time_machine.travel(approval.expires_at + timedelta(seconds=1), tick=False),
        pytest.raises(WrongMoment) as refusal,
    ):
        approvals.confirm(approval.pk, by=architect, reason="fine")

    assert refusal.value.code == "APPROVAL_EXPIRED"


def test_asking_again_replaces_what_was_asked(administrator, architect):
    first = a_request(administrator)
    people.request_role(
        int(first.subject_id), Role.QA, by=administrator, reason="no, as QA"
    )

    with pytest.raises(WrongMoment):
        approvals.confirm(first.pk, by=architect, reason="fine")

    first.refresh_from_db()
    assert first.state == ApprovalState.VOIDED


def test_only_the_requester_withdraws(administrator):
    approval = a_request(administrator)

    with pytest.raises(NotAllowed):
        approvals.withdraw(approval.pk, by=an_actor("administrator"), reason="not mine")

    approvals.withdraw(approval.pk, by=administrator, reason="changed my mind")
    approval.refresh_from_db()
    assert approval.state == ApprovalState.WITHDRAWN


def test_a_rejected_request_stays_rejected(administrator, architect):
    approval = a_request(administrator)
    approvals.reject(approval.pk, by=architect, reason="unknown to me")

    with pytest.raises(WrongMoment):
        approvals.confirm(approval.pk, by=architect, reason="after all")


def test_the_host_cannot_ask_for_exposure():
    with pytest.raises(NotAllowed) as refusal:
        people.request_role(
            a_person().pk, Role.QA, by=actors.host(), reason="from a shell"
        )

    assert refusal.value.code == "PERSON_REQUIRED"
