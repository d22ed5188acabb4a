"""`make run`: every process that the portal needs, on one machine.

PostgreSQL and Valkey run in sessions of their own and are stopped last; the others
are started again whenever they end.
"""

import fcntl
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TextIO

from prometheus_client.multiprocess import mark_process_dead

from portal.embedded import (
    CannotStart,
    Servers,
    database_url,
    redis_url,
    state_directory,
)

BASE_DIR = Path(__file__).resolve().parent.parent
QUEUES = ("safety", "rollout", "drills", "delivery")
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # Ctrl-C, kill, a closed window
WEB = ("web-1", "web-2")  # one process of Python uses one processor
METRICS = "PROMETHEUS_MULTIPROC_DIR"
BACKLOG = 512
READY_LIMIT_S = 180.0  # a machine that is busy takes its time
STOP_LIMIT_S = 15.0
ADMIN = "admin"
# What the demo simulates: a cap on its runs, and what goes wrong in some of them.
SIMULATED = (
    *("--seed", "demo", "--prefix", "canary", "--runs", "40", "--rate", "8"),
    *("--speed", "1", "--stage-timeout", "45", "--pass-rate", "E=0.95"),
    *("--fault", "gate_b_fail@2", "--fault", "hang@24", "--fault", "crash@6"),
    *("--fault", "citations_blocked@8"),
)


class CannotRun(RuntimeError):
    """The portal did not come up; the message is one clear line."""


class Stopped(Exception):
    """Somebody asked to stop."""


@dataclass(slots=True)
class Child:
    """A process that is kept running."""

    name: str
    command: list[str]
    environment: dict[str, str]
    log: Path
    open_files: tuple[int, ...] = ()
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    failures: int = 0
    not_before: float = field(default=0.0)
    ends: bool = False  # it may come to its end; only if it fails it starts again

    def start(self) -> None:
        """Start it, in a process group of its own so that all of it can be ended."""
        if self.process is not None and (counts := self.environment.get(METRICS)):
            # What it did is still counted; what it was doing is not.
            mark_process_dead(self.process.pid, counts)
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                cwd=BASE_DIR,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=self.open_files,
                start_new_session=True,
            )
        self.started_at = time.monotonic()

    def keep_alive(self) -> None:
        """Start it again if it has ended; ever later if it keeps ending at once."""
        if self.process is None or self.process.poll() is None:
            return
        if self.ends and self.process.returncode == 0:
            return
        now = time.monotonic()
        if self.not_before == 0.0:
            was_brief = now - self.started_at < 10
            self.failures = self.failures + 1 if was_brief else 0
            self.not_before = now + min(10.0, 0.2 * 2**self.failures)
        elif now >= self.not_before:
            self.not_before = 0.0
            self.start()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process and everything that it started."""
        if self.process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)


def main() -> None:
    """Bring everything up, say where it is, and stay until told to stop."""
    for number in STOPS:
        signal.signal(number, _stop)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a file per stream
    var = state_directory()
    servers = Servers(var)
    children: list[Child] = []
    held = ExitStack()
    status = 0
    try:
        listener = held.enter_context(_listener())
        held.enter_context(_only_one(var))
        _run(var, listener, servers, children)
    except Stopped:
        print("\nStopping …", flush=True)
    except (CannotRun, CannotStart, OSError) as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        status = 1
    finally:
        for number in STOPS:
            signal.signal(number, signal.SIG_IGN)
        _end(children)
        servers.stop()
        held.close()
    sys.exit(status)


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise Stopped


def _listener() -> socket.socket:
    """The socket that the web processes share, so that none of them is missed."""
    text = os.environ.get("PORT") or "8000"
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise CannotRun(f"PORT={text} is no port.")
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Connections inherit it; else an answer in two parts waits 40 ms for its second.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        listener.bind(("127.0.0.1", int(text)))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise CannotRun(
            f"Port {text} is taken; choose another one: make run PORT=8001"
        ) from None
    return listener


def _only_one(var: Path) -> TextIO:
    """Hold the state directory: two portals on one would stop each other's servers."""
    var.mkdir(parents=True, exist_ok=True)
    lock = (var / "supervisor.lock").open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise CannotRun(
            f"A portal is running in {var}; stop it, or choose another place: "
            "make run VAR=elsewhere"
        ) from None
    return lock


