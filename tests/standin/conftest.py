"""An installation for each test."""

import pytest

from tests.standin.installation import Installation


@pytest.fixture
def installation(tmp_path):
    return Installation(tmp_path / "installation")
