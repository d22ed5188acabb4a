"""Signing: two people who had no part in it, what was shown, and until when."""

from datetime import timedelta

import pytest
import time_machine
from django.db import IntegrityError, connection, transaction

from drills.domain.signoffs import SigningRole, Verdict
from drills.models import Signoff
from drills.services import (
    packs,
    release_gates,
    signatures,
    signoffs,
)
from portal import clock
from portal.domain.roles import Role
from portal.errors import Conflict, Invalid, NotAllowed, WrongMoment
from portal.models import LedgerEntry, RoleGrant
from portal.services import actors, approvals, people
from tests.builders import a_person, an_actor, with_password
from tests.drills.signing import (
    a_pack,
    a_ready_gate,
    a_signed_gate,
    a_verification,
    passed,
    sent_back,
    sign,
)
from tests.rollout.builders import KEY

pytestmark = pytest.mark.django_db


def code_of(caught) -> str:
    return caught.value.code


def standing(gate):
    return signatures.of_gate(release_gates.find(KEY, gate.letter))


def test_a_gate_is_signed_by_an_architect_and_by_qa():
    gate, pack = a_signed_gate()

    found = standing(gate)

    assert found.is_signed, found.says
    assert {each.signoff.role for each in found.round.standings} == {"architect", "qa"}
    verbs = LedgerEntry.objects.filter(verb="drills.release_gate.signed")
    assert [entry.subject_type for entry in verbs] == ["drills.signoff"] * 2
    assert f'"pack_hash":"{pack.pack_hash}"' in verbs[0].body


def test_one_signature_is_not_enough():
    gate = a_ready_gate()
    pack = a_pack(gate)

    sign(pack, "qa")

    found = standing(gate)
    assert not found.is_signed
    assert "the signature of an architect is missing" in found.says


def test_the_statement_that_was_shown_is_the_one_that_is_kept():
    pack = a_pack(a_ready_gate())
    architect = an_actor("architect", name="Ada Example")
    drafted = signoffs.draft(
        pack.pack_hash, SigningRole.ARCHITECT, passed(note="Fine."), by=architect
    )

    signed = sign(pack, "architect", by=architect, said=passed(note="Fine."))

    assert signed.statement == drafted.statement
    assert signed.statement.startswith("I, Ada Example, sign as architect of release")
    assert pack.pack_hash in signed.statement


def test_another_statement_than_the_one_shown_is_not_signed():
    pack = a_pack(a_ready_gate())
    architect = with_password(an_actor("architect"))
    drafted = signoffs.draft(
        pack.pack_hash, SigningRole.ARCHITECT, passed(), by=architect
    )

    with pytest.raises(Conflict) as caught:
        signoffs.sign(
            pack.pack_hash,
            SigningRole.ARCHITECT,
            passed(note="One more word."),
            shown=drafted.digest,
            by=architect,
            reason="t",
        )

    assert code_of(caught) == "STATEMENT_CHANGED"
    assert not Signoff.objects.exists()


def test_signing_takes_the_password_again():
    pack = a_pack(a_ready_gate())
    architect = an_actor("architect")
    shown = signoffs.draft(
        pack.pack_hash, SigningRole.ARCHITECT, passed(), by=architect
    ).digest

    with pytest.raises(NotAllowed) as caught:
        signoffs.sign(
            pack.pack_hash,
            SigningRole.ARCHITECT,
            passed(),
            shown=shown,
            by=architect,
            reason="t",
        )

    assert code_of(caught) == "PASSWORD_REQUIRED"


def test_whoever_had_the_pack_made_does_not_sign_it():
    gate = a_ready_gate()
    both = an_actor("architect", "engineer")
    pack = a_pack(gate, by=both)

    with pytest.raises(NotAllowed) as caught:
        sign(pack, "architect", by=both)

    assert code_of(caught) == "INVOLVED"
    assert "submitter of pack 1" in str(caught.value)


def test_a_superuser_is_nobody_here():
    gate = a_ready_gate()
    both = an_actor("architect", "engineer")
    both.person.is_superuser = True
    both.person.save_as(actors.host(), reason="t")
    pack = a_pack(gate, by=both)

    with pytest.raises(NotAllowed):
        sign(pack, "architect", by=both)


def test_one_person_does_not_sign_twice_under_two_roles():
    pack = a_pack(a_ready_gate())
    both = an_actor("architect", "qa")
    sign(pack, "architect", by=both)

    with pytest.raises(NotAllowed) as caught:
        sign(pack, "qa", by=both)

    assert code_of(caught) == "SIGNED_ALREADY"


def test_the_database_refuses_a_signature_by_somebody_involved():
    gate = a_ready_gate()
    pack = a_pack(gate)
    signed = sign(pack, "architect")
    involved = pack.participants.first().person

    for change in (
        {"person_id": involved.pk},
        {"pack_hash": "sha256:" + "0" * 64},
        {"grant_id": RoleGrant.objects.filter(role="engineer").first().pk},
    ):
        copy = Signoff.objects.get(pk=signed.pk)
        values = {
            f.attname: getattr(copy, f.attname)
            for f in Signoff._meta.concrete_fields
            if f.name != "id"
        }
        qa = an_actor("qa").person
        values |= {
            "role": "qa",
            "person_id": qa.pk,
            "grant_id": qa.role_grants.get().pk,
            **change,
        }
        with pytest.raises(IntegrityError), transaction.atomic():
            Signoff(**values).save()


