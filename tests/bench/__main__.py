"""`make bench`: what the portal costs beside the bare minimum, and how fast it acts.

Everything runs on servers that this starts itself, on loopback, and ends.
"""

import asyncio
import json
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import httpx

from tests.faults.conftest import KEY, Portal
from tests.live import LivePortal, wait_until
from tests.rollout.documents import a_manifest, raw, some_gates, spent

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 5.0
CONNECTIONS = 8
FALLBACKS = 30
LIVE_RUNS = 200
DIRECTED = 60
PORT = 8977


def main() -> None:
    """Measure, print one line per figure, and fail when a bar is missed."""
    var = Path(tempfile.mkdtemp(prefix="portal-bench-"))
    var.chmod(0o755)
    portal = Portal(var)
    web = None
    try:
        portal.manage("migrate", "--verbosity", "0")
        portal.manage("seed_baseline")
        portal.manage("create_person", "admin", "--role", "administrator")
        made = portal.manage(
            *("create_token", "bench", "--rollout", KEY, "--json"),
            *("--scopes", "decide,report-runs,read"),
        )
        token = json.loads(made)["token"]
        portal.query_commit(
            "CREATE TABLE bench_row (id bigserial PRIMARY KEY, body bytea NOT NULL)"
        )
        web = _web(portal)
        figures = [_edge(token), _ingest(token), _fallback(portal, token)]
    finally:
        if web is not None:
            web.terminate()
            web.wait()
        portal.stop()
        shutil.rmtree(var, ignore_errors=True)
    figures.append(_many_runs())
    missed = [figure for figure in figures if not figure["is_met"]]
    for figure in figures:
        print(json.dumps(figure))
    sys.exit(1 if missed else 0)


def _web(portal: Portal) -> subprocess.Popen[bytes]:
    """The portal with one bare view beside it, in the same process."""
    environment = portal.environment | {
        "DATABASE_POOL": "1",
        "API_READS_PER_MINUTE": "0",
        "API_WRITES_PER_MINUTE": "0",
        "EDGE_REQUESTS_PER_SECOND": "0",
        "LOG_LEVEL": "ERROR",
    }
    web = subprocess.Popen(
        [
            *(sys.executable, "-m", "uvicorn", "tests.bench.app:application"),
            *("--port", str(PORT), "--no-access-log", "--log-level", "error"),
        ],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
    )
    for _ in range(200):
        with suppress(httpx.HTTPError):
            if httpx.get(f"http://127.0.0.1:{PORT}/livez").status_code == 200:
                return web
        time.sleep(0.1)
    raise SystemExit("error: the web process does not answer")


