"""What lies in run roots, and what a portal knows of it through the agent."""

import os
import shutil
from pathlib import Path

import pytest

from tests.journeys.agents import agrees, check_revisions, fetched, run_of, waits_for
from tests.live import wait_until
from tests.standin import files

# Processes of many kinds are killed, and leases run out: minutes, not seconds.
pytestmark = pytest.mark.faults


def test_real_run_roots_are_known_byte_for_byte(service, agent, installation, shared):
    agent.begin()
    sources = sorted((shared / "real_runs").iterdir())
    for source in sources:
        shutil.copytree(source, installation.runs / source.name, copy_function=_copy)
        (installation.runs / source.name).chmod(0o755)

    roots = [installation.runs / source.name for source in sources]
    agrees(service, *roots, limit_s=400)

    for source, root in zip(sources, roots, strict=True):
        if not agent.said("manifest_edited", run_id=_run_id(root)):
            assert _content(root) == _content(source), source.name


def _copy(source: str, target: str) -> str:
    shutil.copyfile(source, target)
    os.chmod(Path(target).parent, 0o755)
    return target


def _run_id(root: Path) -> str:
    return files.read(root / "manifest.json")["run_id"]


def _content(root: Path) -> dict[str, bytes]:
    found = {
        str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()
    }
    return {path: raw for path, raw in found.items() if path != ".lock"}


def test_every_kind_of_run_root_is_known_byte_for_byte(service, agent, installation):
    installation.plan(
        runs={
            "kind-b": {"fails": {"B": 9}},
            "kind-dead": {"faults": [{"do": "die", "tick": 3}]},
            "kind-long": {"start_in": "init", "gaps": 2},
        }
    )
    ticks = {"kind-b": 3, "kind-dead": 3, "kind-long": 11, "kind-new": 0, "kind-off": 3}
    agent.begin()
    for run_id, count in ticks.items():
        installation.init(run_id)
        for _ in range(count):
            installation.tell(run_id, "tick")
    installation.tell("kind-new", "pause")
    installation.tell("kind-off", "cancel")

    agrees(service, *(installation.runs / run_id for run_id in ticks))

    ends = {run_id: run_of(service, run_id)["reported_status"] for run_id in ticks}
    assert ends == {
        "kind-b": "failed",  # the portal's word has come to stand in its files
        "kind-dead": "running",
        "kind-long": "completed",
        "kind-new": "paused",
        "kind-off": "cancelled",
    }


def test_kills_of_agent_web_and_workers_change_nothing(
    portal, service, agent, installation
):
    agent.drive().begin()
    ids = ("kills-1", "kills-2", "kills-3")
    for run_id, victim in zip(ids, ("uvicorn", "worker", "relay"), strict=True):
        installation.init(run_id)
        wait_until(lambda run_id=run_id: agent.said("found", run_id=run_id))
        portal.kill(victim)
        agent.kill()
        agent.start()

    for run_id in ids:
        wait_until(
            lambda run_id=run_id: (
                installation.manifest(run_id)["status"] == "completed"
            ),
            limit_s=300,
        )

    agrees(service, *(installation.runs / run_id for run_id in ids), limit_s=300)
    for run_id in ids:
        check_revisions(portal, installation, run_id)
        assert run_of(service, run_id)["status"] == "completed"


def test_what_is_no_file_of_a_run_is_left_out_and_said(service, agent, installation):
    installation.init("odd-1")
    root = installation.runs / "odd-1"
    (root / "stolen.txt").symlink_to("/etc/passwd")
    (root / "outside").symlink_to("/etc")
    os.mkfifo(root / "pipe")
    (root / "bytes.bin").write_bytes(bytes(range(256)) * 4)
    (root / "deep.json").write_text("[" * 10_000 + "]" * 10_000)
    (root / "unfinished.md.tmp.17").write_text("half of i")
    agent.begin()

    wait_until(lambda: "deep.json" in fetched_names(service, "odd-1"))
    wait_until(lambda: len(agent.said("left_out", run_id="odd-1")) >= 3)

    kept = fetched_names(service, "odd-1")
    assert not kept & {"stolen.txt", "outside", "pipe", "unfinished.md.tmp.17"}
    assert not [path for path in kept if path.startswith("outside/")]
    given = fetched(service, root)
    assert given["bytes.bin"] == (root / "bytes.bin").read_bytes()
    assert given["deep.json"] == (root / "deep.json").read_bytes()
    left_out = {each["path"] for each in agent.said("left_out", run_id="odd-1")}
    assert {"stolen.txt", "outside", "pipe"} <= left_out


def fetched_names(service, run_id: str) -> set[str]:
    answer = service.get(f"/api/v1/runs/{run_id}/artifacts")
    return {each["path"] for each in answer.json()} if answer.is_success else set()


def test_documents_that_cannot_be_leave_the_state_true(service, agent, installation):
    installation.plan(faults=[{"do": "conflict", "command": "status", "at": "start"}])
    for run_id in ("bad-deep", "bad-conflict", "bad-revived"):
        installation.init(run_id)
    agent.begin()
    for run_id in ("bad-deep", "bad-conflict", "bad-revived"):
        waits_for(service, run_id, "running")
    manifest = installation.runs / "bad-deep" / "manifest.json"
    whole = manifest.read_bytes()

    manifest.write_text("[" * 10_000 + "]" * 10_000)
    installation.tell("bad-conflict", "status")
    installation.tell("bad-revived", "cancel")
    waits_for(service, "bad-revived", "cancelled")
    installation.tell("bad-revived", "resume")

    wait_until(lambda: agent.said("left_out", run_id="bad-conflict"))
    wait_until(lambda: agent.said("left_out", run_id="bad-revived"))
    manifest.write_bytes(whole)
    installation.tell("bad-deep", "pause")
    waits_for(service, "bad-deep", "paused")
    assert run_of(service, "bad-conflict")["status"] == "running"
    assert run_of(service, "bad-revived")["status"] == "cancelled"
