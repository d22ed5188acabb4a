"""A portal that answers over HTTP, and an installation beside which an agent runs."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.agent.installations import Place
from tests.rollout.builders import a_running_stage, a_service

AGENTS_SCOPES = ("decide", "report-runs", "read")


@pytest.fixture
def portal(live_server, settings, tmp_path) -> str:
    """The address of a portal with stage 0 running."""
    settings.ARTIFACTS_DIR = tmp_path / "artifacts"
    a_running_stage()
    return live_server.url


@pytest.fixture
def a_place(portal, tmp_path) -> Iterator[Callable[[], Place]]:
    """Makes installations; their agents end with the test, and say what they did."""
    made: list[Place] = []

    def make(folder: Path = tmp_path / "installation") -> Place:
        made.append(Place(folder, portal, a_service(*AGENTS_SCOPES)[1]))
        return made[-1]

    yield make
    for place in made:
        place.stop()
        print(place.last_words())


@pytest.fixture
def place(a_place) -> Place:
    """An installation; its settings file says true, as if nobody had cared."""
    return a_place()
