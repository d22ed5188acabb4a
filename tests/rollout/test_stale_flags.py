"""Flags that could go."""

import json
from datetime import timedelta

import pytest
import time_machine
from django.core.management import call_command

from portal import clock
from rollout.domain.flags import ENABLED, WAVE1_AGENTS
from rollout.models import FlagUse
from rollout.services import changes, flags, proposals
from tests.builders import an_actor
from tests.rollout.builders import KEY, a_rollout, a_service
from tests.rollout.test_api import Caller

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def rollout(db):
    return a_rollout()


def about(**values) -> None:
    """Say who owns a flag, and until when."""
    patch = [
        {"op": "replace", "path": f"/flags/{WAVE1_AGENTS}/{name}", "value": value}
        for name, value in values.items()
    ]
    changes.propose(
        KEY, proposals.patch(patch), by=an_actor("engineer"), reason="about it"
    )


def why(key: str = WAVE1_AGENTS) -> list[str]:
    found = {flag.key: why for flag, why in flags.stale(KEY)}
    return found.get(key, [])


def test_a_flag_that_nobody_owns_is_named(rollout):
    assert why() == ["nobody answers for it"]

    about(owner="canary team")

    assert why() == []


def test_the_decision_itself_never_could_go(rollout):
    with time_machine.travel(clock.now() + 31 * DAY, tick=True):
        assert why(ENABLED) == []


def test_a_flag_is_stale_when_nobody_has_asked_for_a_month(rollout):
    about(owner="canary team")
    with time_machine.travel(clock.now() + 31 * DAY, tick=True):
        assert why() == ["it was never asked for in 31 days"]
        FlagUse.objects.create(
            rollout=rollout, key=WAVE1_AGENTS, last_bulk_at=clock.now() - DAY
        )
        assert why() == []


def test_a_flag_past_its_time_is_stale(rollout):
    yesterday = (clock.now() - DAY).date()
    about(owner="canary team", expires_on=yesterday.isoformat())

    assert why() == [f"it expired on {yesterday:%d %b %Y}"]


def test_they_are_told_by_command_and_api_at_a_constant_cost(
    rollout, client, capsys, django_assert_max_num_queries
):
    call_command("stale_flags", KEY, "--json")
    told = json.loads(capsys.readouterr().out)["stale"]
    call = Caller(client, a_service("read")[1])
    with django_assert_max_num_queries(8):
        listed = call.get("stale-flags").json()

    assert len(told) == len(listed) == 11  # all but the decision itself
    assert listed[0]["reasons"] == ["nobody answers for it"]
