"""Fixtures that every test can use."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection


def pytest_configure() -> None:
    """Cheap password hashes, as there are hundreds of people, and no migrations."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    if template := os.environ.get("TEST_TEMPLATE"):
        settings.DATABASES["default"].setdefault("TEST", {})["TEMPLATE"] = template


SHARED = Path(
    os.environ.get("SHARED_DIR") or Path(__file__).resolve().parents[2] / "shared"
)


@pytest.fixture
def shared() -> Path:
    """Data that the research system wrote; not everybody has it."""
    if not (SHARED / "real_runs").is_dir():
        pytest.skip("the research system's own data is not here")
    return SHARED


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """Let tests empty guarded tables between them; everything else stays guarded."""

    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgrelid::regclass FROM pg_trigger WHERE tgname = 'never_emptied'"
        )
        for (table,) in cursor.fetchall():
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER never_emptied")


@pytest.fixture
def sealer(settings, tmp_path):
    """A key that is made when it is needed, and one sink, in a place of their own."""
    settings.SEALER_KEY_FILE = tmp_path / "sealer-key"
    settings.LEDGER_ORIGIN = "test.example/ledger"
    settings.CHECKPOINT_SINKS = [
        {
            "BACKEND": "portal.services.sinks.AppendOnlyFile",
            "OPTIONS": {"path": str(tmp_path / "checkpoints.jsonl")},
        }
    ]
    return tmp_path


def _a_state_directory():
    var = Path(tempfile.mkdtemp(prefix="portal-live-"))
    var.chmod(0o755)  # PostgreSQL runs as another user when we are root
    yield var
    shutil.rmtree(var, ignore_errors=True)


# A fresh state directory for a whole portal (`tests.live.LivePortal`).
state_directory = pytest.fixture(scope="module")(_a_state_directory)
session_state_directory = pytest.fixture(scope="session")(_a_state_directory)
