"""The simulator against a whole portal: HTTP, real workers, real kills."""

import json
import signal
import time

import pytest

from rollout.domain.simulation import Gate, Plan, story
from tests.journeys.simulators import STAGE_TIMEOUT_S, Simulator
from tests.live import KEY, ask, wait_until


@pytest.fixture
def simulator(portal, token, tmp_path):
    return Simulator(portal, token, tmp_path)


def status(service, run_id: str) -> str:
    answer = service.get(f"/api/v1/runs/{run_id}")
    return answer.json()["status"] if answer.status_code == 200 else ""


def a_seed_whose_gate_b_recovers(prefix: str) -> str:
    """A seed whose first run fails gate B once and then passes everything."""
    for number in range(1000):
        seed = f"{prefix}{number}"
        steps = story(Plan("run", f"{seed}/1"))
        verdicts = [s.has_passed for s in steps if isinstance(s, Gate)]
        of_b = [s.has_passed for s in steps if isinstance(s, Gate) and s.letter == "B"]
        if of_b == [False, True] and len(verdicts) >= 7:
            return seed
    raise AssertionError("no such seed")


def test_runs_end_as_their_stories_say(portal, service, simulator):
    outcomes = simulator.run(
        *("--seed", "story", "--runs", "6", "--rate", "600", "--speed", "20"),
        *("--fault", "gate_b_fail@2", "--fault", "hang@3", "--fault", "crash@4"),
        *("--fault", "revive@5", "--fault", "provider_outage@6"),
    )

    assert outcomes == {
        "completed": 2,
        "failed": 1,
        "failed by the portal": 1,
        "hung": 1,
        "completed; revival manifest refused: LIFECYCLE_RULE_VIOLATION": 1,
    }
    ends = {}
    for number in range(1, 7):
        run_id = f"sim-story-{number:04d}"
        wait_until(lambda run_id=run_id: status(service, run_id) in FINAL)
        run = service.get(f"/api/v1/runs/{run_id}").json()
        ends[number] = (run["status"], run["cause"])
    assert ends == {
        1: ("completed", ""),
        2: ("failed", "hard_gate_failed"),
        3: ("failed", "timeout"),
        4: ("completed", ""),
        5: ("completed", ""),
        6: ("failed", ""),
    }
    hung = "/api/v1/runs/sim-story-0003/artifacts/logs/timeout-checkpoint.json"
    assert service.get(hung).json()["stage"] == "wave1"
    summary = "/api/v1/runs/sim-story-0002/artifacts/logs/fallback-summary.md"
    assert b"failed_gate_id: B" in service.get(summary).content


FINAL = {"failed", "completed", "cancelled"}


def test_a_gate_that_recovers_falls_back_nowhere(portal, service, simulator):
    seed = a_seed_whose_gate_b_recovers("recovers")

    simulator.run("--seed", seed, "--runs", "1", "--speed", "20")

    run = service.get(f"/api/v1/runs/sim-{seed}-0001").json()
    assert (run["status"], run["gates"]["B"]["retries"]) == ("completed", 1)
    assert run["fallback"] is None


def test_pause_kill_resume_with_nothing_lost_and_nothing_twice(
    portal, service, simulator
):
    options = ("--seed", "paused", "--runs", "1", "--speed", "8")
    run_id = "sim-paused-0001"
    process = simulator.start(*options)
    wait_until(lambda: status(service, run_id) == "running")
    ask(service, run_id, "pause")
    wait_until(lambda: status(service, run_id) == "paused")
    process.send_signal(signal.SIGKILL)
    process.communicate()

    time.sleep(STAGE_TIMEOUT_S + 3)  # longer than a run may hang
    assert status(service, run_id) == "paused"

    process = simulator.start(*options)
    ask(service, run_id, "resume")
    said, complaints = process.communicate(timeout=120)
    assert json.loads(said)["outcomes"] == {"completed": 1}, complaints

    revisions = portal.query(
        "SELECT d.kind, array_agg(revision ORDER BY revision) "
        "FROM rollout_rundocument d "
        f"JOIN rollout_run r ON r.id = d.run_id WHERE r.run_id = '{run_id}' "
        "GROUP BY d.kind"
    )
    for _, seen in revisions:
        assert seen == list(range(1, len(seen) + 1))
    ((seqs,),) = portal.query(
        "SELECT array_agg(seq ORDER BY seq) FROM rollout_runevent e "
        f"JOIN rollout_run r ON r.id = e.run_id WHERE r.run_id = '{run_id}'"
    )
    assert seqs == list(range(1, len(seqs) + 1))
    states = portal.query(
        "SELECT d.kind, d.state FROM rollout_directive d "
        f"JOIN rollout_run r ON r.id = d.run_id WHERE r.run_id = '{run_id}' "
        "ORDER BY issued_at"
    )
    assert states == [("pause", "acknowledged"), ("resume", "acknowledged")]


