"""A whole portal as `make run` starts it, spoken to through HTTP and commands only."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import httpx
import psycopg

from portal.embedded import database_url, postgres_directory, socket_directory
from tests import prepared

ROOT = Path(__file__).resolve().parents[1]
KEY = "deep-research-option-c"
PASSWORD = "correct horse battery staple"  # of everybody whom tests invite
SCOPES = "decide,report-runs,read,operate,kill"


def a_free_port() -> int:
    """A port that no outgoing connection is ever given, even while nobody listens."""
    for port in random.sample(range(10_000, 30_000), 50):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError("no port is free")


# Two people have stage 0 only count what fails, and its triggers only say so: for what
# is about runs that fail, and not about what a stage makes of them.
COUNT_ONLY = f"""
from portal.models import Approval, Authentication, Person
from portal.services import actors, approvals
from rollout.services import changes, configuration, proposals, rollouts

engineer, architect = (
    actors.for_person(
        Person.objects.get(username=name), authenticated_by=Authentication.PASSWORD
    )
    for name in ("engineer", "architect")
)
plan = "/stages/offline-baseline/plan/on_hard_gate_failure"
triggers = configuration.read(rollouts.find({KEY!r}))["triggers"]
patch = [dict(op="replace", path=plan, value="count")] + [
    dict(op="replace", path=f"/triggers/{{key}}/is_dry_run", value=True)
    for key in triggers
]
change = changes.propose({KEY!r}, proposals.patch(patch), by=engineer, reason="Try.")
asked = Approval.objects.get(subject_id=change.pk, subject_type="rollout.change")
approvals.confirm(asked.pk, by=architect, reason="Runs shall fail.")
changes.apply(change.pk, by=engineer, reason="Now.")
"""


class LivePortal:
    """The processes of `make run` on a state directory and a port of their own."""

    def __init__(self, var: Path, *, is_new: bool = False, **settings: str) -> None:
        """On tables made beforehand, unless it is to start from nothing."""
        self.var = var
        self.is_new = is_new
        self.port = a_free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        mine = ("DATABASE_URL", "REDIS_URL", "REDIS_PREFIX", "LOG_LEVEL", "SECRET_KEY")
        self.environment = {
            name: value for name, value in os.environ.items() if name not in mine
        } | {"VAR": str(var), "PORT": str(self.port), "DEMO": "0", **settings}
        self.process: subprocess.Popen[str] | None = None
        self.said = ""
        self.clients: list[httpx.Client] = []

    def start(self) -> None:
        """Start it and wait until it says that it is ready, or fail with its words."""
        if not self.is_new and not (postgres_directory(self.var) / "postgres").exists():
            prepared.copy_to(self.var)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "portal.supervisor"],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if "Ctrl-C" in line:
                break
        else:  # it said no more, so it has ended
            self.process.communicate()
        self.said = "".join(lines)
        assert self.process.poll() is None, self.said
        assert httpx.get(f"{self.url}/readyz").status_code == 200

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Ctrl-C."""
        while self.clients:
            self.clients.pop().close()
        if self.process is not None:
            self.process.send_signal(how)
            self.process.communicate(timeout=60)
            self.process = None

    def kill(self, what: str) -> int:
        """kill -9 every process of this portal with these words in its command."""
        killed = 0
        for pid, command in processes_of(self.var).items():
            if what in command:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    killed += 1
        return killed

    def manage(self, *arguments: str, code: str | None = None) -> str:
        """Run a command to its end; it must succeed."""
        done = self.carry_out(*arguments, code=code)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    def carry_out(
        self, *arguments: str, code: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, whatever that is."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment
            | {
                "DATABASE_URL": database_url(self.var),
                "DJANGO_SETTINGS_MODULE": "portal.settings",
                "LOG_LEVEL": "WARNING",
            },
            input=code,
            capture_output=True,
            text=True,
            check=False,
        )

    def only_count_failures(self) -> None:
        """Have the stage that `seed_demo` started go on, whatever its runs do."""
        self.manage("shell", "--no-imports", "--verbosity", "0", code=COUNT_ONLY)

    def a_token(self, name: str = "journey", scopes: str = SCOPES) -> str:
        """A service's token."""
        made = self.manage(
            "create_token", name, "--rollout", KEY, "--scopes", scopes, "--json"
        )
        return json.loads(made)["token"]

    def client(self, token: str) -> httpx.Client:
        """A service's HTTP client."""
        client = httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=40,
        )
        self.clients.append(client)
        return client

    def query(self, sql: str) -> list[tuple]:
        """What the database says, past everything of the portal's own."""
        with psycopg.connect(
            host=str(socket_directory(self.var)), user="portal", dbname="portal"
        ) as connection:
            return connection.execute(sql).fetchall()


def ask(service: httpx.Client, run_id: str, kind: str) -> dict:
    """Ask a run to do something; the directive."""
    answer = service.post(
        f"/api/v1/runs/{run_id}/directives",
        json={"kind": kind, "reason": "The journey asks."},
        headers={"Idempotency-Key": f"{run_id}-{kind}-{time.time_ns()}"},
    )
    assert answer.status_code == 201, answer.text
    return answer.json()


def wait_until(condition: Callable[[], object], *, limit_s: float = 120) -> None:
    """Wait until it holds, or say that it never did."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {limit_s} s"
        time.sleep(0.1)


def processes_of(var: Path) -> dict[int, str]:
    """The commands of all processes that name this state directory or live in it."""
    found = {}
    for directory in Path("/proc").iterdir():
        if not directory.name.isdigit() or int(directory.name) == os.getpid():
            continue
        try:
            command = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            environment = (directory / "environ").read_bytes()
        except OSError:
            continue
        if str(var) in command or f"VAR={var}\0".encode() in environment:
            found[int(directory.name)] = command
    return found
