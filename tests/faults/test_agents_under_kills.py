"""Run roots are known byte for byte, whatever is killed while they are written."""

import random
import shutil
import threading
from pathlib import Path

import pytest

from tests.journeys.agents import Agent, agrees, processes_under
from tests.live import LivePortal, wait_until
from tests.standin import files
from tests.standin.installation import Installation

pytestmark = pytest.mark.faults

RUNS = 12
KILLS = 25


@pytest.fixture(scope="module")
def portal(state_directory):
    live = LivePortal(state_directory)
    live.start()
    live.manage("seed_demo")
    live.only_count_failures()
    yield live
    live.stop()


@pytest.fixture
def agent(portal, tmp_path, request):
    token = portal.a_token(request.node.name)
    installation = Installation(tmp_path / "installation", STANDIN_LEASE_S="2")
    agent = Agent(portal, token, installation)
    agent.service = portal.client(token)
    yield agent
    agent.stop()
    assert processes_under(installation.root) == {}


class Killer(threading.Thread):
    """Kills the agent, the web and the workers, one after the other, at random."""

    def __init__(self, portal: LivePortal, agent: Agent, seed: int) -> None:
        super().__init__(daemon=True)
        self.portal, self.agent = portal, agent
        self.rng = random.Random(seed)
        self.is_over = threading.Event()
        self.killed: list[str] = []

    def run(self) -> None:
        for _ in range(KILLS):
            if self.is_over.wait(self.rng.uniform(0.2, 4)):
                return
            victim = self.rng.choice(["agent", "uvicorn", "worker", "relay"])
            if victim == "agent":
                self.agent.kill()
                self.agent.start()
            else:
                self.portal.kill(victim)
            self.killed.append(victim)


def all_known(portal: LivePortal, agent: Agent, roots: list[Path]) -> None:
    agrees(agent.service, *roots, limit_s=600)
    portal.manage("sealer", "--once")
    portal.manage("verify_ledger", "--deep")
    portal.manage("check_invariants")


def test_driven_runs_come_to_their_ends_and_are_known(portal, agent):
    installation = agent.installation
    agent.drive(at_once=3).begin()
    ids = [f"killed-{number}" for number in range(RUNS)]
    installation.plan(
        runs={run_id: {"gaps": n % 2} for n, run_id in enumerate(ids)},
    )
    killer = Killer(portal, agent, seed=12)
    killer.start()
    for run_id in ids:
        installation.init(run_id)

    for run_id in ids:
        wait_until(
            lambda run_id=run_id: (
                installation.manifest(run_id)["status"] == "completed"
            ),
            limit_s=900,
        )
    killer.is_over.set()
    killer.join()

    assert killer.killed
    all_known(portal, agent, [installation.runs / run_id for run_id in ids])


def test_real_run_roots_are_known(portal, agent, shared):
    installation = agent.installation
    agent.begin()
    killer = Killer(portal, agent, seed=13)
    killer.start()
    roots = []
    for source in sorted((shared / "real_runs").iterdir()):
        root = installation.runs / source.name
        for path in sorted(source.rglob("*")):
            target = root / path.relative_to(source)
            if path.is_dir():
                target.mkdir(parents=True, exist_ok=True)
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
        roots.append(root)
    killer.join()

    all_known(portal, agent, roots)
    for root in roots:
        run_id = files.read(root / "manifest.json")["run_id"]
        if not agent.said("manifest_edited", run_id=run_id):
            source = shared / "real_runs" / root.name / "manifest.json"
            assert (root / "manifest.json").read_bytes() == source.read_bytes()
