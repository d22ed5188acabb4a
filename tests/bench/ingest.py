"""What it costs to take a document, beside one durable insert."""

import threading
import time
from collections.abc import Callable, Iterator
from statistics import median

import httpx

from tests.bench import servers
from tests.faults.conftest import Portal
from tests.rollout.documents import raw, some_gates

ROUNDS = 6
ROUND_S = 1.0
CONNECTIONS = 8
BAR = 0.20


def figures() -> Iterator[dict[str, object]]:
    """A gates document against a bare view with one insert, both fsynced."""
    with servers.a_portal() as portal:
        portal.query_commit(
            "CREATE TABLE bench_row (id bigserial PRIMARY KEY, body bytea NOT NULL)"
        )
        with servers.serving_portal(portal, "tests.bench.app:application") as port:
            yield _figure(f"http://127.0.0.1:{port}", portal)


def _figure(url: str, portal: Portal) -> dict[str, object]:
    headers = {
        "authorization": f"Bearer {portal.token}",
        "content-type": "application/json",
    }
    body = raw(some_gates(passed="AB"))

    def bare(client: httpx.Client, number: int) -> None:
        client.post("/bare", content=body).raise_for_status()

    def gates(client: httpx.Client, number: int) -> None:
        run_id = f"bench-{number // 1_000_000}"
        document = some_gates(run_id, revision=number % 1_000_000 + 1, passed="AB")
        path = f"/api/v1/runs/{run_id}/gates"
        client.put(path, content=raw(document), headers=headers).raise_for_status()

    with httpx.Client(base_url=url, timeout=30) as client:
        for number in range(20):
            bare(client, 99_000_000 + number)
            gates(client, 99_000_000 + number)
    rounds = [
        (_load(url, bare, first), _load(url, gates, first))
        for first in range(0, ROUNDS * 1000, 1000)
    ]
    bare_rate, gates_rate = map(median, zip(*rounds, strict=True))
    ratio = median(ours / least for least, ours in rounds)
    return {
        "what": "ingest of a gates document / bare view with one fsynced insert",
        "bare_per_s": round(bare_rate),
        "gates_per_s": round(gates_rate),
        "ratio": round(ratio, 3),
        "bar": BAR,
        "is_met": ratio >= BAR,
    }


def _load(url: str, request: Callable[[httpx.Client, int], None], first: int) -> float:
    """Requests per second over some connections for some seconds."""
    done = [0] * CONNECTIONS
    end = time.monotonic() + ROUND_S

    def work(number: int) -> None:
        with httpx.Client(base_url=url, timeout=30) as client:
            while time.monotonic() < end:
                request(client, number * 1_000_000 + first + done[number])
                done[number] += 1

    threads = [threading.Thread(target=work, args=(n,)) for n in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / ROUND_S
