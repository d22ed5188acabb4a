"""The difference between two configurations."""

import pytest
from hypothesis import given

from portal.errors import Conflict, Invalid
from rollout.domain.edits import (
    Edit,
    carried_out,
    conflicts,
    difference,
    digest,
    forced,
    patched,
)
from rollout.domain.flags import NO_WEB, WAVE1_AGENTS
from tests.rollout.domain.configurations import BASELINE, a_configuration, a_rule
from tests.rollout.domain.strategies import configurations

DEFAULT = f"/flags/{WAVE1_AGENTS}/default"


def test_an_edit_names_one_place_with_what_was_and_what_will_be():
    fewer = a_configuration(("replace", DEFAULT, 3))

    assert difference(BASELINE, fewer) == [Edit(DEFAULT, 6, 3)]
    assert Edit(DEFAULT, 6, 3).to_json() == {"path": DEFAULT, "before": 6, "after": 3}


def test_what_is_new_or_gone_has_one_side_only():
    grown = a_configuration(
        ("add", "/segments/s", {"description": "", "conditions": [{"segment": "x"}]})
    )

    (new,) = difference(BASELINE, grown)
    (gone,) = difference(grown, BASELINE)

    assert new.to_json().keys() == {"path", "after"}
    assert gone.to_json().keys() == {"path", "before"}


def test_true_and_one_are_different_values():
    one = a_configuration(("replace", f"/flags/{NO_WEB}/default", 1))
    true = a_configuration(("replace", f"/flags/{NO_WEB}/default", True))

    assert difference(one, true) == [Edit(f"/flags/{NO_WEB}/default", 1, True)]


def test_stages_are_neither_added_nor_removed():
    less = a_configuration(("remove", "/stages/broad-rollout", None))

    with pytest.raises(Invalid) as refusal:
        difference(BASELINE, less)

    assert refusal.value.code == "STAGES_ARE_FIXED"


@given(configurations(), configurations())
def test_carrying_out_the_difference_leads_there(old, new):
    edits = difference(old, new)

    assert carried_out(old, edits) == new
    assert difference(new, carried_out(old, edits)) == []
    assert [Edit.from_json(edit.to_json()) for edit in edits] == edits


def test_an_edit_of_what_is_no_longer_there_is_a_conflict():
    edits = [Edit(DEFAULT, 6, 3)]
    moved = a_configuration(("replace", DEFAULT, 4))

    assert conflicts(moved, edits) == [{"path": DEFAULT, "expected": 6, "found": 4}]
    with pytest.raises(Conflict) as refusal:
        carried_out(moved, edits)
    assert refusal.value.facts["conflicts"]
    assert forced(moved, edits) == a_configuration(("replace", DEFAULT, 3))


def test_a_digest_is_of_the_edits_and_of_their_base():
    edits = [Edit(DEFAULT, 6, 3)]

    assert digest(edits, base="a") == digest(list(edits), base="a")
    assert digest(edits, base="a") != digest(edits, base="b")
    assert digest(edits, base="a") != digest([Edit(DEFAULT, 6, 4)], base="a")


@pytest.mark.parametrize(
    "patch",
    [
        [{"op": "replace", "path": "/flags/NOPE/default", "value": 1}],
        [{"op": "remove", "path": "/segments/x"}],
        [{"op": "conjure", "path": "/flags"}],
        [{"path": "/flags"}],
        [{"op": "add", "path": "flags", "value": 1}],
        [{"op": "test", "path": DEFAULT, "value": 7}],
        ["replace"],
        [{"op": "copy", "from": "/stages", "path": "/stages/again"}],
        [{"op": "move", "from": "/stages", "path": "/segments"}],
        [{"op": "test", "path": DEFAULT, "value": 6}] * 501,
    ],
)
def test_a_patch_that_does_not_fit_is_refused(patch):
    with pytest.raises(Invalid) as refusal:
        patched(BASELINE, patch)

    assert refusal.value.code == "PATCH_INVALID"


def test_a_patch_leaves_the_original_alone():
    before = a_configuration()
    patched(before, [{"op": "replace", "path": DEFAULT, "value": 1}])

    assert before == BASELINE
    added = a_configuration(("add", f"/flags/{WAVE1_AGENTS}/rules/-", a_rule(2)))
    assert difference(before, added)[0].after == [a_rule(2)]


def test_an_edit_of_what_is_gone_is_a_conflict():
    with pytest.raises(Conflict) as refusal:
        forced(BASELINE, [Edit("/flags/NOPE/default", 1, 2)])

    assert refusal.value.facts["conflicts"] == [{"path": "/flags/NOPE/default"}]


def test_conflicts_show_no_credentials():
    key = "/flags/PAI_DR_CLI_CITATIONS_APIFY_ENDPOINT/default"
    moved = a_configuration(("replace", key, "https://me:secret@example.org/x?k=v"))

    (found,) = conflicts(moved, [Edit(key, None, "https://other.example")])

    assert found["found"] == "https://example.org/x?…"
