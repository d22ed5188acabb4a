"""The switch, and a portal that is away: what an installation is told then."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.journeys.agents import Agent, differences, processes_under
from tests.live import KEY, LivePortal, wait_until
from tests.standin.installation import Installation

# Processes of many kinds are stopped, and leases run out: minutes, not seconds.
pytestmark = pytest.mark.faults

DEAD_MAN_S = 4
LONG_ENOUGH_S = 20  # to throw the switch meanwhile, however busy the machine is
RELEASE = f"""
from portal.models import Authentication, Person
from portal.services import actors, approvals
from rollout.services import switch

engineer, architect = (
    actors.for_person(
        Person.objects.get(username=name), authenticated_by=Authentication.PASSWORD
    )
    for name in ("engineer", "architect")
)
asked = switch.request_release({KEY!r}, by=engineer, reason="The journey goes on.")
approvals.confirm(asked.pk, by=architect, reason="It does.")
"""


@pytest.fixture(scope="module")
def portal(state_directory):
    live = LivePortal(state_directory)
    live.start()
    live.manage("seed_demo")
    live.only_count_failures()
    yield live
    live.stop()


@pytest.fixture(scope="module")
def token(portal):
    return portal.a_token("agent")


@pytest.fixture
def agent(portal, token, installation):
    agent = Agent(portal, token, installation, dead_man_limit_s=DEAD_MAN_S).drive()
    yield agent
    agent.stop()
    assert processes_under(installation.root) == {}


def released(portal: LivePortal) -> None:
    portal.manage("shell", "--no-imports", "--verbosity", "0", code=RELEASE)


def stage(installation: Installation, run_id: str) -> str:
    return installation.manifest(run_id)["stage"]["current"]


def lever(installation: Installation, run_id: str) -> object:
    constraints = installation.manifest(run_id)["query"]["constraints"]
    return constraints["deep_research_cli"]["enabled"]


def test_the_switch_stops_what_runs_and_is_lifted_in_the_reverse_order(
    portal, token, agent, installation
):
    service = portal.client(token)
    slow = {"slow": {"citations": LONG_ENOUGH_S}}
    installation.plan(runs={"driven": slow, "waiting": {}})
    agent.drive(interrupt_after_s=90, tick_limit_s=90)
    agent.begin()
    installation.init("driven")
    wait_until(lambda: stage(installation, "driven") == "citations")
    wait_until((installation.runs / "driven/citations/extracted-urls.txt").exists)
    before = installation.snapshot("driven")

    thrown = service.post(
        "/api/v1/switch/engage",
        json={"reason": "The journey says so."},
        headers={"Idempotency-Key": "the-journey"},
    )
    assert thrown.status_code == 200, thrown.text

    wait_until(lambda: agent.enabled is False, limit_s=20)
    refused = installation.init("late")
    assert (refused.code, refused.status) == ("CLI_ERROR", 1)
    assert "DISABLED" in refused.document["error"]["message"]
    wait_until(lambda: lever(installation, "driven") is False)
    wait_until(lambda: installation.manifest("driven")["status"] == "paused")
    assert stage(installation, "driven") in ("citations", "summaries")
    after = installation.snapshot("driven")
    for path, content in before.items():
        if path.startswith(("wave-1/", "citations/", "pivot", "perspectives")):
            assert after[path] == content, path
    wait_until(lambda: differences(service, installation.runs / "driven") == [])

    released(portal)

    wait_until(lambda: agent.enabled is True)
    assert lever(installation, "driven") is True
    lifted = agent.said("manifest_edited", reason="The switch is released.")
    opened = agent.said("settings_written", enabled=True)
    assert lifted[-1]["timestamp"] <= opened[-1]["timestamp"]
    wait_until(lambda: installation.manifest("driven")["status"] == "completed")
    wait_until(lambda: differences(service, installation.runs / "driven") == [])
    assert installation.init("later").result[0]


@contextmanager
def somebody_else(port: int) -> Iterator[None]:
    """Who answers at the portal's address, of an epoch that is long over."""

    class Impostor(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b'{"PAI_DR_CLI_ENABLED": true}'
            self.send_response(200)
            for name, value in {
                "Content-Type": "application/json",
                "Content-Length": str(len(body)),
                "X-Epoch": "0",
                "X-Revision": "999999",
                "X-Switch": "released",
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Impostor)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


def test_a_portal_that_is_away_closes_and_only_its_own_word_opens_again(
    portal, token, agent, installation
):
    installation.plan(slow={"wave1": 1, "citations": 1, "summaries": 1})
    agent.begin()

    portal.stop()

    wait_until(lambda: agent.enabled is False, limit_s=DEAD_MAN_S + 20)
    assert installation.init("orphan").code == "CLI_ERROR"

    with somebody_else(portal.port):
        wait_until(lambda: agent.said("settings_older"))
        agent.stop()
        agent.start()  # it has not forgotten
        wait_until(lambda: len(agent.said("settings_older")) >= 2)
        assert agent.enabled is False

    portal.start()

    wait_until(lambda: agent.enabled is True)
    installation.plan()
    assert installation.init("again").result[0]
    wait_until(lambda: installation.manifest("again")["status"] == "completed")