def _load(request: Callable[[httpx.Client, int], None]) -> float:
    """Requests per second over some connections for some seconds."""
    done = [0] * CONNECTIONS
    end = time.monotonic() + SECONDS

    def work(number: int) -> None:
        with httpx.Client(base_url=f"http://127.0.0.1:{PORT}", timeout=30) as client:
            while time.monotonic() < end:
                request(client, number * 1_000_000 + done[number])
                done[number] += 1

    threads = [threading.Thread(target=work, args=(n,)) for n in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / SECONDS


def _edge(token: str) -> dict[str, object]:
    """Bulk evaluation of all flags against a bare ASGI app in the same process."""
    rates = {}
    for path in ("/bare-asgi", "/ofrep/v1/evaluate/flags"):
        requests = [_asked(path, token, f"run-{number:03d}") for number in range(500)]
        with multiprocessing.Pool(2) as pool:
            pool.map(_hammer, [(requests, 1.0)] * 2)  # warm
            rates[path] = sum(pool.map(_hammer, [(requests, SECONDS)] * 2))
    bare, bulk = rates.values()
    ratio = bulk / bare
    return {
        "what": "bulk evaluation of 12 flags on the edge / bare ASGI app",
        "bare_per_s": round(bare),
        "bulk_per_s": round(bulk),
        "ratio": round(ratio, 3),
        "bar": 0.40,
        "is_met": ratio >= 0.40,
    }


def _asked(path: str, token: str, key: str) -> bytes:
    context = {"targetingKey": key, "team": "alpha", "mode": "standard"}
    body = json.dumps({"context": context}).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {token}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _hammer(job: tuple[list[bytes], float]) -> float:
    """Requests per second of some connections, each one request after the other."""
    requests, seconds = job

    async def connection() -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
        done, end = 0, time.monotonic() + seconds
        while time.monotonic() < end:
            writer.write(requests[done % len(requests)])
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r")[0])
            await reader.readexactly(length)
            done += 1
        writer.close()
        return done

    async def together() -> int:
        return sum(await asyncio.gather(*(connection() for _ in range(CONNECTIONS))))

    return asyncio.run(together()) / seconds


def _ingest(token: str) -> dict[str, object]:
    """A gates document against a bare view with one insert, both fsynced."""
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    body = raw(some_gates(passed="AB"))

    def bare(client: httpx.Client, number: int) -> None:
        client.post("/bare", content=body).raise_for_status()

    def gates(client: httpx.Client, number: int) -> None:
        run_id = f"bench-{number // 1_000_000}"
        document = some_gates(run_id, revision=number % 1_000_000 + 1, passed="AB")
        path = f"/api/v1/runs/{run_id}/gates"
        client.put(path, content=raw(document), headers=headers).raise_for_status()

    for warm_up in (bare, gates):
        with httpx.Client(base_url=f"http://127.0.0.1:{PORT}", timeout=30) as client:
            for number in range(20):
                warm_up(client, 99_000_000 + number)
    bare_rate, gates_rate = _load(bare), _load(gates)
    ratio = gates_rate / bare_rate
    return {
        "what": "ingest of a gates document / bare view with one fsynced insert",
        "bare_per_s": round(bare_rate),
        "gates_per_s": round(gates_rate),
        "ratio": round(ratio, 3),
        "bar": 0.20,
        "is_met": ratio >= 0.20,
    }


def _fallback(portal: Portal, token: str) -> dict[str, object]:
    """From the answer to a confirmed failure to the committed fallback."""
    portal.start("relay")
    portal.start("worker", "safety")
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    waits = []
    with httpx.Client(base_url=f"http://127.0.0.1:{PORT}", timeout=30) as client:
        for number in range(FALLBACKS + 3):
            run_id = f"fallback-{number}"
            path = f"/api/v1/runs/{run_id}"
            for kind, document in (
                ("manifest", a_manifest(run_id, **spent())),
                ("gates", some_gates(run_id, failed="B")),
            ):
                answer = client.put(
                    f"{path}/{kind}", content=raw(document), headers=headers
                )
                answer.raise_for_status()
            started = time.monotonic()
            while client.get(path, headers=headers).json()["status"] != "failed":
                if time.monotonic() - started > 60:
                    raise SystemExit(f"error: {run_id} never fell back")
                time.sleep(0.005)
            waits.append(time.monotonic() - started)
    waits = sorted(waits[3:])  # the first ones found the workers still starting
    return {
        "what": "from the ingest of a confirmed failure to the committed fallback",
        "n": len(waits),
        "median_s": round(statistics.median(waits), 3),
        "worst_s": round(waits[-1], 3),
        "bar": 1.0,
        "is_met": statistics.median(waits) < 1.0,
    }


def _many_runs() -> dict[str, object]:
    """200 live runs at once: who is timed out, and how fast directives are followed."""
    var = Path(tempfile.mkdtemp(prefix="portal-bench-"))
    var.chmod(0o755)
    portal = LivePortal(var)
    simulator = None
    try:
        portal.start()
        portal.manage("seed_demo")
        token = portal.a_token("bench")
        simulator = subprocess.Popen(
            [
                *(sys.executable, "manage.py", "simulate", "--url", portal.url),
                *("--runs", str(LIVE_RUNS), "--rate", "300", "--speed", "0.1"),
            ],
            cwd=ROOT,
            env=portal.environment | {"TOKEN": token},
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        count = "SELECT count(*) FROM rollout_run WHERE status = 'running'"
        wait_until(lambda: portal.query(count) == [(LIVE_RUNS,)], limit_s=180)
        time.sleep(5)
        service = portal.client(token)
        for number in range(1, DIRECTED + 1):
            answer = service.post(
                f"/api/v1/runs/sim-1-{number:04d}/directives",
                json={"kind": "pause", "reason": "bench"},
                headers={"Idempotency-Key": f"bench-{number}"},
            )
            answer.raise_for_status()
            time.sleep(0.2)
        open_now = "SELECT 1 FROM rollout_directive WHERE state = 'issued'"
        wait_until(lambda: portal.query(open_now) == [])
        waits = sorted(
            float(seconds)
            for (seconds,) in portal.query(
                "SELECT extract(epoch FROM ended_at - issued_at) FROM rollout_directive"
            )
        )
        ((timeouts,),) = portal.query("SELECT count(*) FROM rollout_runtimeout")
    finally:
        if simulator is not None:
            simulator.kill()
            simulator.wait()
        portal.stop()
        shutil.rmtree(var, ignore_errors=True)
    p95 = waits[int(0.95 * len(waits))]
    return {
        "what": f"directive to acknowledgement with {LIVE_RUNS} live runs",
        "n": len(waits),
        "median_s": round(statistics.median(waits), 3),
        "p95_s": round(p95, 3),
        "falsely_timed_out": timeouts,
        "bar": 2.0,
        "is_met": p95 < 2.0 and timeouts == 0,
    }


if __name__ == "__main__":
    os.environ.setdefault("SECRET_KEY", "bench-only-" + "x" * 60)
    main()
