"""Runs that the agent drives, asked before each tick, through a command line."""

import json
import os
import signal
import time

import pytest

from tests.journeys.agents import agrees, check_revisions, run_of, waits_for, zombies_of
from tests.live import ask, wait_until
from tests.standin import files

# Processes of many kinds are killed, and leases run out: minutes, not seconds.
pytestmark = pytest.mark.faults


def test_a_driven_run_goes_from_its_first_tick_to_its_end(
    portal, service, agent, installation
):
    installation.plan(gaps=1, fails={"B": 1})
    agent.drive().begin()
    installation.init("driven-1")

    waits_for(service, "driven-1", "completed")

    agrees(service, installation.runs / "driven-1")
    check_revisions(portal, installation, "driven-1")
    assert run_of(service, "driven-1")["gates"]["B"]["retries"] == 1


def test_a_run_that_waits_for_researchers_is_waiting_and_not_failing(
    service, agent, installation, tmp_path
):
    agent.drive(driver="task", waiting_s=60).begin()
    installation.init("waits-1")
    wait_until(lambda: agent.said("ticked", code="RUN_AGENT_REQUIRED"))

    found = tmp_path / "found.md"
    found.write_text("## Findings\n\nA.\n\n## Sources\n\n- https://a.example/1\n")
    given = ("--perspective", "p1", "--input", str(found), "--agent-run-id", "one")
    installation.tell("waits-1", "agent-result", "--stage", "wave1", *given)

    wait_until(
        lambda: installation.manifest("waits-1")["stage"]["current"] == "summaries",
        limit_s=30,  # long before it would have tried again by itself
    )
    assert run_of(service, "waits-1")["status"] == "running"


def test_paused_in_mid_stage_killed_resumed_and_nothing_lost(
    portal, service, agent, installation
):
    run_id = "midway-1"
    installation.plan(slow={"citations": 30})
    agent.drive(tick_limit_s=60).begin()
    installation.init(run_id)
    url_list = installation.runs / run_id / "citations" / "extracted-urls.txt"
    wait_until(url_list.exists)  # the first half of the stage
    before = installation.snapshot(run_id)
    pid = files.read(installation.runs / run_id / ".lock")["pid"]

    directive = ask(service, run_id, "pause")
    os.kill(pid, signal.SIGKILL)
    waits_for(service, run_id, "paused")

    lock = json.loads(before[".lock"])
    paused = installation.manifest(run_id)
    assert paused["updated_at"] > lock["refreshed_at"]  # not before the lease was over
    time.sleep(3)
    installation.plan()
    ask(service, run_id, "resume")
    waits_for(service, run_id, "completed")

    agrees(service, installation.runs / run_id)
    after = installation.snapshot(run_id)
    for path, content in before.items():
        if path.startswith(("wave-1/", "pivot", "perspectives", "wave-review", "run-")):
            assert after[path] == content, path
    check_revisions(portal, installation, run_id)
    history = installation.manifest(run_id)["stage"]["history"]
    entered = [step["to"] for step in history]
    assert entered == [*SHORT_STORY], entered
    states = portal.query(
        "SELECT d.kind, d.state FROM rollout_directive d "
        f"JOIN rollout_run r ON r.id = d.run_id WHERE r.run_id = '{run_id}' "
        "ORDER BY issued_at"
    )
    assert states == [("pause", "acknowledged"), ("resume", "acknowledged")]
    assert directive["kind"] == "pause"
    logs = installation.runs / run_id / "logs"
    assert list(logs.glob("tick-in-progress.*.json"))  # moved aside, and kept


SHORT_STORY = (
    "wave1",
    "pivot",
    "citations",
    "summaries",
    "synthesis",
    "review",
    "finalize",
)


# Hard gates