def test_a_signature_is_never_changed_or_deleted():
    sign(a_pack(a_ready_gate()), "architect")

    for statement in (
        "UPDATE drills_signoff SET verdict = 'changes_required'",
        "DELETE FROM drills_signoff",
        "UPDATE drills_evidencepack SET is_complete = true",
    ):
        with (
            pytest.raises(IntegrityError),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)


def granted(role: str, *, by, confirmed_by, at=None):
    """A person who got the role from two people, while the portal was in use."""
    person = a_person()
    asked = people.request_role(person.pk, Role(role), by=by, reason="needed")
    approvals.confirm(asked.pk, by=with_password(confirmed_by), reason="fine")
    person.forget_roles()
    return actors.for_person(person)


def test_a_role_younger_than_a_day_does_not_sign():
    with time_machine.travel(clock.now(), tick=False) as now:
        gate = a_ready_gate()
        young = granted(
            "qa", by=an_actor("administrator"), confirmed_by=an_actor("administrator")
        )
        pack = a_pack(gate)
        with pytest.raises(NotAllowed) as caught:
            sign(pack, "qa", by=young)
        assert code_of(caught) == "ROLE_TOO_YOUNG"

        now.shift(timedelta(hours=24))
        sign(pack, "qa", by=young)

    assert Signoff.objects.get().role == "qa"


def test_whoever_was_given_a_new_password_signs_a_day_later_and_keeps_what_was_signed():
    with time_machine.travel(clock.now(), tick=False) as now:
        gate = a_ready_gate()
        architect, qa = an_actor("architect"), an_actor("qa")
        pack = a_pack(gate)
        sign(pack, "architect", by=architect)
        now.shift(timedelta(hours=1))
        for each in (architect, qa):
            people.reset_password(
                each.person.pk, by=an_actor("administrator"), reason="Forgotten."
            )
            each.person.refresh_from_db()

        with pytest.raises(NotAllowed) as caught:
            sign(pack, "qa", by=qa)
        now.shift(timedelta(hours=24))
        sign(pack, "qa", by=qa)

        assert code_of(caught) == "CREDENTIALS_TOO_NEW"
        assert standing(gate).is_signed, standing(gate).says


def test_a_role_from_the_other_signer_does_not_sign():
    with time_machine.travel(clock.now(), tick=False) as now:
        gate = a_ready_gate()
        architect = an_actor("architect")
        qa = granted("qa", by=an_actor("administrator"), confirmed_by=architect)
        now.shift(timedelta(hours=25))
        pack = a_pack(gate)
        sign(pack, "architect", by=architect)

        with pytest.raises(NotAllowed) as caught:
            sign(pack, "qa", by=qa)

    assert code_of(caught) == "ROLE_FROM_COSIGNER"


def test_asking_for_changes_closes_the_round():
    gate = a_ready_gate()
    pack = a_pack(gate)
    sign(pack, "qa", said=sent_back())

    with pytest.raises(WrongMoment) as caught:
        sign(pack, "architect")

    assert code_of(caught) == "ROUND_CLOSED"
    assert "asks for changes" in standing(gate).says
    again = a_pack(gate)
    sign(again, "architect")
    sign(again, "qa")
    assert standing(gate).is_signed


def test_a_later_round_that_is_sent_back_takes_the_gate_back():
    gate, _ = a_signed_gate()

    sign(a_pack(gate), "architect", said=sent_back())

    assert not standing(gate).is_signed


def test_a_pack_that_was_replaced_is_not_signed():
    gate = a_ready_gate()
    old = a_pack(gate)
    a_pack(gate)

    with pytest.raises(WrongMoment) as caught:
        sign(old, "architect")

    assert code_of(caught) == "PACK_SUPERSEDED"


def test_evidence_that_changed_between_looking_and_signing_is_not_signed():
    gate = a_ready_gate()
    pack = a_pack(gate)
    a_verification()

    with pytest.raises(WrongMoment) as caught:
        sign(pack, "architect")

    assert code_of(caught) == "EVIDENCE_CHANGED"
    named = {each["requirement"] for each in caught.value.facts["differences"]}
    assert len(named) == 4
    assert all("Verification" in each for each in named)


def test_a_pass_ticks_everything_and_a_rejection_says_why():
    pack = a_pack(a_ready_gate())

    with pytest.raises(Invalid) as unticked:
        sign(
            pack,
            "qa",
            said=sent_back("x").__class__(
                verdict=Verdict.PASS, ticks=sent_back().ticks
            ),
        )
    with pytest.raises(Invalid) as unsaid:
        sign(pack, "qa", said=sent_back(""))

    assert code_of(unticked) == code_of(unsaid) == "JUDGEMENT_INCOMPLETE"


def test_a_pack_that_lacks_something_is_made_and_not_signed():
    gate = a_ready_gate()
    run = a_verification(failed="fallback-path")
    pack = a_pack(gate)

    with pytest.raises(WrongMoment) as caught:
        sign(pack, "architect")

    assert code_of(caught) == "PACK_INCOMPLETE"
    wanting = f"Verification: Fallback path is wanting: run {run.pk}: failed"
    assert pack.troubles == [wanting]
    assert packs.said_in(pack)["is_complete"] is False
