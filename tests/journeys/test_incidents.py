"""What goes wrong in simulated runs opens one incident each: HTTP and real workers."""

import time

import pytest

from tests.journeys.simulators import Simulator
from tests.live import LivePortal, wait_until

FAULTS = {
    "citations_blocked": "sources-blocked",
    "gate_b_fail": "wave-output-invalid",
    "hang": "silent-hang",
}
SETTLES_S = 3  # longer than it takes to add a sign


@pytest.fixture(scope="module")
def portal(state_directory):
    live = LivePortal(state_directory)
    live.start()
    live.manage("seed_demo")
    live.only_count_failures()
    yield live
    live.stop()


def test_each_fault_opens_one_incident_with_its_row(portal, tmp_path):
    token = portal.a_token()
    service = portal.client(token)
    numbered = enumerate(FAULTS, start=1)
    faults = [f"--fault={fault}@{number}" for number, fault in numbered]

    def opened() -> dict[str, int]:
        found = service.get("/api/v1/incidents?limit=200").json()["items"]
        rows = [each["row"] for each in found]
        return {row: rows.count(row) for row in rows}

    Simulator(portal, token, tmp_path).run(
        *("--seed", "incidents", "--prefix", "run", "--runs", "4", "--speed", "20"),
        *faults,
    )
    wait_until(lambda: set(opened()) >= set(FAULTS.values()))
    time.sleep(SETTLES_S)

    assert opened() == dict.fromkeys(FAULTS.values(), 1)
    assert portal.query("SELECT count(*) FROM drills_sighting") == [(0,)]
    said = portal.manage("check_invariants", "--json")
    assert '"found": 0' in said
