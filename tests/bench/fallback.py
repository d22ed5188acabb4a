"""How long a confirmed failure goes on."""

import statistics
import time
from collections.abc import Iterator

import httpx

from tests.bench import servers
from tests.faults.conftest import Portal
from tests.rollout.documents import a_manifest, raw, some_gates, spent

FALLBACKS = 30
BAR_S = 1.0


def figures() -> Iterator[dict[str, object]]:
    """From the answer to a confirmed failure to the committed fallback."""
    with servers.a_portal() as portal, servers.serving_portal(portal) as port:
        yield _figure(f"http://127.0.0.1:{port}", portal)


def _figure(url: str, portal: Portal) -> dict[str, object]:
    portal.start("relay")
    portal.start("worker", "safety")
    headers = {
        "authorization": f"Bearer {portal.token}",
        "content-type": "application/json",
    }
    waits = []
    with httpx.Client(base_url=url, timeout=30) as client:
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
        "bar": BAR_S,
        "is_met": statistics.median(waits) < BAR_S,
    }
