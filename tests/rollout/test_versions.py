"""Whatever an act writes, its line names: `verify_ledger --deep` finds nothing."""

import pytest

from portal.services import versions
from rollout.services import changes, proposals, rollbacks, switch
from tests.rollout.builders import (
    KEY,
    a_finished_run,
    a_rollout,
    an_open_stage,
    approved_and_applied,
    two_people,
)

pytestmark = pytest.mark.django_db


def test_a_rollout_that_was_begun_agrees_with_its_ledger():
    a_rollout()

    assert list(versions.disagreements()) == []


def test_acts_that_write_many_rows_have_them_all_named():
    engineer, architect = two_people()
    a_rollout()
    patch = [
        {"op": "replace", "path": f"/{path}", "value": value}
        for path, value in (
            ("stages/offline-baseline/plan/max_runs", 200),
            ("triggers/silent-hang/action", "hold"),
        )
    ]
    approved_and_applied(
        changes.propose(KEY, proposals.patch(patch), by=engineer, reason="Fewer.")
    )
    stage = an_open_stage(0)
    a_finished_run("run-1")
    rollbacks.roll_back(stage.pk, by=architect, reason="Look first.")
    switch.engage(KEY, by=architect, reason="Enough.")

    assert list(versions.disagreements()) == []
