"""Processes that are started again."""

import os
import sys

from portal.supervisor import METRICS, Child

COUNTS = """
from prometheus_client import Counter, Gauge
Counter("done", "what was done").inc()
Gauge("doing", "what is being done", multiprocess_mode="livesum").inc()
"""


def test_what_a_process_was_doing_ends_with_it_and_what_it_did_stays(tmp_path):
    counts = tmp_path / "metrics"
    counts.mkdir()
    environment = os.environ | {METRICS: str(counts)}
    command = [sys.executable, "-c", COUNTS]
    child = Child("web", command, environment, tmp_path / "log")

    for _ in range(3):
        child.start()
        assert child.process.wait() == 0, (tmp_path / "log").read_text()

    assert len(list(counts.glob("counter_*.db"))) == 3
    doing = [path.name for path in counts.glob("gauge_livesum_*.db")]
    assert doing == [f"gauge_livesum_{child.process.pid}.db"]
