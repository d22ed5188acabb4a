"""One whole portal for all journeys that do not stop it."""

import pytest

from tests.journeys.agents import LEASE_S, Agent, processes_under
from tests.live import LivePortal
from tests.standin.installation import Installation


@pytest.fixture(scope="session")
def portal(session_state_directory):
    """A portal on which two people have started stage 0; it counts what fails."""
    live = LivePortal(session_state_directory)
    live.start()
    live.manage("seed_demo")
    live.only_count_failures()
    yield live
    live.stop()


@pytest.fixture(scope="session")
def token(portal):
    return portal.a_token("research system")


@pytest.fixture
def service(portal, token):
    return portal.client(token)


@pytest.fixture
def installation(tmp_path):
    """A research system's place, with a command line that is a stand-in."""
    return Installation(tmp_path / "installation", STANDIN_LEASE_S=str(LEASE_S))


@pytest.fixture
def agent(portal, token, installation):
    """The agent beside it; nothing of either is left running."""
    agent = Agent(portal, token, installation)
    yield agent
    agent.stop()
    assert processes_under(installation.root) == {}
