"""Everything is restarted at random under live runs, and all invariants hold."""

import json
import os
import random
import subprocess
import sys
import time

import pytest

from tests.live import ROOT, LivePortal, wait_until

pytestmark = pytest.mark.faults

MINUTES = float(os.environ.get("FAULT_MINUTES", "5"))
LIVE_RUNS = 20
PROCESSES = ("portal.asgi", "manage.py relay", "manage.py worker", "manage.py simulate")


def simulator(portal: LivePortal, token: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [
            *(sys.executable, "manage.py", "simulate", "--url", portal.url),
            *("--seed", "restarts", "--runs", "10000", "--rate", "120"),
            *("--at-once", str(LIVE_RUNS), "--speed", "4", "--stage-timeout", "90"),
            *("--pass-rate", "B=0.8", "--pass-rate", "E=0.9", "--fault", "hang@5"),
        ],
        cwd=ROOT,
        env=portal.environment | {"TOKEN": token},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def test_random_restarts_under_live_runs_break_no_invariant(state_directory):
    seed = int(os.environ.get("FAULT_SEED") or time.time())
    chance = random.Random(seed)
    portal = LivePortal(state_directory)
    portal.start()
    portal.manage("seed_demo")
    portal.only_count_failures()
    token = portal.a_token("restarts")
    runs = simulator(portal, token)
    kills = {"everything": 0} | dict.fromkeys(PROCESSES, 0)
    try:
        ends_at = time.monotonic() + MINUTES * 60
        whole_at = time.monotonic() + 45
        while time.monotonic() < ends_at:
            time.sleep(chance.uniform(2, 8))
            if time.monotonic() > whole_at:
                portal.stop()  # PostgreSQL and Valkey too
                portal.start()
                kills["everything"] += 1
                whole_at = time.monotonic() + chance.uniform(40, 80)
                continue
            what = chance.choice(PROCESSES)
            kills[what] += portal.kill(what)
            if runs.poll() is not None:
                runs = simulator(portal, token)
        runs.kill()
        runs.wait()
        wait_until(
            lambda: (
                portal.query("SELECT 1 FROM portal_job WHERE state = 'running'") == []
            ),
        )
        said = json.loads(portal.manage("check_invariants", "--json"))
        counts = dict(
            portal.query("SELECT status, count(*) FROM rollout_run GROUP BY status")
        )
        causes = dict(
            portal.query(
                "SELECT cause, count(*) FROM rollout_run "
                "WHERE cause <> '' GROUP BY cause"
            )
        )
    finally:
        runs.kill()
        runs.wait()
        portal.stop()
    print(json.dumps({"seed": seed, "kills": kills, "runs": counts, "causes": causes}))
    findings = {each["number"]: each["findings"] for each in said["invariants"]}
    assert findings == {number: [] for number in range(1, 11)}
    assert counts.get("completed", 0) >= LIVE_RUNS / 2  # it was no standstill
    assert all(kills.values())
