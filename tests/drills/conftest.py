"""Fixtures of the tests about incidents: those of rollouts, and the matrix."""

import pytest

from drills.services import matrix
from portal.services import actors
from tests.rollout.conftest import (
    _own_vault,
    a_token,
    carry_out_jobs,
    service,
)

__all__ = ["_own_vault", "a_token", "carry_out_jobs", "service"]


@pytest.fixture
def rows(db):
    """The matrix that ships."""
    return matrix.seed(by=actors.host(), reason="test")
