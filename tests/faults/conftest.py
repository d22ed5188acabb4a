"""Real processes on servers of their own, to be killed; nothing else is touched."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from portal.embedded import Servers, database_url, redis_url

ROOT = Path(__file__).resolve().parents[2]
KEY = "deep-research-option-c"
# Two people who are there for this alone.
RELEASE = """
import time
from portal.models import Authentication
from portal.services import approvals
from rollout.services import switch
from tests.builders import an_actor
from tests.rollout.builders import KEY

now = time.time_ns()
asker = an_actor("engineer", name=f"asker-{now}")
other = an_actor(
    "architect", name=f"other-{now}", authenticated_by=Authentication.PASSWORD
)
asked = switch.request_release(KEY, by=asker, reason="again")
approvals.confirm(asked.pk, by=other, reason="fine")
"""


class Portal:
    """A portal without its web process: servers, relay and workers, and commands."""

    def __init__(self, var: Path) -> None:
        self.var = var
        self.servers = Servers(var, is_durable=True)
        self.servers.start()
        self.environment = os.environ | {
            "VAR": str(var),
            "DATABASE_URL": database_url(var),
            "REDIS_URL": redis_url(var),
            "REDIS_PREFIX": "portal-faults",
            "LOG_LEVEL": "WARNING",
            "DJANGO_SETTINGS_MODULE": "portal.settings",
        }
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def manage(self, *arguments: str, code: str | None = None) -> str:
        """Run a command to its end."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            input=code,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start (again) a process that stays."""
        with (self.var / "faults.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "manage.py", *arguments],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.processes[" ".join(arguments)] = process
        return process

    def kill(self, name: str, *, with_children: bool) -> None:
        """kill -9, of the parent alone or of everything that it started."""
        process = self.processes.pop(name)
        with suppress(ProcessLookupError):
            if with_children:
                os.killpg(process.pid, signal.SIGKILL)
            else:
                os.kill(process.pid, signal.SIGKILL)
        process.wait()

    def query(self, sql: str) -> list[tuple]:
        """What the database says, past everything of the portal's own."""
        with psycopg.connect(
            host=str(self.servers.sockets), user="portal", dbname="portal"
        ) as connection:
            return connection.execute(sql).fetchall()

    def query_commit(self, sql: str) -> None:
        """Change the database, past everything of the portal's own, guards included."""
        with psycopg.connect(
            host=str(self.servers.sockets), user="portal", dbname="portal"
        ) as connection:
            connection.execute("SET LOCAL session_replication_role = replica")
            connection.execute(sql)

    def release_switch(self) -> None:
        """Have it released, by two people."""
        self.manage("shell", code=RELEASE)

    def stop(self) -> None:
        """End everything that was started."""
        for name in list(self.processes):
            self.kill(name, with_children=True)
        self.servers.stop()


def wait_until(condition: Callable[[], bool], *, limit_s: float = 60) -> None:
    """Wait until it holds, or say that it never did."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {limit_s} s"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def portal() -> Iterator[Portal]:
    """A portal with the baseline and a service."""
    var = Path(tempfile.mkdtemp(prefix="portal-faults-"))
    var.chmod(0o755)
    running = Portal(var)
    try:
        running.manage("migrate", "--verbosity", "0")
        running.manage("seed_baseline")
        running.manage("create_person", "admin", "--role", "administrator")
        made = running.manage(
            *("create_token", "faults", "--rollout", KEY, "--json"),
            *("--scopes", "decide,report-runs,read,operate,kill"),
        )
        running.token = json.loads(made)["token"]
        yield running
    finally:
        running.stop()
        shutil.rmtree(var, ignore_errors=True)
