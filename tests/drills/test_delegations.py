"""Delegations: named, in one role, short, and around nobody's exclusion."""

from datetime import timedelta

import pytest

from drills.domain.signoffs import SigningRole
from drills.services import (
    delegations,
    release_gates,
    signatures,
)
from portal import clock
from portal.errors import Invalid, NotAllowed
from portal.services import actors
from tests.builders import an_actor, with_password
from tests.drills.signing import (
    a_pack,
    a_ready_gate,
    sign,
)
from tests.rollout.builders import KEY

pytestmark = pytest.mark.django_db


def code_of(caught) -> str:
    return caught.value.code


def standing(gate):
    return signatures.of_gate(release_gates.find(KEY, gate.letter))


def test_a_delegate_signs_for_a_named_person_in_one_role():
    gate = a_ready_gate()
    architect = with_password(an_actor("architect", name="Ada Example"))
    helper = an_actor("operator", name="Bo Deputy")
    given = delegations.give(
        SigningRole.ARCHITECT,
        helper.person.pk,
        clock.now() + timedelta(days=3),
        by=architect,
        reason="I am away.",
    )
    pack = a_pack(gate)

    signed = sign(pack, "architect", by=helper, delegation_id=given.pk)
    with pytest.raises(NotAllowed):
        sign(pack, "qa", by=helper, delegation_id=given.pk)
    sign(pack, "qa")

    assert "I, Bo Deputy, sign for Ada Example as architect" in signed.statement
    assert signed.expires_at == given.until
    assert standing(gate).is_signed
    delegations.end(given.pk, by=architect, reason="I am back.")
    assert not standing(gate).is_signed


@pytest.mark.parametrize("days", [0, 15])
def test_a_delegation_lasts_a_fortnight_at_most(days):
    architect = with_password(an_actor("architect"))

    with pytest.raises(Invalid):
        delegations.give(
            SigningRole.ARCHITECT,
            an_actor("operator").person.pk,
            clock.now() + timedelta(days=days),
            by=architect,
            reason="t",
        )


def test_nobody_delegates_to_somebody_excluded_nor_around_their_own_exclusion():
    gate = a_ready_gate()
    submitter = an_actor("engineer")
    pack = a_pack(gate, by=submitter)
    until = clock.now() + timedelta(days=1)
    with pytest.raises(NotAllowed) as caught:
        delegations.give(
            SigningRole.ARCHITECT,
            submitter.person.pk,
            until,
            by=with_password(an_actor("architect")),
            reason="t",
        )
    assert code_of(caught) == "INVOLVED"
    both = with_password(an_actor("architect", "engineer"))
    given = delegations.give(
        SigningRole.ARCHITECT, an_actor("qa").person.pk, until, by=both, reason="t"
    )
    pack = a_pack(gate, by=both)

    with pytest.raises(NotAllowed) as around:
        sign(
            pack,
            "architect",
            by=actors.for_person(given.receiver),
            delegation_id=given.pk,
        )

    assert code_of(around) == "INVOLVED"


def test_who_has_signed_for_somebody_leaves_the_other_signature_to_a_third():
    gate = a_ready_gate()
    architect = with_password(an_actor("architect", "qa"))
    helper = an_actor("operator")
    given = delegations.give(
        SigningRole.ARCHITECT,
        helper.person.pk,
        clock.now() + timedelta(days=1),
        by=architect,
        reason="t",
    )
    pack = a_pack(gate)
    sign(pack, "architect", by=helper, delegation_id=given.pk)

    with pytest.raises(NotAllowed) as caught:
        sign(pack, "qa", by=architect)

    assert code_of(caught) == "SIGNED_ALREADY"
