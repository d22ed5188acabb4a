"""The stock JavaScript clients of OpenFeature: the one of servers, that of browsers."""

import json
import os
import queue
import shutil
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from portal.embedded import database_url
from tests.faults.conftest import RELEASE
from tests.live import KEY, ROOT, LivePortal, a_free_port, wait_until

NODE = Path(__file__).parent / "node"
pytestmark = [
    pytest.mark.contract,
    pytest.mark.skipif(
        shutil.which("node") is None or not (NODE / "node_modules").is_dir(),
        reason="`make test-contract` installs the JavaScript clients, given Node",
    ),
]
ASKED = {
    "targetingKey": "run-contract",
    "team": "alpha",
    "mode": "standard",
    "query_class": "fixture_replay",
    "sensitivity": "no_web",
}
ENABLED = "PAI_DR_CLI_ENABLED"
AGENTS = "PAI_DR_CLI_MAX_WAVE1_AGENTS"
KINDS = {"bool": "boolean", "integer": "number"}


class Script:
    """A script of Node, spoken to by lines of JSON."""

    def __init__(self, name: str, **environment: str) -> None:
        self.process = subprocess.Popen(
            ["node", name],
            cwd=NODE,
            env=os.environ | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.said: list[dict] = []
        self._fresh: queue.Queue[dict] = queue.Queue()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        for line in self.process.stdout:
            said = json.loads(line)
            self.said.append(said)
            if not said.keys() & {"fetched", "stream", "changed", "stale", "ready"}:
                self._fresh.put(said.get("details", said))

    def evaluate(self, kind: str, key: str) -> dict:
        """One flag's details."""
        line = json.dumps({"type": kind, "key": key, "context": ASKED})
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self._fresh.get(timeout=20)

    def heard(self, **facts: object) -> list[dict]:
        """What it has said with these facts."""
        return [each for each in self.said if facts.items() <= each.items()]

    def stop(self) -> None:
        """End it."""
        self.process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=5)
        self.process.kill()
        self.process.wait()
        self._listener.join(timeout=5)
        self.process.stdout.close()


@pytest.fixture(scope="module")
def portal(state_directory):
    """A portal with the demo's running stage."""
    live = LivePortal(state_directory, DEMO="1")
    live.start()
    yield live
    live.stop()


@pytest.fixture(scope="module")
def token(portal):
    return portal.a_token("javascript", "decide")


@pytest.fixture(scope="module")
def service(portal):
    return portal.client(portal.a_token("operator"))


@pytest.fixture
def run_script(portal, token):
    """Starts a script; at the end all are stopped."""
    started = []

    def start(name: str, url: str = portal.url) -> Script:
        script = Script(name, PORTAL_URL=url, TOKEN=token, CONTEXT=json.dumps(ASKED))
        started.append(script)
        if name == "web.mjs":
            wait_until(lambda: script.heard(ready=True), limit_s=20)
        return script

    yield start
    for script in started:
        script.stop()


@pytest.fixture
def released(portal):
    """A switch that is released, also for whoever comes next."""
    yield
    if portal.query("SELECT 1 FROM rollout_switch WHERE state = 'engaged'"):
        portal.manage("shell", code=RELEASE)


