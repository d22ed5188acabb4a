"""Drills on a portal as `make run` starts it: live, or broken on purpose."""

import json
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.live import LivePortal, wait_until

SCENARIOS = (
    "pause_resume",
    "emergency_disable",
    "hard_gate_fallback",
    "forced_timeout",
)


@pytest.fixture(scope="module")
def portal(tmp_path_factory):
    """A portal that has the people of the demo, and its stage 0."""
    found = LivePortal(tmp_path_factory.mktemp("drills"))
    found.start()
    found.manage("seed_demo")
    yield found
    found.stop()


def drill(portal: LivePortal, name: str) -> tuple[int, dict]:
    """Have it conducted; the exit status, and the answer."""
    done = portal.carry_out("run_drill", name, "--json")
    assert done.stdout, done.stderr[-2000:]
    return done.returncode, json.loads(done.stdout)


def is_put_back(portal: LivePortal, said: dict) -> bool:
    """Nothing of the drill's twin is open any more, and no process is left."""
    (open_now,) = portal.query(
        f"""
        SELECT (SELECT count(*) FROM rollout_run run WHERE run.rollout_id = twin.id
                    AND finished_at IS NULL),
               (SELECT state FROM rollout_switch WHERE rollout_id = twin.id),
               (SELECT count(*) FROM drills_incident i WHERE i.rollout_id = twin.id
                    AND state IN ('open', 'acknowledged', 'mitigated'))
        FROM rollout_rollout twin WHERE key = '{said["twin"]}'
        """
    )
    return open_now == (0, "engaged", 0) and portal.kill(f"drills/{said['id']} ") == 0


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_is_conducted_unattended_and_passes(portal, name):
    status, said = drill(portal, name)

    assert (status, said["verdict"]) == (0, "passed"), said["reasons"]
    moments = {each["moment"] for each in said["artifacts"]}
    assert moments == {"before", "after"}
    assert not [each for each in said["artifacts"] if each["trouble"]]
    assert all(each["took_s"] <= each["target_s"] for each in said["times"])
    assert said["lacks"] == ["no observer has confirmed it"]
    assert is_put_back(portal, said)


def test_nothing_of_the_drills_counts_as_real(portal):
    rows = portal.query(
        """
        SELECT (SELECT count(*) FROM drills_incident WHERE kind = 'real'),
               (SELECT count(*) FROM rollout_run run JOIN rollout_rollout r
                    ON r.id = run.rollout_id
                    WHERE r.kind = 'drill' AND run.kind <> 'drill'),
               (SELECT count(*) FROM rollout_evaluation e
                    JOIN rollout_stage s ON s.id = e.stage_id
                    JOIN rollout_rollout r ON r.id = s.rollout_id
                    WHERE r.kind = 'drill' AND body LIKE '%"promote"%')
        """
    )
    assert rows == [(0, 0, 0)]


# Broken on purpose


@pytest.mark.faults
def test_a_fallback_that_loses_a_file_fails_its_drill(portal):
    lost: list[str] = []

    def lose() -> None:
        def before() -> list:
            return portal.query(
                """
                SELECT digest FROM drills_drillcapture capture
                JOIN drills_drill drill ON drill.id = capture.drill_id
                WHERE drill.state = 'running' AND moment = 'before'
                    AND path LIKE 'wave-1/%'
                """
            )

        wait_until(before, limit_s=300)
        digest = before()[0][0].removeprefix("sha256:")
        place = Path(portal.var) / "artifacts/sha256" / digest[:2] / digest[2:4]
        (place / digest).unlink()
        lost.append(digest)

    thief = threading.Thread(target=lose)
    thief.start()
    status, said = drill(portal, "hard_gate_fallback")
    thief.join()

    assert lost
    assert (status, said["verdict"]) == (1, "failed")
    assert any("lost or altered" in reason for reason in said["reasons"])
    assert is_put_back(portal, said)


@pytest.mark.faults
def test_without_a_watchdog_the_timeout_fails_its_drill(portal):
    stopped = threading.Event()

    def keep_away() -> None:
        """The relay, which is the watchdog's clock, is killed whenever it is back."""
        wait_until(
            lambda: portal.query(
                """
                SELECT 1 FROM drills_drillstep step
                JOIN drills_drill drill ON drill.id = step.drill_id
                WHERE drill.state = 'running' AND step.name = 'hang'
                """
            ),
            limit_s=300,
        )
        while not stopped.is_set():
            portal.kill("manage.py relay")
            time.sleep(0.1)

    killer = threading.Thread(target=keep_away)
    killer.start()
    try:
        status, said = drill(portal, "forced_timeout")
    finally:
        stopped.set()
        killer.join()

    assert (status, said["verdict"]) == (1, "failed")
    assert any("watchdog has not ended it" in reason for reason in said["reasons"])
    assert is_put_back(portal, said)


@pytest.mark.faults
def test_a_worker_that_is_killed_leaves_an_aborted_drill_and_nothing_else(portal):
    def kill() -> None:
        wait_until(
            lambda: portal.query(
                "SELECT 1 FROM drills_drill WHERE state = 'running' AND EXISTS "
                "(SELECT 1 FROM drills_drillstep WHERE drill_id = drills_drill.id "
                "AND name = 'wait_for_wave')"
            ),
            limit_s=300,
        )
        portal.kill("worker drills")

    killer = threading.Thread(target=kill)
    killer.start()
    status, said = drill(portal, "pause_resume")
    killer.join()

    assert (status, said["verdict"]) == (1, "aborted")
    assert "worker died" in said["reasons"][0]
    assert is_put_back(portal, said)


@pytest.mark.faults
def test_a_switch_that_is_ignored_fails_its_drill(tmp_path):
    command = f"{sys.executable} manage.py simulate --ignore-switch"
    portal = LivePortal(tmp_path, DRILL_COMMAND=command)
    portal.start()
    try:
        portal.manage("seed_demo")
        status, said = drill(portal, "emergency_disable")

        assert (status, said["verdict"]) == (1, "failed")
        assert any("switch was ignored" in reason for reason in said["reasons"])
        assert is_put_back(portal, said)
    finally:
        portal.stop()