def _run(
    var: Path, listener: socket.socket, servers: Servers, children: list[Child]
) -> None:
    port: int = listener.getsockname()[1]
    environment = os.environ | {
        "VAR": str(var),
        "DJANGO_SETTINGS_MODULE": "portal.settings",
    }
    has_own_database = "DATABASE_URL" not in environment
    has_own_redis = "REDIS_URL" not in environment
    _say("database and queue")
    servers.start(postgres=has_own_database, valkey=has_own_redis)
    environment.setdefault("DATABASE_URL", database_url(var))
    environment.setdefault("REDIS_URL", redis_url(var))
    environment.setdefault("INTERNAL_URL", f"http://127.0.0.1:{port}")
    logs = var / "log"
    logs.mkdir(exist_ok=True)
    _say("tables")
    _manage(environment, "migrate", "--verbosity", "0")
    _say("baseline")
    _manage(environment, "seed_baseline")
    password = _first_administrator(environment)
    demo = _demo(environment)
    python = sys.executable
    counts = var / "metrics"  # what the web processes count, for `/metrics`
    shutil.rmtree(counts, ignore_errors=True)
    counts.mkdir()
    web = environment | {"DATABASE_POOL": "1", METRICS: str(counts)}
    serve = [
        *(python, "-m", "uvicorn", "portal.asgi:application"),
        *("--fd", str(listener.fileno()), "--no-access-log", "--no-server-header"),
        *("--log-level", "warning", "--timeout-graceful-shutdown", "5"),
    ]
    for name in WEB:
        log = logs / f"{name}.log"
        children.append(Child(name, serve, web, log, (listener.fileno(),)))
    commands = {"relay": ["relay"], "sealer": ["sealer"]} | {
        f"worker-{queue}": ["worker", queue] for queue in QUEUES
    }
    for name, arguments in commands.items():
        command = [python, "manage.py", *arguments]
        children.append(Child(name, command, environment, logs / f"{name}.log"))
    _say("web, relay, sealer and workers")
    for child in children:
        child.start()
    _wait_until_ready(port, children, logs)
    _announce(port, password, var, demo)
    if demo is not None:
        command = [python, "manage.py", "simulate", *SIMULATED]
        command += ["--token-file", demo["token_file"]]
        simulator = Child(
            "simulator", command, environment, logs / "simulator.log", ends=True
        )
        children.append(simulator)
        simulator.start()
    while True:
        for child in children:
            child.keep_alive()
        time.sleep(0.2)


def _say(what: str) -> None:
    print(f"  · {what}", flush=True)


def _manage(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=BASE_DIR,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        reason = lines[-1] if lines else "no reason given"
        raise CannotRun(f"manage.py {arguments[0]} failed: {reason}")
    return done.stdout


def _first_administrator(environment: dict[str, str]) -> str | None:
    """Make the first administrator; None when there is one already."""
    try:
        made = _manage(
            environment, "create_person", ADMIN, "--role", "administrator", "--json"
        )
    except CannotRun as error:
        if "already" in str(error):
            return None
        raise
    return str(json.loads(made)["password"])


def _wait_until_ready(port: int, children: list[Child], logs: Path) -> None:
    deadline = time.monotonic() + READY_LIMIT_S
    missing = "it does not answer"
    while time.monotonic() < deadline:
        for child in children:
            child.keep_alive()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
                return
        except urllib.error.HTTPError as error:
            missing = error.read().decode(errors="replace")[:500]
        except OSError:
            pass
        time.sleep(0.2)
    raise CannotRun(
        f"not ready within three minutes ({missing}); see the logs in {logs}"
    )


def _demo(environment: dict[str, str]) -> dict[str, str] | None:
    """Seed the demo, unless it is not wanted or somebody uses this portal for real."""
    if (os.environ.get("DEMO") or "1") == "0":
        return None
    try:
        seeded: dict[str, str] = json.loads(_manage(environment, "seed_demo", "--json"))
    except CannotRun as error:
        if "already" in str(error):
            return None
        raise
    return seeded


def _announce(
    port: int, password: str | None, var: Path, demo: dict[str, str] | None
) -> None:
    lines = [
        "",
        f"The portal is ready:  http://localhost:{port}/",
        f"API documentation:    http://localhost:{port}/api/docs",
    ]
    if password is None:
        lines.append(f"Sign in as before; the data is in {var}.")
    else:
        lines.append(f"Sign in as:           {ADMIN}")
        lines.append(f"One-time password:    {password}")
    if demo is not None:
        people = ", ".join(demo["people"])
        lines.append(f"Or as one of:         {people}")
        lines.append(f"with the password:    {demo['password']}")
        lines.append("Demo: a simulated research system is at work (DEMO=0: none).")
    lines += ["Ctrl-C stops everything; the data stays.", ""]
    print("\n".join(lines), flush=True)


def _end(children: list[Child]) -> None:
    """End every child and everything that it started."""
    for child in children:
        child.signal(signal.SIGTERM)
    deadline = time.monotonic() + STOP_LIMIT_S
    for child in children:
        if child.process is None:
            continue
        with suppress(subprocess.TimeoutExpired):
            child.process.wait(timeout=max(0.1, deadline - time.monotonic()))
        child.signal(signal.SIGKILL)
        child.process.wait()


if __name__ == "__main__":
    main()