class OwnEdge:
    """`manage.py edge` beside the portal, to be restarted."""

    def __init__(self, portal: LivePortal, **settings: str) -> None:
        self.port = a_free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = (
            portal.environment
            | {
                "DATABASE_URL": database_url(portal.var),
                "DJANGO_SETTINGS_MODULE": "portal.settings",
                "LOG_LEVEL": "ERROR",
            }
            | settings
        )

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "edge", "--port", str(self.port)],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
        )
        wait_until(self._lives, limit_s=20)

    def stop(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def _lives(self) -> bool:
        with suppress(httpx.HTTPError):
            return httpx.get(f"{self.url}/livez").status_code == 200
        return False


@pytest.mark.parametrize("name", ["server.mjs", "web.mjs"])
def test_every_flag_has_its_value_and_type_also_when_killed(
    portal, service, run_script, released, name
):
    flags = service.get("/api/v1/flags").json()
    decided = service.post(
        "/api/v1/decisions",
        json={"run_id": "run-contract", **ASKED},
        headers={"Idempotency-Key": "run-contract"},
    ).json()
    assert decided["workflow"] == "option_c"
    script = run_script(name)

    for flag in flags:
        found = script.evaluate(KINDS.get(flag["type"], "string"), flag["key"])
        wanted = decided["flags"][flag["key"]]
        assert "errorCode" not in found, found
        assert found["value"] == ("" if wanted is None else wanted)
        assert found["variant"]

    portal.manage("engage_switch", KEY, "--reason", "The contract says so.")
    wait_until(lambda: script.evaluate("boolean", ENABLED)["value"] is False, limit_s=5)
    for flag in flags:
        found = script.evaluate(KINDS.get(flag["type"], "string"), flag["key"])
        assert ("errorCode" not in found, found["reason"]) == (True, "DISABLED"), found


@pytest.mark.parametrize("name", ["server.mjs", "web.mjs"])
def test_what_is_not_there_is_the_default_with_a_reason(run_script, name):
    script = run_script(name)

    missing = script.evaluate("boolean", "NOPE")
    assert (missing["value"], missing["errorCode"]) == (True, "FLAG_NOT_FOUND")
    wrong = script.evaluate("boolean", "PAI_DR_CLI_MODE_DEFAULT")
    assert (wrong["value"], wrong["errorCode"]) == (True, "TYPE_MISMATCH")


def test_a_browser_is_told_of_changes_and_fetches_no_more_than_it_has_to(
    portal, service, run_script, released
):
    web = run_script("web.mjs")
    # A stream that was not there before may have missed something: one look, no change.
    wait_until(lambda: web.heard(fetched=304), limit_s=10)
    assert not web.heard(stream="error")
    assert web.evaluate("number", AGENTS)["value"] == 2

    etag = service.get(f"/api/v1/flags/{AGENTS}").headers["ETag"]
    changed = service.patch(
        f"/api/v1/flags/{AGENTS}",
        json={"default": 1, "reason": "Fewer."},
        headers={"If-Match": etag},
    )
    assert changed.status_code == 200, changed.text
    wait_until(lambda: web.evaluate("number", AGENTS)["value"] == 1, limit_s=5)
    assert any("flagConfigEtag=" in each["url"] for each in web.heard(fetched=200))
    assert all(each["fetched"] in (200, 304) for each in web.said if "fetched" in each)
    assert len(web.heard(stream="open")) == 1


def test_a_browser_comes_back_after_a_restart_and_hears_what_it_missed(
    portal, run_script, released
):
    edge = OwnEdge(portal)
    edge.start()
    try:
        web = run_script("web.mjs", edge.url)
        wait_until(lambda: web.heard(fetched=304), limit_s=10)
        assert web.evaluate("boolean", ENABLED)["value"] is True

        edge.stop()
        portal.manage("engage_switch", KEY, "--reason", "While nobody listens.")
        edge.start()

        wait_until(
            lambda: web.evaluate("boolean", ENABLED)["value"] is False, limit_s=20
        )
        assert len(web.heard(stream="open")) == 2
        tickets = {each["url"] for each in web.heard(stream="open")}
        assert len(tickets) == 1  # it is still good
    finally:
        edge.stop()


def test_a_browser_whose_ticket_has_run_out_gets_another(portal, run_script, released):
    edge = OwnEdge(portal, STREAM_TICKET_SECONDS="2")
    edge.start()
    try:
        web = run_script("web.mjs", edge.url)
        wait_until(lambda: web.heard(stream="open"), limit_s=10)
        time.sleep(5)
        edge.stop()
        edge.start()

        wait_until(lambda: web.heard(stream="error", code=401), limit_s=20)
        wait_until(lambda: len(web.heard(stream="open")) == 2, limit_s=20)
        first, second = (each["url"] for each in web.heard(stream="open"))
        assert first != second
        portal.manage("engage_switch", KEY, "--reason", "Who has a new ticket hears.")
        wait_until(
            lambda: web.evaluate("boolean", ENABLED)["value"] is False, limit_s=10
        )
    finally:
        edge.stop()


def test_javascript_finds_the_same_buckets():
    vectors = (ROOT / "docs" / "reference" / "bucketing.json").read_text()

    done = subprocess.run(
        ["node", "bucketing.mjs"],
        cwd=NODE,
        input=vectors,
        capture_output=True,
        text=True,
        check=True,
    )

    expected = [each["bucket"] for each in json.loads(vectors)["vectors"]]
    assert json.loads(done.stdout) == expected
    assert len(expected) == 24
