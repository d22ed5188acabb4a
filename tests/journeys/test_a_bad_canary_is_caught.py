"""A canary goes wrong, and the portal stops it by itself: HTTP and real workers."""

import httpx
import pytest

from tests.journeys.test_simulated_runs import Simulator
from tests.live import LivePortal, wait_until

STRICTER = """
from portal.models import Authentication, Person
from portal.services import actors
from rollout.domain.baseline import ROLLOUT
from rollout.services import changes, proposals
engineer = actors.for_person(
    Person.objects.get(username="engineer"), authenticated_by=Authentication.PASSWORD
)
changes.propose(
    ROLLOUT,
    proposals.patch([{
        "op": "replace", "path": "/triggers/silent-hang/action", "value": "roll_back"
    }]),
    by=engineer,
    reason="As strict as the baseline is.",
)
"""


@pytest.fixture(scope="module")
def portal(state_directory):
    """A demo whose trigger for hanging runs was made stricter, by one person."""
    live = LivePortal(state_directory)
    live.start()
    live.manage("seed_demo")
    live.manage("shell", "--no-imports", "--verbosity", "0", code=STRICTER)
    yield live
    live.stop()


def fired(service: httpx.Client) -> dict[str, str]:
    found = service.get("/api/v1/trigger-firings").json()["items"]
    return {each["trigger"]: f"{each['action']} {each['outcome']}" for each in found}


def the_state(service: httpx.Client) -> str:
    return service.get("/api/v1/stages").json()[0]["state"]


def test_an_outage_holds_the_stage_and_a_hang_rolls_it_back(portal, tmp_path):
    token = portal.a_token()
    service = portal.client(token)
    simulator = Simulator(portal, token, tmp_path)

    simulator.run(
        *("--seed", "out", "--runs", "1", "--speed", "20"),
        *("--fault", "provider_outage@1"),
    )
    wait_until(lambda: fired(service) == {"provider-failing": "hold done"})
    assert the_state(service) == "holding"

    simulator.run(
        *("--seed", "hung", "--runs", "1", "--speed", "20", "--fault", "hang@1")
    )
    wait_until(lambda: fired(service).get("silent-hang") == "roll_back done")
    assert the_state(service) == "rolled_back"

    again = simulator.run("--seed", "next", "--runs", "1")
    assert again == {"standard workflow: NOT_STARTED": 1}
    said = portal.manage("check_invariants", "--json")
    assert '"found": 0' in said
