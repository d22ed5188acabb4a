"""Release gates as data: what they may say, and what makes evidence another."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drills.domain.packs import Row, differences, evidence_digest, troubles
from drills.domain.release_gates import (
    GATE_F,
    Reading,
    Source,
    State,
    check_letter,
    read,
)
from drills.domain.scenarios import Scenario
from portal.errors import Invalid


def test_gate_f_ships_with_the_rubric_the_four_checks_and_the_four_drills():
    of = {source: [] for source in Source}
    for each in GATE_F.requirements:
        of[each.source].append(each.of)

    assert set(of[Source.DRILL]) == set(Scenario)
    assert len(of[Source.VERIFICATION]) == 4
    assert all(of[source] for source in Source)
    assert read(GATE_F.to_json()) == GATE_F


def broken(**change):
    return {**copy.deepcopy(GATE_F.to_json()), **change}


@pytest.mark.parametrize(
    ("raw", "place"),
    [
        ({}, "/title"),
        (broken(title=" "), "/title"),
        (broken(extra=1), "/extra"),
        (broken(rubric=[]), "/rubric"),
        (broken(rubric=["x"]), "/rubric/0"),
        (broken(rubric=[{"key": "A b", "says": "x"}]), "/rubric/0/key"),
        (broken(rubric=[{"key": "off", "says": "x"}] * 2), "/rubric/1/key"),
        (broken(requirements=[]), "/requirements"),
        (broken(requirements=[{"key": "k"}]), "/requirements/0"),
    ],
)
def test_what_is_no_gate_is_refused_with_its_places(raw, place):
    with pytest.raises(Invalid) as refusal:
        read(raw)

    assert place in [each["pointer"] for each in refusal.value.facts["errors"]]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"item": "nothing"}, "item"),
        ({"source": "rumour"}, "source"),
        ({"source": "drill", "of": "juggling"}, "of"),
        ({"source": "verification", "of": ""}, "of"),
        ({"source": "flags", "of": "pause_resume"}, "of"),
        ({"is_waivable": "yes"}, "is_waivable"),
    ],
)
def test_a_requirement_names_an_item_and_a_source_that_there_are(change, place):
    raw = broken()
    raw["requirements"][0] |= change

    with pytest.raises(Invalid) as refusal:
        read(raw)

    places = [each["pointer"] for each in refusal.value.facts["errors"]]
    assert f"/requirements/0/{place}" in places


def test_an_item_that_rests_on_nothing_is_refused():
    raw = broken()
    raw["rubric"].append({"key": "hope", "says": "All will be well."})

    with pytest.raises(Invalid) as refusal:
        read(raw)

    assert "/rubric/6" in [e["pointer"] for e in refusal.value.facts["errors"]]


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_nonsense_is_refused_and_breaks_nothing(nonsense):
    for field in ("title", "rubric", "requirements"):
        with pytest.raises(Invalid):
            read(broken(**{field: nonsense if nonsense != "x" else None}) | {"z": 1})


@pytest.mark.parametrize("letter", ["", "G", "f", None, 6])
def test_gates_are_a_to_f(letter):
    with pytest.raises(Invalid):
        check_letter(letter)


# Evidence


def row(number: int = 0, state: State = State.MET, **rests_on) -> Row:
    reading = Reading(state=state, says="s", rests_on=rests_on, facts={"any": 1})
    return Row(GATE_F.requirements[number], reading)


def test_evidence_is_another_once_what_it_rests_on_or_its_state_is():
    before = [row(0, run=1), row(1, drill=2)]
    then = [each.to_json() for each in before]

    assert differences(then, before) == ()
    for other in (row(0, run=2), row(0, State.WANTING, run=1)):
        found = differences(then, [other, before[1]])
        assert [each.requirement for each in found] == ["Flags document"]


def test_what_is_required_more_or_no_more_is_a_difference_too():
    then = [row(0).to_json()]

    more = differences(then, [row(0), row(1)])
    less = differences(then, [])

    assert [each.before for each in more] == ["was not required"]
    assert [each.after for each in less] == ["is not required any more"]


def test_facts_may_grow_without_changing_the_evidence():
    one = Reading(state=State.MET, says="5 runs", rests_on={"a": 1}, facts={"n": 5})
    two = Reading(state=State.MET, says="9 runs", rests_on={"a": 1}, facts={"n": 9})

    assert one.digest == two.digest
    assert evidence_digest([row()], gate="g") != evidence_digest([row()], gate="h")


@pytest.mark.parametrize("state", [each for each in State if each != State.MET])
def test_whatever_is_not_met_is_said(state):
    assert len(troubles([row(0, state), row(1)])) == 1
