"""Who may sign, what is signed, and until when: plain rules."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drills.domain.duties import Duties, assignments
from drills.domain.release_gates import GATE_F
from drills.domain.signoffs import (
    About,
    Cause,
    Circumstances,
    Delegated,
    Difference,
    Grant,
    Said,
    Signer,
    SigningRole,
    Tick,
    Verdict,
    check_said,
    lapse,
    obstacles,
    statement,
)
from portal.domain.people import WAITS
from portal.errors import Invalid

NOW = datetime(2026, 11, 17, 22, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=100)
ARCHITECT, QA = SigningRole.ARCHITECT, SigningRole.QA


def a_signer(person: int = 1, role: SigningRole = ARCHITECT, **said) -> Signer:
    grant = said.pop("grant", Grant(number=person, person=person, granted_at=LONG_AGO))
    base = {"person": person, "name": f"person {person}", "role": role}
    return Signer(**{**base, "is_active": True, "grant": grant, **said})


def codes(signer: Signer, *, involved=None, others=()) -> list[str]:
    found = obstacles(signer, involved=involved or {}, others=others, now=NOW)
    return [each.code for each in found]


def test_of_the_256_assignments_of_four_people_48_are_legal():
    every = assignments(range(4))

    legal = [each for each in every if each.is_legal]

    assert len(every) == 256
    assert len(legal) == 48
    assert sum(each.author == each.conductor for each in legal) == 24
    assert all(
        len({each.architect, each.qa} | {each.author, each.conductor})
        == 2 + len({each.author, each.conductor})
        for each in legal
    )


@pytest.mark.parametrize("duties", assignments(range(4)))
def test_the_rules_let_exactly_the_legal_assignments_pass(duties: Duties):
    involved = {duties.author: ["author"], duties.conductor: ["conductor"]}
    architect = a_signer(duties.architect, ARCHITECT)
    qa = a_signer(duties.qa, QA)

    passes = not codes(architect, involved=involved) and not codes(
        qa, involved=involved, others=[architect]
    )

    assert passes == duties.is_legal


@given(
    people=st.lists(st.integers(0, 5), min_size=2, max_size=2),
    involved=st.sets(st.integers(0, 5)),
    givers=st.lists(st.none() | st.integers(0, 5), min_size=2, max_size=2),
)
def test_no_two_signatures_ever_share_a_person_or_touch_who_was_involved(
    people, involved, givers
):
    signers = [
        a_signer(
            person,
            role,
            delegated=None
            if giver is None
            else Delegated(
                giver=giver,
                giver_name=f"person {giver}",
                until=NOW + timedelta(days=1),
            ),
        )
        for person, giver, role in zip(people, givers, (ARCHITECT, QA), strict=True)
    ]
    parts = {person: ["author of change 1"] for person in involved}

    both = not codes(signers[0], involved=parts) and not codes(
        signers[1], involved=parts, others=[signers[0]]
    )

    behind = [each.people for each in signers]
    is_clean = not (behind[0] & behind[1]) and not (involved & (behind[0] | behind[1]))
    assert both == is_clean


def test_a_role_waits_a_day_unless_it_was_there_at_the_installation():
    fresh = NOW - WAITS + timedelta(seconds=1)

    young = Grant(number=1, person=1, granted_at=fresh)
    aged = Grant(number=1, person=1, granted_at=NOW - WAITS)
    installed = Grant(number=1, person=1, granted_at=fresh, at_installation=True)

    assert codes(a_signer(grant=young)) == ["ROLE_TOO_YOUNG"]
    assert codes(a_signer(grant=aged)) == []
    assert codes(a_signer(grant=installed)) == []


def test_whoever_got_another_password_from_somebody_waits_a_day_and_not_backwards():
    def holder(reset_at: datetime | None) -> Signer:
        held = Grant(number=1, person=1, granted_at=LONG_AGO, reset_at=reset_at)
        return a_signer(grant=held, reset_at=reset_at)

    assert codes(holder(NOW - WAITS + timedelta(seconds=1))) == ["CREDENTIALS_TOO_NEW"]
    assert codes(holder(NOW - WAITS)) == []
    assert codes(holder(NOW + timedelta(seconds=1))) == []  # it was signed before


@pytest.mark.parametrize("whose", ["signer", "giver"])
def test_a_new_password_of_either_side_of_a_delegation_waits(whose):
    lately = NOW - timedelta(hours=1)
    given = Delegated(giver=2, giver_name="person 2", until=NOW + timedelta(days=1))
    held = Grant(
        number=2,
        person=2,
        granted_at=LONG_AGO,
        reset_at=lately if whose == "giver" else None,
    )

    deputy = a_signer(
        grant=held, delegated=given, reset_at=lately if whose == "signer" else None
    )

    assert codes(deputy) == ["CREDENTIALS_TOO_NEW"]
    (said,) = obstacles(deputy, involved={}, others=(), now=NOW)
    assert ("person 1" if whose == "signer" else "whoever delegated") in said.says


@pytest.mark.parametrize(("mine", "theirs"), list(product([True, False], repeat=2)))
def test_nobody_signs_beside_whom_they_gave_the_role_in_either_direction(mine, theirs):
    def grant(person: int, by: int | None) -> Grant:
        granters = frozenset({by} if by else ())
        return Grant(
            number=person, person=person, granted_at=LONG_AGO, granters=granters
        )

    one = a_signer(1, ARCHITECT, grant=grant(1, 2 if mine else None))
    two = a_signer(2, QA, grant=grant(2, 1 if theirs else None))

    assert ("ROLE_FROM_COSIGNER" in codes(one, others=[two])) == (mine or theirs)


def test_who_is_gone_or_has_lost_the_role_does_not_sign():
    assert codes(a_signer(is_active=False)) == ["PERSON_INACTIVE"]
    assert codes(a_signer(grant=None)) == ["ROLE_NOT_HELD"]


def test_a_delegation_that_is_over_signs_nothing():
    over = Delegated(giver=2, giver_name="person 2", until=NOW)
    later = NOW + timedelta(days=1)
    taken_back = Delegated(giver=2, giver_name="person 2", until=later, is_ended=True)

    for each in (over, taken_back):
        assert codes(a_signer(delegated=each)) == ["DELEGATION_ENDED"]


# What is signed


def all_ticked(note: str = "") -> tuple[Tick, ...]:
    return tuple(
        Tick(item=each.key, is_ticked=True, note=note) for each in GATE_F.rubric
    )


ABOUT = About(
    rollout="r", letter="F", gate=GATE_F, version=1, number=3, pack_hash="sha256:ab"
)


@given(
    name=st.text(min_size=1, max_size=20),
    note=st.text(max_size=50),
    verdict=st.sampled_from(Verdict),
)
def test_a_statement_says_who_as_what_of_which_pack_and_is_the_same_twice(
    name, note, verdict
):
    said = Said(verdict=verdict, ticks=all_ticked(), note=note)
    signer = a_signer(name=name)

    text = statement(said, signer, ABOUT)

    assert text == statement(said, signer, ABOUT)
    assert name in text
    assert "as architect of release gate F" in text
    assert "sha256:ab" in text
    assert note.strip() in text
    assert text.count("[x]") == len(GATE_F.rubric) + note.count("[x]") + name.count(
        "[x]"
    )


def test_another_verdict_or_note_is_another_statement():
    base = Said(verdict=Verdict.PASS, ticks=all_ticked())

    texts = {
        statement(each, a_signer(), ABOUT)
        for each in (
            base,
            Said(verdict=Verdict.CHANGES_REQUIRED, ticks=all_ticked()),
            Said(verdict=Verdict.PASS, ticks=all_ticked("looked twice")),
            Said(verdict=Verdict.PASS, ticks=all_ticked(), note="fine"),
        )
    }

    assert len(texts) == 4


def test_a_judgement_says_something_of_every_item():
    check_said(Said(verdict=Verdict.PASS, ticks=all_ticked()), GATE_F)

    for wrong in (
        Said(verdict=Verdict.PASS, ticks=all_ticked()[1:]),
        Said(verdict=Verdict.PASS, ticks=(Tick(item="off", is_ticked=False),)),
        Said(verdict=Verdict.CHANGES_REQUIRED, ticks=all_ticked()),
        Said(verdict=Verdict.PASS, ticks=all_ticked(), note="x" * 2001),
    ):
        with pytest.raises(Invalid):
            check_said(wrong, GATE_F)


# Until when


def when(**said) -> Circumstances:
    return Circumstances(now=NOW, **said)


def test_a_signature_counts_until_something_ends_it():
    until = NOW + timedelta(days=1)

    assert lapse(a_signer(), until, when()) is None
    assert lapse(a_signer(), NOW, when()).cause == Cause.EXPIRED
    assert lapse(a_signer(is_active=False), until, when()).cause == Cause.ROLE_LOST
    assert lapse(a_signer(grant=None), until, when()).cause == Cause.ROLE_LOST


def test_a_change_of_evidence_is_told_before_anything_else():
    changed = Difference("Flags document", "12 flags", "13 flags")

    found = lapse(
        a_signer(grant=None), NOW, when(differences=(changed,), incidents=["i"])
    )

    assert found.cause == Cause.EVIDENCE_CHANGED
    assert found.differences == (changed,)
    assert "Flags document" in found.says


def test_a_serious_incident_ends_it():
    found = lapse(a_signer(), NOW + timedelta(days=1), when(incidents=["incident 7"]))

    assert found.cause == Cause.INCIDENT
    assert "incident 7" in found.says
