"""Signatures count until something ends them, which is said, and stays so."""

from datetime import timedelta

import pytest
import time_machine

from drills.domain.incidents import Act, Severity
from drills.domain.scenarios import Scenario
from drills.domain.signoffs import Cause, SigningRole
from drills.models import SignoffLapse
from drills.services import (
    drills,
    release_gates,
    signatures,
)
from drills.services.signatures import round_of
from portal import clock
from portal.domain.roles import Role
from portal.errors import NotAllowed
from portal.services import actors, people
from rollout.services import changes, proposals
from tests.builders import an_actor
from tests.drills.builders import an_incident, move
from tests.drills.signing import (
    a_counting_drill,
    a_pack,
    a_ready_gate,
    a_signed_gate,
    sign,
)
from tests.rollout.builders import KEY, confirmed

pytestmark = pytest.mark.django_db


def code_of(caught) -> str:
    return caught.value.code


def standing(gate):
    return signatures.of_gate(release_gates.find(KEY, gate.letter))


def test_a_signature_expires_after_a_fortnight():
    with time_machine.travel(clock.now(), tick=False) as now:
        gate, pack = a_signed_gate()
        now.shift(timedelta(days=6))
        assert standing(gate).is_signed
        pack.gate.rollout  # noqa: B018
        now.shift(timedelta(days=8, seconds=1))

        found = standing(gate)

    assert not found.is_signed


def test_a_changed_flag_makes_signatures_stale_and_names_it():
    gate, _ = a_signed_gate()

    changes.propose(
        KEY,
        proposals.patch(
            [
                {
                    "op": "replace",
                    "path": "/flags/PAI_DR_CLI_MAX_WAVE1_AGENTS/maximum",
                    "value": 10,
                }
            ]
        ),
        by=an_actor("engineer"),
        reason="smaller",
    )

    found = standing(gate)
    assert not found.is_signed
    lapse = found.round.standings[0].lapse
    assert lapse.cause == Cause.EVIDENCE_CHANGED
    assert "Flags document" in {each.requirement for each in lapse.differences}


def test_a_new_serious_incident_makes_signatures_stale_for_good():
    gate, _ = a_signed_gate()
    incident = an_incident(severity=Severity.HIGH)
    during = standing(gate)
    for act in (Act.ACKNOWLEDGE, Act.MITIGATE, Act.RESOLVE):
        move(incident, act)

    after = standing(gate)

    assert not during.is_signed
    assert not after.is_signed
    assert after.round.standings[0].lapse.cause == Cause.INCIDENT


def test_a_small_incident_changes_nothing():
    gate, _ = a_signed_gate()

    an_incident(severity=Severity.LOW)

    assert standing(gate).is_signed


def test_a_role_that_is_taken_away_takes_its_signature_along_even_if_it_comes_back():
    gate, pack = a_signed_gate()
    qa = pack.signoffs.get(role="qa").person
    people.revoke_role(qa.pk, Role.QA, by=actors.host(), reason="left the team")
    lost = standing(gate)
    people.install_role(qa.pk, Role.QA, by=actors.host(), reason="came back")

    back = standing(gate)

    assert not lost.is_signed
    assert not back.is_signed
    assert back.round.by(SigningRole.QA).lapse.cause == Cause.ROLE_LOST


def test_somebody_who_is_deactivated_or_renamed_is_shown_as_they_signed():
    gate, pack = a_signed_gate()
    signed = pack.signoffs.get(role="architect")
    name = signed.name
    signed.person.full_name = "Somebody Else"
    signed.person.save_as(actors.host(), reason="married")
    renamed = standing(gate)
    people.deactivate(signed.person.pk, by=actors.host(), reason="left")

    gone = standing(gate)

    assert renamed.is_signed
    assert not gone.is_signed
    assert round_of(pack).by(SigningRole.ARCHITECT).signoff.name == name


def test_what_was_found_stale_stays_stale():
    gate, _ = a_signed_gate()
    incident = an_incident(severity=Severity.CRITICAL)
    made = signatures.look(gate.pk, by=actors.system(), reason="t")
    move(incident, Act.CANCEL)

    again = signatures.look(gate.pk, by=actors.system(), reason="t")

    assert len(made) == 2
    assert again == []
    assert SignoffLapse.objects.count() == 2
    assert not standing(gate).is_signed


def test_a_clock_that_is_set_back_brings_no_signature_back():
    with time_machine.travel(clock.now(), tick=False) as now:
        gate, _ = a_signed_gate()
        now.shift(timedelta(days=14, seconds=1))
        signatures.look(gate.pk, by=actors.system(), reason="t")

        now.shift(timedelta(days=-2))

        assert not standing(gate).is_signed
        assert SignoffLapse.objects.count() == 2


def test_a_clock_that_is_set_back_makes_no_role_old_enough():
    with time_machine.travel(clock.now(), tick=False) as now:
        gate = a_ready_gate()
        now.shift(timedelta(days=30))
        young = granted("qa")
        now.shift(timedelta(days=-30))
        pack = a_pack(gate)

        with pytest.raises(NotAllowed) as caught:
            sign(pack, "qa", by=young)

    assert code_of(caught) == "ROLE_TOO_YOUNG"


def granted(role: str):
    """Somebody who got the role from two people, while the portal was in use."""
    person = an_actor().person
    asked = people.request_role(
        person.pk, Role(role), by=an_actor("administrator"), reason="needed"
    )
    confirmed(asked)
    person.forget_roles()
    return actors.for_person(person)


def test_a_newer_drill_is_other_evidence():
    gate, pack = a_signed_gate()

    a_counting_drill(Scenario.PAUSE_RESUME, drills.stage_of(pack.gate.rollout))

    assert not standing(gate).is_signed
