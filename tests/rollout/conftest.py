"""Fixtures of the tests about rollouts and runs."""

import pytest

from portal.services import jobs
from tests.rollout.builders import a_rollout, a_service


@pytest.fixture(autouse=True)
def _own_vault(settings, tmp_path):
    """Every test has an empty artifact vault of its own."""
    settings.ARTIFACTS_DIR = tmp_path / "artifacts"


@pytest.fixture
def service(db):
    """A service with all scopes, on a portal with the baseline."""
    a_rollout()
    return a_service()[0]


@pytest.fixture
def a_token(service):
    """The text of another service's token, with all scopes."""
    return a_service()[1]


@pytest.fixture
def carry_out_jobs(db):
    """Carries out what is due, through the same code as a worker does."""

    def carry_out() -> int:
        due = jobs.to_hand_over(patience=jobs.LEASE)
        return sum(jobs.carry_out(job.pk, worker="test") for job in due)

    return carry_out
