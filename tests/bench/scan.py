"""The safety scan: how fast one core reads, what it finds, and what it makes up."""

import statistics
import time
from collections.abc import Iterator

from rollout.domain.scanning_layers import scan
from tests.rollout.planting import harmless, planted

KEY = b"bench" * 8
PLANTED, MEGABYTES = 480, 20
LEAST_FOUND = 0.98
MOST_FALSE = 1.0  # findings per megabyte
LEAST_MB_PER_S = 5.0


def figures() -> Iterator[dict[str, object]]:
    """Planted secrets, harmless files, and the speed over the latter."""
    yield from _planted()
    yield from _harmless()


def _planted() -> Iterator[dict[str, object]]:
    found = {True: [], False: []}  # by whether its shape tells, or its surroundings
    for each in planted(PLANTED):
        families = {known.family for known in scan([each.content], key=KEY).findings}
        found[bool(each.family)].append(
            each.family in families if each.family else bool(families)
        )
    every = found[True] + found[False]
    yield {
        "figure": "planted secrets found (Z1)",
        "planted": len(every),
        "value": round(statistics.mean(every), 4),
        "bar": LEAST_FOUND,
        "is_met": statistics.mean(every) >= LEAST_FOUND,
    }
    yield {
        "figure": "planted secrets found whose shape tells (Z1)",
        "planted": len(found[True]),
        "value": round(statistics.mean(found[True]), 4),
        "bar": 1.0,
        "is_met": all(found[True]),
    }


def _harmless() -> Iterator[dict[str, object]]:
    size, false, not_read, spent = 0, 0, 0, 0.0
    for _, content in harmless(MEGABYTES):
        begun = time.process_time()
        report = scan([content], key=KEY)
        spent += time.process_time() - begun
        size += len(content)
        false += len(report.findings)
        not_read += bool(report.troubles)
    megabytes = size / 1e6
    yield {
        "figure": "false findings per MB (Z2)",
        "megabytes": round(megabytes, 1),
        "unscannable": not_read,
        "value": round(false / megabytes, 4),
        "bar": MOST_FALSE,
        "is_met": false / megabytes <= MOST_FALSE and not not_read,
    }
    yield {
        "figure": "MB/s on one core",
        "value": round(megabytes / spent, 1),
        "bar": LEAST_MB_PER_S,
        "is_met": megabytes / spent >= LEAST_MB_PER_S,
    }
