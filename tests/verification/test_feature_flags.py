"""Verification check: flags turn Option C on and off, and keep within their caps."""

from itertools import count

import pytest

from portal.domain.roles import Role
from rollout.services import decisions, settings_export, switch
from tests.builders import an_actor
from tests.rollout.builders import ASKED, KEY

pytestmark = pytest.mark.django_db
ENABLED = "PAI_DR_CLI_ENABLED"
_runs = count(1)


def decided(call, **asked) -> dict:
    answer = call.post(
        "decisions", {"run_id": f"check-{next(_runs)}", **ASKED, **asked}
    )
    assert answer.status_code in (200, 201), answer.content
    return answer.json()


def test_an_admitted_run_gets_option_c_and_everybody_else_the_standard_workflow(call):
    admitted, stranger = decided(call), decided(call, query_class="unheard-of")

    assert (admitted["workflow"], admitted["flags"][ENABLED]) == ("option_c", True)
    assert (stranger["workflow"], stranger["flags"][ENABLED]) == ("standard", False)
    assert stranger["reason"] == "NOT_ADMITTED"


def test_the_switch_wins_over_everything_at_once(call):
    switch.engage(KEY, by=an_actor(Role.OPERATOR), reason="verification")

    refused = decided(call)

    assert (refused["workflow"], refused["reason"]) == ("standard", "KILL_SWITCH")
    assert refused["flags"][ENABLED] is False
    assert settings_export.export(KEY).flags[ENABLED] is False


def test_no_flag_exceeds_the_caps_of_its_stage(call):
    flags = decided(call)["flags"]

    assert flags["PAI_DR_CLI_MAX_WAVE1_AGENTS"] <= 2
    assert flags["PAI_DR_CLI_MAX_WAVE2_AGENTS"] <= 2
    assert flags["PAI_DR_CLI_NO_WEB"] is True


def test_what_was_decided_can_be_decided_again_and_comes_out_the_same(call):
    made = decided(call)

    again = decisions.replay(decisions.find(made["decision_id"]))

    assert again is None  # nothing differs
