"""A canary goes wrong, and the portal stops it by itself: HTTP and real workers."""

import httpx
import pytest

from tests.journeys.test_simulated_runs import Simulator
from tests.live import LivePortal, wait_until


@pytest.fixture(scope="module")
def portal(state_directory):
    """A portal with the baseline's triggers, on which stage 0 was started."""
    live = LivePortal(state_directory)
    live.start()
    live.manage("seed_demo")
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
