"""What is measured, on servers of its own: started here, on loopback, and ended."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.bench import workload
from tests.faults.conftest import KEY, Portal
from tests.live import a_free_port

ROOT = Path(__file__).resolve().parents[2]
START_LIMIT_S = 60.0

PUBLISH = """
import json
from pathlib import Path
from portal import clock
from portal.domain.canonical import canonical, digest
from portal.services import actors, bell
from rollout.models import Rollout, Snapshot

body = canonical(json.loads(Path({path!r}).read_bytes()))
rollout = Rollout.objects.get(key={key!r})
Snapshot(
    rollout=rollout,
    revision=rollout.snapshots.count() + 1,
    epoch=1,
    digest=digest(body),
    body=body.decode(),
    reason="bench",
    created_by=actors.host(),
    created_at=clock.now(),
).save()
bell.ring(bell.EDGE)
"""


@contextmanager
def state() -> Iterator[Path]:
    """A directory for the data of servers, gone afterwards."""
    var = Path(tempfile.mkdtemp(prefix="portal-bench-"))
    var.chmod(0o755)
    try:
        yield var
    finally:
        shutil.rmtree(var, ignore_errors=True)


@contextmanager
def a_portal(rules: workload.Rules = workload.RULES) -> Iterator[Portal]:
    """A portal with its baseline, without its processes; `token` may do what is asked.

    Its newest snapshot is the workload's: written past the acts, which would take two
    people a day.
    """
    with state() as var:
        portal = Portal(var)
        try:
            portal.manage("migrate", "--verbosity", "0")
            portal.manage("seed_baseline")
            portal.manage("create_person", "admin", "--role", "administrator")
            made = portal.manage(
                *("create_token", "bench", "--rollout", KEY, "--json"),
                *("--scopes", "decide,report-runs,read"),
            )
            portal.token = json.loads(made)["token"]
            content = var / "content.json"
            content.write_text(json.dumps(workload.content(rules)))
            code = PUBLISH.format(path=str(content), key=KEY)
            portal.manage("shell", "--no-imports", code=code)
            yield portal
        finally:
            portal.stop()


@contextmanager
def serving(application: str, environment: dict[str, str]) -> Iterator[int]:
    """An application as the portal's own are served; the port it listens on."""
    port = a_free_port()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "uvicorn", application, "--port", str(port)),
            *("--no-access-log", "--no-server-header", "--log-level", "warning"),
        ],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
    )
    try:
        wait_for_answer(port, process)
        yield port
    finally:
        process.terminate()
        process.wait()


@contextmanager
def serving_portal(
    portal: Portal, application: str = "portal.asgi:application"
) -> Iterator[int]:
    """One web process with the edge in it."""
    environment = portal.environment | {
        "DATABASE_POOL": "1",
        "API_READS_PER_MINUTE": "0",
        "API_WRITES_PER_MINUTE": "0",
        "EDGE_REQUESTS_PER_SECOND": "0",
        "LOG_LEVEL": "ERROR",
    }
    with serving(application, environment) as port:
        yield port


@contextmanager
def serving_bare(var: Path, rules: workload.Rules = workload.RULES) -> Iterator[int]:
    """The same flags without a portal."""
    content = var / "bare.json"
    content.write_text(json.dumps(workload.bare_content(rules)))
    environment = os.environ | {"BENCH_CONTENT": str(content)}
    with serving("tests.bench.bare:application", environment) as port:
        yield port


def wait_for_answer(port: int, process: subprocess.Popen[bytes]) -> None:
    """Until somebody listens there."""
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.1)
    raise SystemExit("error: a server of the bench does not listen")
