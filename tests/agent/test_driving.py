"""An agent as a process drives runs of the stand-in, and governs them."""

import json
import signal
import time
from pathlib import Path

import pytest

from rollout.models import Artifact, Directive, Run
from rollout.services import directives, switch
from tests.builders import an_actor
from tests.live import wait_until
from tests.rollout.builders import KEY
from tests.standin.installation import Installation

LONG_S = 300  # seven ticks, each a process, on a machine that does other things too

pytestmark = pytest.mark.django_db(transaction=True)

DRIVE = {
    "is_on": True,
    "driver": "fixture",
    "interrupt_after_s": 0.5,
    "waiting_s": 5,
    "pause_s": 0.05,
    "tick_limit_s": 60,
}


@pytest.fixture
def standin(place, tmp_path) -> Installation:
    """The stand-in, installed where the agent looks; its leases are short."""
    short = {"STANDIN_LEASE_S": "3", "STANDIN_MARKER_S": "3"}
    found = Installation(tmp_path / "other", **short)
    found.root, found.runs = place.folder, place.runs
    found.scenario = place.folder / "scenario.json"
    found.environment |= {
        "STANDIN_ROOT": str(place.folder),
        "STANDIN_SCENARIO": str(found.scenario),
    }
    found.plan()
    place.environment = found.environment
    place.configure(cli={"command": found.command}, drive=DRIVE)
    assert place.run("--once").returncode == 0  # the settings, to begin with
    return found


def ask(run_id: str, kind: str, reason: str = "The test asks.") -> Directive:
    return directives.issue(KEY, run_id, kind, by=an_actor("operator"), reason=reason)


def status(run_id: str = "run-1") -> str:
    run = Run.objects.filter(run_id=run_id).first()
    return run.reported_status if run else ""


def test_a_run_is_ticked_to_its_end(place, standin):
    standin.init("run-1")

    place.start()
    wait_until(lambda: status() == "completed", limit_s=LONG_S)

    run = Run.objects.get()
    assert (run.status, run.cause, run.is_admitted) == ("completed", "", True)
    wait_until(Artifact.objects.filter(path="synthesis/final-synthesis.md").exists)


def test_a_run_is_paused_in_mid_stage_and_goes_on_from_there(place, standin):
    standin.plan(slow={"wave1": 600})
    standin.init("run-1")
    place.start()
    wait_until(lambda: (place.runs / "run-1/.lock").exists())

    paused = ask("run-1", "pause", "token=abcdefgh is leaking")
    wait_until(lambda: status() == "paused")
    standin.plan()
    wait_until(lambda: Directive.objects.get().state == "acknowledged")
    paused.refresh_from_db()
    assert paused.revision == place.manifest()["revision"]
    ask("run-1", "resume")

    wait_until(lambda: status() == "completed", limit_s=LONG_S)
    logs = place.runs / "run-1/logs"
    assert "abcdefgh" not in (logs / "pause-checkpoint.md").read_text()
    assert list(logs.glob("tick-in-progress.stale.*.json"))
    writes = [
        (line["prev_revision"], line["new_revision"])
        for line in standin.log("run-1", "audit")
        if line["kind"] == "manifest_write"
    ]
    assert [new for _, new in writes] == list(
        range(writes[0][1], writes[0][1] + len(writes))
    )


def test_a_run_that_is_not_admitted_is_cancelled_before_its_first_tick(place, standin):
    standin.init("run-1", sensitivity="normal")

    place.start()
    wait_until(lambda: status() == "cancelled")

    manifest = place.manifest()
    lever = manifest["query"]["constraints"]["deep_research_cli"]
    assert (manifest["status"], lever["enabled"]) == ("cancelled", False)
    assert not standin.log("run-1", "ticks")


def test_the_switch_stops_a_run_by_both_levers_and_lets_it_go_on(place, standin):
    standin.plan(slow={"wave1": 600})
    standin.init("run-1")
    place.start()
    wait_until(lambda: (place.runs / "run-1/.lock").exists())

    switch.engage(KEY, by=an_actor("operator"), reason="stop")

    def lever() -> object:
        return place.manifest()["query"]["constraints"]["deep_research_cli"]

    wait_until(lambda: lever() == {"enabled": False})
    assert place.enabled is False
    assert standin.init("run-2").code == "CLI_ERROR"
    assert Run.objects.get().status not in ("failed", "cancelled")


def test_a_run_that_a_gate_blocks_is_ticked_no_more_until_its_files_change(
    place, standin
):
    standin.plan(fails={"C": 9}, retries="", throws=[])
    standin.init("run-1")
    place.start()

    def blocked() -> bool:
        return any(line["code"] == "GATE_BLOCKED" for line in place.said("ticked"))

    wait_until(blocked)
    ticks = len(place.said("ticked"))
    time.sleep(5 * DRIVE["pause_s"] + 2)

    assert len(place.said("ticked")) == ticks
    assert not place.said("task_failed")
    assert Run.objects.get().gates["C"]["status"] == "fail"
    place.put("run-1/operator/outputs/note.md", b"sources, found by hand")
    wait_until(lambda: len(place.said("ticked")) > ticks)


def test_a_rerouted_run_is_cancelled_in_its_files_too(place, standin):
    place.configure(cli={"command": standin.command})
    standin.init("run-1")
    place.start()
    wait_until(lambda: status() == "running")

    ask("run-1", "reroute")

    wait_until(lambda: Directive.objects.get().state != "issued")
    told = Directive.objects.get()
    assert (told.state, told.revision) == ("acknowledged", place.manifest()["revision"])
    assert place.manifest()["status"] == "cancelled"
    wait_until(lambda: status() == "cancelled")


@pytest.mark.parametrize(
    "fault",
    [
        {"do": "die", "command": "tick", "times": 1},
        {"do": "garbage", "command": "tick", "times": 1},
        {"do": "nothing", "command": "tick", "times": 1},
        {"do": "deep", "command": "tick", "times": 1},
        {"do": "lie", "command": "tick", "code": 3},
        {"do": "chatter", "command": "tick"},
        {"do": "huge", "command": "tick", "megabytes": 3, "times": 1},
        {"do": "hang", "command": "tick", "deaf": True, "child": True, "times": 1},
    ],
    ids=lambda fault: fault["do"],
)
def test_a_command_line_that_misbehaves_is_survived(place, standin, fault):
    cli = {"command": standin.command, "output_limit_bytes": 2_000_000}
    place.configure(cli=cli, drive=DRIVE | {"tick_limit_s": 8})
    standin.plan(faults=[fault])
    standin.init("run-1")

    place.start()

    wait_until(lambda: status() == "completed", limit_s=LONG_S)
    assert Run.objects.get().cause == ""
    children = f"/proc/{place.process.pid}/task/{place.process.pid}/children"
    assert not Path(children).read_text().split()


def test_an_agent_that_is_killed_in_mid_tick_goes_on(place, standin):
    standin.plan(slow={"wave1": 4})
    standin.init("run-1")
    place.start()
    wait_until(lambda: (place.runs / "run-1/.lock").exists())

    place.stop(signal.SIGKILL)
    place.start()

    wait_until(lambda: status() == "completed", limit_s=LONG_S)
    starts = [
        line["tick_index"]
        for line in standin.log("run-1", "ticks")
        if line["phase"] == "start" and line["stage_before"] == "wave1"
    ]
    assert len(starts) <= 3
    assert json.loads(place.log.read_text().splitlines()[-1])
