"""A whole portal with many live runs: who is timed out, how fast runs obey."""

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

from tests.bench import servers
from tests.live import LivePortal, wait_until

LIVE_RUNS = 200
DIRECTED = 60
BAR_S = 2.0


def figures() -> Iterator[dict[str, object]]:
    """From a directive to its acknowledgement, while simulated runs go on."""
    with servers.state() as var:
        yield _figure(LivePortal(var))


def _figure(portal: LivePortal) -> dict[str, object]:
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
            cwd=servers.ROOT,
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
    p95 = waits[int(0.95 * len(waits))]
    return {
        "what": f"directive to acknowledgement with {LIVE_RUNS} live runs",
        "n": len(waits),
        "median_s": round(statistics.median(waits), 3),
        "p95_s": round(p95, 3),
        "falsely_timed_out": timeouts,
        "bar": BAR_S,
        "is_met": p95 < BAR_S and timeouts == 0,
    }
