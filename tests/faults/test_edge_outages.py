"""The edge when the database is away, or when it cannot be reached."""

import json
import os
import signal
import threading
import time
from contextlib import contextmanager, suppress

import httpx
import pytest

from tests.faults.conftest import KEY, Portal, wait_until
from tests.faults.wire import Wire
from tests.live import a_free_port

pytestmark = pytest.mark.faults

CONTEXT = {
    "targetingKey": "run-1",
    "team": "alpha",
    "mode": "standard",
    "query_class": "fixture_replay",
    "sensitivity": "no_web",
}
ENABLED = "PAI_DR_CLI_ENABLED"


@pytest.fixture(scope="module")
def running(portal):
    """A portal whose first stage runs."""
    portal.manage("seed_demo")
    return portal


class Edge:
    """A process of its own, asked for one flag."""

    def __init__(self, portal: Portal, *, max_stale_s: float, **settings: str) -> None:
        self.portal, self.port = portal, a_free_port()
        self.settings = {"MAX_STALE_SECONDS": str(max_stale_s), **settings}
        self.start()

    def start(self) -> None:
        """Start it and wait until it answers."""
        before = dict(self.portal.environment)
        self.portal.environment.update(self.settings)
        self.process = self.portal.start("edge", "--port", str(self.port))
        self.portal.environment = before
        wait_until(self._lives, limit_s=20)

    def kill(self) -> None:
        """kill -9."""
        self.portal.kill(f"edge --port {self.port}", with_children=True)

    def _lives(self) -> bool:
        with suppress(httpx.HTTPError):
            return httpx.get(f"{self.url}/livez").status_code == 200
        return False

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def ask(self, flag: str = f"/{ENABLED}") -> dict:
        """One flag, or all of them."""
        answer = httpx.post(
            f"{self.url}/ofrep/v1/evaluate/flags{flag}",
            headers={"X-API-Key": self.portal.token},
            json={"context": CONTEXT},
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    def says(self) -> tuple[bool, bool]:
        """Whether it enables, and whether that is marked stale."""
        found = self.ask()
        return found["value"], found["metadata"].get("stale", False)

    @contextmanager
    def stream(self):
        """What a client is told, while the block runs."""
        uri = self.ask("")["eventStreams"][0]["endpoint"]["requestUri"]
        told: list[str] = []
        with httpx.stream("GET", f"{self.url}{uri}", timeout=60) as answer:

            def listen() -> None:
                with suppress(httpx.HTTPError):
                    for line in answer.iter_lines():
                        if line.startswith("data: "):
                            told.append(json.loads(line[6:])["etag"])

            listener = threading.Thread(target=listen, daemon=True)
            listener.start()
            wait_until(lambda: bool(told))
            yield told


@contextmanager
def database_away(portal: Portal):
    """PostgreSQL crashed, until the block ends."""
    portal.servers.crash()
    try:
        yield
    finally:
        portal.servers.start()


def test_evaluation_goes_on_marked_stale_and_then_safe_and_comes_back(running):
    edge = Edge(running, max_stale_s=6)
    wait_until(lambda: edge.says() == (True, False))

    with edge.stream() as told, database_away(running):
        wait_until(lambda: edge.says() == (True, True), limit_s=5)
        wait_until(lambda: edge.says() == (False, True), limit_s=15)
        wait_until(lambda: told[-1].endswith("x"), limit_s=5)
        values = {each["key"]: each["value"] for each in edge.ask("")["flags"]}
        assert values["PAI_DR_CLI_MAX_WAVE1_AGENTS"] == 2
        running.servers.start()
        wait_until(lambda: edge.says() == (True, False), limit_s=20)
        wait_until(lambda: not told[-1].endswith("x"), limit_s=5)
    edge.kill()


def test_restarted_without_the_database_it_goes_by_its_file_or_is_safe(running):
    edge = Edge(running, max_stale_s=25)
    kept = running.var / "edge-snapshot.json"
    wait_until(kept.exists)
    wait_until(lambda: edge.says() == (True, False))

    with database_away(running):
        edge.kill()
        edge.start()
        assert edge.says() == (True, True)
        edge.kill()
        kept.write_bytes(kept.read_bytes()[:-9])  # cut off
        edge.start()
        found = edge.ask()
        assert (found["value"], found["metadata"]["why"]) == (False, "NO_SNAPSHOT")
        edge.kill()
        kept.unlink()
        edge.start()
        assert edge.ask()["metadata"]["why"] == "NO_SNAPSHOT"
    wait_until(lambda: edge.says() == (True, False), limit_s=20)
    edge.kill()


def test_the_kill_file_works_without_the_database_and_is_an_act_afterwards(running):
    edge = Edge(running, max_stale_s=60)
    wait_until(lambda: edge.says()[0])
    path = running.var / "KILL"

    with database_away(running):
        said = running.manage("engage_switch", KEY, "--reason", "Leaks.", "--json")
        assert json.loads(said)["state"] == "kill_file"
        wait_until(lambda: not edge.says()[0], limit_s=2)
        assert edge.ask()["metadata"]["why"] == "KILL_SWITCH"
    running.start("relay")
    enabled = []
    deadline = time.monotonic() + 30
    while path.exists() and time.monotonic() < deadline:
        enabled.append(edge.says()[0])
    enabled += [edge.says()[0] for _ in range(50)]

    assert not path.exists()
    assert not any(enabled)  # not for a moment
    assert running.query("SELECT state, epoch FROM rollout_switch") == [("engaged", 2)]
    assert running.query(
        "SELECT reason FROM portal_ledgerentry WHERE verb = 'rollout.switch.engaged'"
    ) == [("Leaks.",)]
    running.kill("relay", with_children=True)
    running.release_switch()
    wait_until(lambda: edge.says() == (True, False))
    edge.kill()


def test_a_throw_that_a_cut_off_edge_cannot_hear_is_safe_within_max_stale(running):
    wire = Wire(running.var / "wire", running.servers.sockets)
    os.chmod(wire.directory, 0o755)
    max_stale_s = 6
    edge = Edge(
        running,
        max_stale_s=max_stale_s,
        DATABASE_URL=f"postgres://portal@/portal?host={wire.directory}",
    )
    wait_until(lambda: edge.says() == (True, False))

    with edge.stream() as told:
        wire.cut()
        cut_at = time.monotonic()
        running.manage("engage_switch", KEY, "--reason", "Nobody hears it.")
        wait_until(lambda: not edge.says()[0], limit_s=max_stale_s + 5)
        assert time.monotonic() - cut_at < max_stale_s + 5
        wait_until(lambda: told[-1].endswith("x"), limit_s=5)
        before = edge.ask()["metadata"]["epoch"]
        wire.mend()
        wait_until(lambda: edge.ask()["metadata"]["epoch"] > before, limit_s=20)
        assert edge.ask()["metadata"]["why"] == "KILL_SWITCH"
        wait_until(lambda: not told[-1].endswith("x"), limit_s=5)
    edge.process.send_signal(signal.SIGTERM)
    assert edge.process.wait(timeout=15) is not None
    wire.close()
