"""What happens to a rollout is told to whoever wants to know."""

import json

import pytest

from portal.domain.notifications import EndpointKind
from portal.models import Notification
from portal.services import endpoints
from rollout.domain.freezes import Scope
from rollout.models import RolloutKind, Switch
from rollout.services import freezes, switch
from tests.builders import an_actor
from tests.rollout.builders import KEY, a_rollout

pytestmark = pytest.mark.django_db


def told() -> list[str]:
    return list(Notification.objects.order_by("pk").values_list("event", flat=True))


@pytest.fixture
def listening():
    a_rollout()
    endpoints.create(
        *("pager", EndpointKind.WEBHOOK),
        target="https://hooks.example.com/",
        by=an_actor("architect"),
        reason="test",
    )


def test_the_switch_is_told_of_with_its_epoch(listening):
    switch.engage(KEY, by=an_actor("operator"), reason="Too many failures.")

    body = json.loads(Notification.objects.get().body)
    assert body["type"] == "switch.engaged"
    assert body["data"]["rollout"] == KEY
    assert body["data"]["severity"] == "critical"
    assert body["data"]["reason"] == "Too many failures."
    assert body["data"]["facts"]["epoch"] == Switch.objects.get().epoch


def test_a_freeze_is_told_of_when_it_begins_and_when_it_is_lifted(listening):
    by = an_actor("operator")
    until = freezes.clock.now() + freezes.domain.AFTER_ROLLBACK
    made = freezes.freeze(KEY, Scope.EXPANSION, until, by=by, reason="Nobody is here.")
    freezes.lift(made.pk, by=by, reason="They are back.")

    assert told() == ["freeze.begun", "freeze.lifted"]


def test_a_drills_twin_wakes_nobody(listening):
    twin = Switch.objects.get().rollout
    twin.kind = RolloutKind.DRILL
    twin.save_as(an_actor("operator"), reason="test")

    switch.engage(KEY, by=an_actor("operator"), reason="A drill.")

    assert told() == []
