"""An agent with many live run roots: what it costs idle, how late it reports."""

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

from tests.agent.installations import Place
from tests.bench import servers
from tests.live import LivePortal, wait_until
from tests.rollout.documents import a_manifest, raw

ROOTS = 200
IDLE_S = 60.0
CHANGES = 300
CHANGES_PER_S = 10.0
BAR_IDLE, BAR_LAG_S = 0.01, 2.0
DRAWN = 7  # the same roots change in the same order every time


def figures() -> Iterator[dict[str, object]]:
    """Its share of a processor when nothing changes; from a change to its receipt."""
    with servers.state() as var:
        portal = LivePortal(var / "portal", API_WRITES_PER_MINUTE="0")
        place = None
        try:
            portal.start()
            portal.manage("seed_demo")
            token = portal.a_token("agent", "decide,report-runs,read")
            place = _an_installation(var / "installation", portal, token)
            yield _idle(place)
            yield _lag(place, portal)
        finally:
            if place is not None:
                place.stop()
            portal.stop()


def _an_installation(folder: Path, portal: LivePortal, token: str) -> Place:
    """Two hundred live run roots, all reported, with the usual intervals."""
    place = Place(folder, portal.url, token)
    usual = {"settings_s": 2, "report_s": 10, "settle_s": 10, "rescan_s": 60}
    place.configure(every=usual, top={"dead_man_limit_s": 60})
    for number in range(ROOTS):
        run_id = f"run-{number:03d}"
        place.a_run(run_id)
        for name in ("wave-1/p1.md", "wave-1/p2.md", "perspectives.json"):
            place.put(f"{run_id}/{name}", f"{name} of {run_id}\n".encode() * 50)
    place.start()
    reported = "SELECT count(*) FROM rollout_run WHERE reported_status = 'running'"
    wait_until(lambda: portal.query(reported) == [(ROOTS,)], limit_s=600)
    sent = "SELECT count(*) FROM rollout_artifact"
    wait_until(lambda: portal.query(sent)[0][0] >= 5 * ROOTS, limit_s=600)
    time.sleep(5)
    return place


def _cpu_s(pid: int) -> float:
    """What a process has used of a processor so far, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _idle(place: Place) -> dict[str, object]:
    before, began = _cpu_s(place.process.pid), time.monotonic()
    time.sleep(IDLE_S)
    used = _cpu_s(place.process.pid) - before
    share = used / (time.monotonic() - began)
    return {
        "what": f"processor time of an idle agent with {ROOTS} live run roots",
        "share": round(share, 4),
        "bar": BAR_IDLE,
        "is_met": share < BAR_IDLE,
    }


def _lag(place: Place, portal: LivePortal) -> dict[str, object]:
    chance = random.Random(DRAWN)
    revisions = dict.fromkeys(range(ROOTS), 1)
    written: dict[tuple[str, int], float] = {}
    for _ in range(CHANGES):
        number = chance.randrange(ROOTS)
        revisions[number] += 1
        run_id, revision = f"run-{number:03d}", revisions[number]
        manifest = a_manifest(run_id, revision=revision)
        place.put(f"{run_id}/manifest.json", raw(manifest))
        written[run_id, revision] = time.time()
        time.sleep(1 / CHANGES_PER_S)
    known = "SELECT sum(manifest_revision) FROM rollout_run"
    last = sum(revisions.values())
    wait_until(lambda: portal.query(known) == [(last,)], limit_s=120)
    received = portal.query(
        "SELECT run_id, revision, extract(epoch FROM received_at) "
        "FROM (SELECT run.run_id, document.revision, document.received_at "
        "FROM rollout_rundocument document JOIN rollout_run run "
        "ON run.id = document.run_id WHERE document.kind = 'manifest') each"
    )
    # Of two changes in a moment only the second is sent: its receipt is both's.
    lags = []
    for (run_id, revision), at in written.items():
        later = [float(t) for r, v, t in received if r == run_id and v >= revision]
        lags.append(min(later) - at)
    lags.sort()
    p95 = lags[int(0.95 * len(lags))]
    return {
        "what": f"from a file's change to its receipt, {ROOTS} live run roots, "
        f"{CHANGES_PER_S:g} changes a second",
        "n": len(lags),
        "median_s": round(lags[len(lags) // 2], 3),
        "p95_s": round(p95, 3),
        "worst_s": round(lags[-1], 3),
        "bar": BAR_LAG_S,
        "is_met": p95 < BAR_LAG_S,
    }