@pytest.mark.parametrize("letter", ["B", "C"])
def test_a_hard_gate_that_fails_falls_back_once_and_is_taken(
    portal, service, agent, installation, letter
):
    run_id = f"falls-{letter.lower()}"
    installation.plan(fails={letter: 99}, retries="BC", throws=["GATE_BLOCKED"])
    agent.drive().begin()
    installation.init(run_id)

    waits_for(service, run_id, "failed")
    wait_until(lambda: installation.manifest(run_id)["status"] == "failed")
    agrees(service, installation.runs / run_id)

    names = {
        "B": "Wave output contract compliance",
        "C": "Citation validation integrity",
    }
    reason = files.read(installation.runs / run_id / "gates.json")["gates"][letter][
        "notes"
    ]
    summary = installation.runs / run_id / "logs" / "fallback-summary.md"
    assert summary.read_text() == (
        "# Fallback Summary\n\n"
        f"- failed_gate_id: {letter}\n"
        f"- failed_gate_name: {names[letter]}\n"
        f"- reason: {reason}\n"
        "- operator_instruction: disable Option C and run standard workflow\n\n"
        "Operator instruction: disable Option C and run standard workflow.\n"
    )
    (failure,) = installation.manifest(run_id)["failures"]
    assert (failure["kind"], failure["gate_id"]) == ("hard_gate_fallback_offer", letter)
    offers = portal.query(
        "SELECT count(*) FROM rollout_fallbackoffer o "
        f"JOIN rollout_run r ON r.id = o.run_id WHERE r.run_id = '{run_id}'"
    )
    assert offers == [(1,)]

    taken = service.post(
        f"/api/v1/runs/{run_id}/fallback-offer/take",
        json={
            "reason": "Somebody needs an answer.",
            "standard_run_id": f"std-{letter}",
        },
        headers={"Idempotency-Key": f"take-{run_id}"},
    )
    assert taken.status_code in (200, 201), taken.text
    routing = run_of(service, run_id)["fallback"]["routing"]
    assert routing["workflow"] == "standard"


def test_a_gate_that_blocks_is_not_checked_again_until_something_is_new(
    agent, installation
):
    installation.plan(fails={"C": 99}, throws=["GATE_BLOCKED"])
    agent.drive(waiting_s=0.5).begin()
    installation.init("blocked-1")
    wait_until(lambda: agent.said("ticked", code="GATE_BLOCKED"))

    time.sleep(4)

    assert len(agent.said("ticked", code="GATE_BLOCKED")) == 1
    source = installation.runs / "blocked-1" / "wave-1" / "p1.md"
    source.write_text(source.read_text() + "\n- https://sources.example/one-more\n")
    wait_until(lambda: len(agent.said("ticked", code="GATE_BLOCKED")) == 2)


# A command line that misbehaves


FAULTS = {
    "hangs": {"do": "hang", "deaf": True, "child": True},
    "dies": {"do": "die"},
    "lies": {"do": "lie", "code": 9},
    "mumbles": {"do": "garbage"},
    "nests": {"do": "deep"},
    "shouts": {"do": "huge", "megabytes": 3},
    "chatters": {"do": "chatter"},
    "halves": {"do": "half_written", "seconds": 1},
}


def test_a_command_line_that_misbehaves_delays_a_run_and_no_more(
    portal, service, agent, installation
):
    installation.plan(
        runs={
            f"cli-{name}": {"faults": [f | {"tick": 2}]} for name, f in FAULTS.items()
        }
    )
    agent.tables["cli"]["output_limit_bytes"] = 1_000_000
    agent.drive(at_once=3, tick_limit_s=8).begin()
    for name in FAULTS:
        installation.init(f"cli-{name}")

    for name in FAULTS:
        waits_for(service, f"cli-{name}", "completed", limit_s=300)

    assert agent.process is not None
    assert zombies_of(agent.process.pid) == []
    agrees(service, *(installation.runs / f"cli-{name}" for name in FAULTS))
    for name in FAULTS:
        check_revisions(portal, installation, f"cli-{name}")


def test_a_command_line_that_never_answers_leaves_the_run_paused(
    service, agent, installation
):
    installation.plan(faults=[{"do": "die", "command": "tick"}])
    agent.drive().begin()
    installation.init("never-1")

    wait_until(lambda: len(agent.said("ticked", run_id="never-1")) >= 3)
    waits_for(service, "never-1", "paused")
    time.sleep(2)

    assert len(agent.said("ticked", run_id="never-1")) == 3
    assert installation.manifest("never-1")["status"] == "paused"
    wait_until(lambda: "never-1: 3 ticks" in service.get("/api/v1/agents").text)
