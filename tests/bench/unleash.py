"""An Unleash server beside the portal: `make bench PEERS=1`.

It is installed from npm under `var/` (Unleash 8 needs Node 22, which is an npm package
too) and runs as one process on a database of its own in the bench's PostgreSQL. It is
asked by its frontend API, which evaluates the flags on the server for one context; the
portal is asked in bulk, for as many flags, with the same contexts.
"""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psycopg

from tests.bench import edge, servers, workload
from tests.bench.load import Side, compare, post
from tests.faults.conftest import Portal
from tests.live import a_free_port

HOME = servers.ROOT / "var" / "peers" / "unleash"
PACKAGES = ("node@22", "unleash-server@8")
ADMIN = "*:*.bench-admin"
FRONTEND = "default:development.bench-frontend"
START_LIMIT_S = 180.0
MANY = 64  # connections, for the latency
WARM_S = 15.0  # it gets twice as fast while it is compiled

FASTER, QUICKER = 2.5, 0.25


def figures() -> Iterator[dict[str, object]]:
    """Requests per second and 99th percentiles of both, by turns."""
    install()
    with ExitStack() as stack:
        portal = stack.enter_context(servers.a_portal())
        port = stack.enter_context(servers.serving_portal(portal))
        peer = stack.enter_context(serving(portal))
        ours = Side(port, edge.requests(edge.BULK, portal.token))
        theirs = Side(
            peer,
            [
                post(
                    "/api/frontend", {"context": asked(context)}, Authorization=FRONTEND
                )
                for context in workload.contexts()
            ],
        )
        what = f"12 flags for one context, edge / Unleash {version()}"
        yield edge.figure(what, compare(ours, theirs, warm_s=WARM_S), FASTER, "unleash")
        many = compare(ours, theirs, connections=MANY, rounds=10, seconds=2.0)
        left, right, ratio = many.median(lambda load: load.p99_ms)
        yield {
            "what": f"p99 of that at {MANY} connections, edge / Unleash {version()}",
            "edge_ms": round(left, 2),
            "unleash_ms": round(right, 2),
            "ratio": round(ratio, 3),
            "bar": QUICKER,
            "is_met": ratio <= QUICKER,
        }


def install() -> None:
    """Have the packages in `var/`, which git ignores."""
    if (HOME / "node_modules" / "unleash-server").exists():
        return
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit("error: PEERS=1 needs npm to install unleash-server")
    HOME.mkdir(parents=True, exist_ok=True)
    command = [npm, "install", "--no-audit", "--no-fund", "--loglevel=error", *PACKAGES]
    subprocess.run(command, cwd=HOME, check=True)


def version() -> str:
    """Of the server that is installed."""
    package = HOME / "node_modules" / "unleash-server" / "package.json"
    return str(json.loads(package.read_text())["version"])


@contextmanager
def serving(portal: Portal) -> Iterator[int]:
    """One Unleash process with the workload's flags; the port it listens on."""
    sockets = str(portal.servers.sockets)
    with psycopg.connect(
        host=sockets, user="portal", dbname="postgres", autocommit=True
    ) as connection:
        connection.execute("CREATE DATABASE unleash")
    port = a_free_port()
    limits = (
        "TOKEN_AUTHENTICATION_RATE_LIMIT_PER_MINUTE",
        "SDK_API_RATE_LIMIT_PER_MINUTE",
    )
    environment = os.environ | {
        "NODE_ENV": "production",
        "LOG_LEVEL": "error",
        "HTTP_HOST": "127.0.0.1",
        "HTTP_PORT": str(port),
        "DATABASE_HOST": sockets,
        "DATABASE_USERNAME": "portal",
        "DATABASE_PASSWORD": "none",
        "DATABASE_NAME": "unleash",
        "DATABASE_SSL": "false",
        "CHECK_VERSION": "false",
        "SEND_TELEMETRY": "false",
        "INIT_ADMIN_API_TOKENS": ADMIN,
        "INIT_FRONTEND_API_TOKENS": FRONTEND,
        **dict.fromkeys(limits, "100000000"),
    }
    modules = HOME / "node_modules"
    with (portal.var / "unleash.log").open("wb") as log:
        process = subprocess.Popen(
            [
                modules / "node" / "bin" / "node",
                modules / "unleash-server/dist/server.js",
            ],
            cwd=HOME,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            _wait(client, process, portal.var / "unleash.log")
            _make_flags(client)
        yield port
    finally:
        process.terminate()
        process.wait()


def _wait(client: httpx.Client, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(httpx.HTTPError):
            if client.get("/health").status_code == 200:
                return
        time.sleep(0.2)
    raise SystemExit(f"error: Unleash does not start: {log.read_text()[-2000:]}")


def _make_flags(client: httpx.Client) -> None:
    """The workload's flags, as far as Unleash can say them: on or off by the rules."""
    features = "/api/admin/projects/default/features"

    def add(path: str, body: object) -> None:
        client.post(
            features + path, json=body, headers={"Authorization": ADMIN}
        ).raise_for_status()

    flags = workload.bare_content()["flags"]
    for flag in flags:
        name = flag["key"]
        add("", {"name": name, "type": "release"})
        environment = f"/{name}/environments/development"
        for rule in flag["rules"]:
            add(f"{environment}/strategies", _strategy(name, rule))
        if not flag["rules"]:
            add(f"{environment}/strategies", {"name": "default"})
        add(f"{environment}/on", {})
    everybody = sum(not flag["rules"] for flag in flags)
    body = {"context": asked(workload.contexts()[0])}
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline:
        answer = client.post(
            "/api/frontend", json=body, headers={"Authorization": FRONTEND}
        )
        if len(answer.raise_for_status().json()["toggles"]) > everybody:
            return
        time.sleep(0.5)
    raise SystemExit("error: Unleash does not serve the flags that it was given")


def _strategy(name: str, rule: dict[str, Any]) -> dict[str, object]:
    """Where the portal's first matching rule decides, any strategy does here."""
    share = rule["share"]
    return {
        "name": "flexibleRollout",
        "parameters": {
            "rollout": str(100 if share is None else share // 100),
            "stickiness": "userId",
            "groupId": name,
        },
        "constraints": [
            {
                "contextName": each["attribute"],
                "operator": "IN",
                "values": [value] if isinstance(value, str) else value,
            }
            for each in rule["conditions"]
            for value in [each["value"]]
        ],
    }


def asked(context: dict[str, str]) -> dict[str, object]:
    """A context of the workload in Unleash's terms."""
    rest = {k: v for k, v in context.items() if k != "targetingKey"}
    return {"userId": context["targetingKey"], "properties": rest}
