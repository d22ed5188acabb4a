"""One whole portal for all journeys that do not stop it."""

import pytest

from tests.live import LivePortal


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
