"""What a newcomer does first: start it, use it, stop it, start it again."""

import signal
import subprocess
import sys

import pytest

from tests.live import (
    KEY,
    ROOT,
    LivePortal,
    a_free_port,
    processes_of,
    wait_until,
)
from tests.rollout.documents import a_manifest, raw, some_gates, spent

DECISION = {
    "run_id": "run-1",
    "team": "alpha",
    "mode": "standard",
    "query_class": "fixture_replay",
    "sensitivity": "no_web",
}


@pytest.fixture(scope="module")
def portal(state_directory):
    live = LivePortal(state_directory, is_new=True)
    live.start()
    yield live
    live.stop()
    assert processes_of(live.var) == {}


def supervisor(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "portal.supervisor"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_portal_starts_falls_back_stops_and_finds_its_data_again(portal):
    assert "One-time password" in portal.said
    token = portal.a_token()
    service = portal.client(token)
    key = {"Idempotency-Key": "run-1"}

    decided = service.post("/api/v1/decisions", json=DECISION, headers=key).json()
    assert (decided["workflow"], decided["reason"]) == ("standard", "NOT_STARTED")
    for name, document in (
        ("manifest", a_manifest("run-1", **spent())),
        ("gates", some_gates("run-1", failed="B")),
    ):
        taken = service.put(
            f"/api/v1/runs/run-1/{name}",
            content=raw(document),
            headers={"Content-Type": "application/json"},
        )
        assert taken.status_code == 201, taken.text
    wait_until(lambda: service.get("/api/v1/runs/run-1").json()["status"] == "failed")
    summary = service.get("/api/v1/runs/run-1/artifacts/logs/fallback-summary.md")
    assert summary.content.startswith(b"# Fallback Summary\n\n- failed_gate_id: B\n")

    portal.stop(signal.SIGHUP)  # as when the window is closed
    assert processes_of(portal.var) == {}

    portal.start()
    assert "Sign in as before" in portal.said
    service = portal.client(token)
    assert service.get("/api/v1/runs/run-1").json()["status"] == "failed"
    assert portal.manage("verify_ledger", "--deep").startswith("intact")
    portal.manage("engage_switch", KEY, "--reason", "The journey ends here.")
    again = service.post("/api/v1/decisions", json=DECISION, headers=key).json()
    assert (again["workflow"], again["reason"]) == ("standard", "KILL_SWITCH")


def test_a_second_portal_on_the_same_place_or_port_says_so_in_one_line(portal):
    same_port = supervisor(portal.environment | {"VAR": f"{portal.var}-other"})
    same_place = supervisor(portal.environment | {"PORT": str(a_free_port())})

    for refused, what in ((same_port, "is taken"), (same_place, "is running in")):
        assert refused.returncode == 1
        assert what in refused.stderr
        assert len(refused.stderr.splitlines()) == 1
    assert portal.client("none").get("/readyz").status_code == 200


def test_a_port_that_is_none_is_refused(state_directory):
    refused = supervisor({"PATH": "/usr/bin", "VAR": str(state_directory), "PORT": "x"})

    assert refused.returncode == 1
    assert refused.stderr == "error: PORT=x is no port.\n"