def test_rerouting_and_cancelling_end_a_run(portal, service, simulator):
    process = simulator.start(
        "--seed", "ended", "--runs", "2", "--rate", "600", "--speed", "2"
    )
    ids = {"reroute": "sim-ended-0001", "cancel": "sim-ended-0002"}
    for kind, run_id in ids.items():
        wait_until(lambda run_id=run_id: status(service, run_id) == "running")
        ask(service, run_id, kind)
    said, _ = process.communicate(timeout=60)

    assert json.loads(said)["outcomes"] == {
        "cancelled (cancel)": 1,
        "cancelled (reroute)": 1,
    }
    assert [status(service, run_id) for run_id in ids.values()] == ["cancelled"] * 2


def test_a_restart_of_the_web_process_in_mid_run_loses_nothing(
    portal, service, simulator
):
    process = simulator.start(
        *("--seed", "restart", "--runs", "1", "--speed", "8"),
        *("--stage-timeout", "60"),  # the portal may be away for longer than usual
    )
    wait_until(lambda: status(service, "sim-restart-0001") == "running")

    portal.kill("portal.asgi:application")
    said, complaints = process.communicate(timeout=120)

    assert json.loads(said)["outcomes"] == {"completed": 1}, complaints


def test_two_simulators_with_one_run_id_end_in_one_run(
    portal, token, service, tmp_path
):
    options = ("--seed", "twice", "--runs", "1", "--speed", "10")
    first = Simulator(portal, token, tmp_path / "1").start(*options)
    wait_until(lambda: status(service, "sim-twice-0001") == "running")
    second = Simulator(portal, token, tmp_path / "2").start(*options)

    ends = [
        json.loads(process.communicate(timeout=120)[0])["outcomes"]
        for process in (first, second)
    ]

    assert ends[0] == {"completed": 1}
    assert ends[1] == {"manifest refused: REVISION_MISMATCH": 1}
    assert status(service, "sim-twice-0001") == "completed"


def test_a_clock_that_is_an_hour_wrong_changes_nothing(portal, service, simulator):
    for skew in ("3600", "-3600"):
        seed = f"skew{skew}"
        options = ("--seed", seed, "--runs", "1", "--speed", "50", f"--skew={skew}")
        assert simulator.run(*options) == {"completed": 1}


def test_a_revoked_token_stops_the_simulator_with_one_line(portal, simulator):
    text = portal.a_token("to be revoked")
    process = simulator.start("--seed", "revoked", "--speed", "1", token=text)
    wait_until(
        lambda: portal.query(
            "SELECT 1 FROM rollout_run WHERE run_id = 'sim-revoked-0001'"
        )
    )
    portal.manage(
        "shell",
        "--no-imports",
        "--verbosity",
        "0",
        code=(
            "from portal.models import ApiToken\n"
            "from portal.services import actors, tokens\n"
            "token = ApiToken.objects.get(name='to be revoked')\n"
            "tokens.revoke(token.pk, by=actors.host(), reason='journey')\n"
        ),
    )

    _, complaints = process.communicate(timeout=60)

    assert process.returncode == 2
    said = [line for line in complaints.splitlines() if "progress" not in line]
    assert said == [
        "CommandError: The portal refuses the token: This token has been revoked."
    ]


def test_options_that_cannot_be_are_refused_in_one_line(portal, simulator):
    for option in (
        ("--fault", "nonsense@1"),
        ("--fault", "hang@0"),
        ("--pass-rate", "Z=1"),
        ("--speed", "0"),
    ):
        process = simulator.start(*option)
        _, complaints = process.communicate(timeout=30)
        assert process.returncode == 2
        assert "Traceback" not in complaints


def test_all_invariants_hold_after_all_of_this(portal):
    said = json.loads(portal.manage("check_invariants", "--json"))

    assert [each["findings"] for each in said["invariants"]] == [[]] * 10


def test_the_switch_stops_what_runs(portal, service, simulator):
    process = simulator.start("--seed", "off", "--runs", "1", "--speed", "8")
    wait_until(lambda: status(service, "sim-off-0001") == "running")
    portal.manage("engage_switch", KEY, "--reason", "The journey says so.")

    said, _ = process.communicate(timeout=120)

    # It may not go on, so it hangs, and the watchdog ends it.
    assert json.loads(said)["outcomes"] == {"failed by the portal": 1}
    again = simulator.run("--seed", "off2", "--runs", "1")
    assert again == {"standard workflow: KILL_SWITCH": 1}
