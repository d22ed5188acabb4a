"""Who is on call: whoever has confirmed it, for a day, as long as they may help."""

from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from portal import clock
from portal.domain.roles import Role
from portal.services import actors, people
from rollout.domain.readiness import Light
from rollout.models import OnCall
from rollout.services import freezes, readiness
from rollout.services.freezes import ON_CALL_FOR
from tests.builders import an_actor
from tests.rollout.builders import KEY, a_running_stage

pytestmark = pytest.mark.django_db


@pytest.fixture
def stage():
    return a_running_stage()


def confirm(by) -> OnCall:
    return freezes.confirm_on_call(KEY, by=by, reason="Here all night.")


def names(stage) -> list[str]:
    return [each.person.username for each in freezes.on_call_now(stage.rollout_id)]


def test_a_confirmation_is_good_for_a_day_and_warns_before_it_ends(stage):
    assert readiness.on_call(stage).light == Light.RED

    confirm(an_actor("operator"))

    assert readiness.on_call(stage).light == Light.GREEN
    for later, light in (
        (ON_CALL_FOR - timedelta(hours=1), Light.AMBER),
        (ON_CALL_FOR + timedelta(seconds=5), Light.RED),
    ):
        with time_machine.travel(clock.now() + later, tick=False):
            assert readiness.on_call(stage).light == light
            assert names(stage) == [] or light == Light.AMBER


def test_whoever_confirmed_last_is_first_and_each_is_named_once(stage):
    one, two = an_actor("operator"), an_actor("engineer")
    for each in (one, two, one):
        confirm(each)

    with CaptureQueriesContext(
        connection,
    ) as queries:
        found = names(stage)

    assert found == [one.person.username, two.person.username]
    assert len(queries) == 1


@pytest.mark.parametrize("how", ["deactivated", "another role"])
def test_who_may_not_help_any_more_is_not_on_call(stage, how):
    first, gone = an_actor("engineer"), an_actor("operator")
    confirm(first)
    confirm(gone)
    host = actors.host()

    if how == "deactivated":
        people.deactivate(gone.person.pk, by=host, reason="left")
    else:
        people.revoke_role(gone.person.pk, Role.OPERATOR, by=host, reason="moved")

    assert names(stage) == [first.person.username]
    people.deactivate(first.person.pk, by=host, reason="left")
    check = readiness.on_call(stage)
    assert check.light == Light.RED
    assert "may not work on incidents any more" in check.says
    assert check.remedy == "Confirm that you are on call"
