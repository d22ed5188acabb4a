"""The matrix: its rows, what they match, and what is no row."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drills.domain.baseline import ROWS
from drills.domain.matrix import check_key, index, match, read
from drills.domain.signs import (
    EXPLAINED_BY,
    OF_TRIGGER,
    Origin,
    Sign,
    explained,
    of_trigger,
    saying,
    title,
)
from portal.domain.canonical import digest_of
from portal.errors import Conflict, Invalid
from rollout.domain.triggers import TriggerKind
from rollout.services.consequences import Cause

VALID = ROWS["silent-hang"].to_json()


def test_thirteen_rows_ship_each_with_everything():
    assert len(ROWS) == 13
    for key, row in ROWS.items():
        check_key(key)
        assert read(row.to_json()) == row
        assert row.matches
        assert len(row.diagnosis) >= 3


def test_no_sign_has_two_rows():
    found = index(ROWS)

    assert len(found) == sum(len(row.matches) for row in ROWS.values())
    with pytest.raises(Conflict, match="silent-hang and twin"):
        index({**ROWS, "twin": ROWS["silent-hang"]})


def test_the_row_of_a_gate_goes_before_the_row_of_any_gate():
    any_gate = read({**VALID, "matches": [{"sign": "hard_gate_failed", "gate": ""}]})
    found = index({**ROWS, "any-gate": any_gate})

    assert match(found, Origin("hard_gate_failed", "B")) == "wave-output-invalid"
    assert match(found, Origin("hard_gate_failed", "A")) == "any-gate"
    assert match(found, Origin("unheard_of")) is None
    assert match(index(ROWS), Origin("timed_out", "B")) == "silent-hang"


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("/symptom", ""),
        ("/symptom", "x" * 501),
        ("/symptom", None),
        ("/symptom", "a\x00b"),
        ("/severity", 0),
        ("/severity", 5),
        ("/severity", True),
        ("/severity", "1"),
        ("/diagnosis", []),
        ("/diagnosis", ["step"] * 31),
        ("/diagnosis", "step"),
        ("/diagnosis/0", [" "]),
        ("/artifacts/0", [7]),
        ("/rollback_trigger", 7),
        ("/fallback_action", []),
        ("/matches", "timed_out"),
        ("/matches/0", ["timed_out"]),
        ("/matches/0", [{"sign": "timed_out"}]),
        ("/matches/0", [{"sign": "TIMED OUT", "gate": ""}]),
        ("/matches/0", [{"sign": "timed_out", "gate": "G"}]),
        ("/unheard_of", "x"),
    ],
)
def test_what_is_no_row_is_refused_with_the_place(place, value):
    name = place.split("/")[1]

    with pytest.raises(Invalid) as refused:
        read({**VALID, name: value})

    assert place in [each["pointer"] for each in refused.value.facts["errors"]]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(name=st.sampled_from([*VALID, "other"]), value=json_values)
def test_whatever_is_proposed_is_a_row_or_refused(name, value):
    raw = {**VALID, name: value}

    try:
        row = read(raw)
    except Invalid:
        return
    assert read(json.loads(json.dumps(row.to_json()))) == row
    digest_of(row.to_json())


@pytest.mark.parametrize("key", ["", "A", "x" * 61, "-a", "a b", None, 7, "a/b"])
def test_a_key_fits_into_an_address(key):
    with pytest.raises(Invalid):
        check_key(key)


# Signs


@pytest.mark.parametrize("kind", TriggerKind)
def test_every_trigger_is_a_sign_of_something_with_a_title(kind):
    found = of_trigger(kind, ["C", "B"])

    assert found.sign in set(Sign)
    assert title(found)


def test_triggers_about_one_thing_are_signs_of_one_thing():
    assert of_trigger("hard_gate_failed", ["C", "B"]) == Origin("hard_gate_failed", "B")
    assert of_trigger("outputs_unparseable") == Origin("hard_gate_failed", "B")
    assert of_trigger("citations_failing") == Origin("hard_gate_failed", "C")
    assert of_trigger("run_hung") == Origin("timed_out")
    assert set(OF_TRIGGER) <= set(TriggerKind)


@pytest.mark.parametrize("cause", Cause)
def test_every_cause_is_a_sign_and_says_something(cause):
    assert saying(Origin(cause)).endswith(".")
    assert cause == Cause.TRIGGER_FIRED or cause in set(Sign)


def test_a_symptom_explains_what_follows_from_it_and_nothing_else():
    for follows, cause in EXPLAINED_BY.items():
        assert explained(follows, [cause]) == Origin(cause)
        assert explained(follows, ["another"]) == follows
    assert explained(Origin("hard_gate_failed", "B"), ["sources_blocked"]).gate == "B"
