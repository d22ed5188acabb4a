"""A portal with a running stage, and a service that speaks HTTP to it."""

import pytest

from tests.rollout.builders import a_running_stage, a_service
from tests.rollout.conftest import carry_out_jobs  # noqa: F401
from tests.rollout.test_api import Caller


@pytest.fixture(autouse=True)
def _own_vault(settings, tmp_path):
    settings.ARTIFACTS_DIR = tmp_path / "artifacts"


@pytest.fixture
def call(db, client) -> Caller:
    """A service's HTTP client; stage 0 admits what the service asks for."""
    a_running_stage()
    return Caller(client, a_service()[1])
