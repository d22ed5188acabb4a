"""Edits of a manifest from outside: one revision more, and nothing else touched."""

from datetime import UTC, datetime

import pytest

from rollout.domain import manifest_edits
from rollout.domain.manifest_edits import UNSET
from tests.rollout.documents import a_manifest

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def with_constraint(lever: object) -> dict:
    manifest = a_manifest("run-1", revision=4)
    manifest["query"]["constraints"] = {"scope_path": "x", "deep_research_cli": lever}
    return manifest


def test_an_edit_is_the_next_revision_and_keeps_what_it_does_not_know():
    before = a_manifest("run-1", revision=4) | {"unheard_of": [1]}
    after = manifest_edits.edited(before, NOW, status="paused")
    assert after == before | {
        "revision": 5,
        "updated_at": "2026-01-01T12:00:00.000Z",
        "status": "paused",
    }


@pytest.mark.parametrize("said", [True, False, UNSET])
def test_the_lever_goes_back_to_what_it_said(said):
    lever = {"note": 1} if said == UNSET else {"note": 1, "enabled": said}
    before = with_constraint(lever)
    assert manifest_edits.enabled_in(before) == said

    pulled = before | {"query": manifest_edits.with_lever(before, False)}
    assert manifest_edits.enabled_in(pulled) is False
    back = manifest_edits.with_lever(pulled, said)
    assert back == before["query"]


@pytest.mark.parametrize("lever", [None, 5, "x", []])
def test_a_lever_that_is_no_object_is_put_right(lever):
    before = with_constraint(lever)
    assert manifest_edits.enabled_in(before) == UNSET
    pulled = manifest_edits.with_lever(before, False)
    assert pulled["constraints"] == {
        "scope_path": "x",
        "deep_research_cli": {"enabled": False},
    }


def test_the_audit_names_both_revisions():
    before = a_manifest("run-1", revision=4)
    after = manifest_edits.edited(before, NOW, status="paused")
    line = manifest_edits.audit_line(before, after, "why", NOW)
    assert line.endswith(b"\n")
    assert b'"prev_revision":4,"new_revision":5' in line
