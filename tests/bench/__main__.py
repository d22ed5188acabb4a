"""`make bench`: what the portal costs beside the bare minimum, and how fast it acts.

`ARGS="edge cost"` measures some subjects only; `PEERS=1` measures other systems beside.
Everything runs on servers that this starts itself, on loopback, and ends.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator

from tests.bench import (
    agent,
    canary,
    cost,
    directives,
    edge,
    fallback,
    incidents,
    ingest,
    ledger,
    pack,
    pages,
    scan,
    streams,
    unleash,
    vault,
)

Figures = Callable[[], Iterator[dict[str, object]]]

SUBJECTS: dict[str, Figures] = {
    "edge": edge.figures,
    "cost": cost.figures,
    "streams": streams.figures,
    "ingest": ingest.figures,
    "fallback": fallback.figures,
    "directives": directives.figures,
    "canary": canary.figures,
    "vault": vault.figures,
    "incidents": incidents.figures,
    "pack": pack.figures,
    "scan": scan.figures,
    "agent": agent.figures,
    "ledger": ledger.figures,
    "pages": pages.figures,
}
PEERS: dict[str, Figures] = {"unleash": unleash.figures}


def main() -> None:
    """Measure, print one line per figure, and fail when a bar is missed."""
    known = SUBJECTS | PEERS
    with_peers = PEERS if os.environ.get("PEERS", "0") not in {"", "0"} else {}
    asked = sys.argv[1:] or [*SUBJECTS, *with_peers]
    if unknown := [each for each in asked if each not in known]:
        sys.exit(f"error: {unknown[0]} is none of {', '.join(known)}")
    missed = False
    for subject in asked:
        for figure in known[subject]():
            print(json.dumps({"subject": subject, **figure}), flush=True)
            missed = missed or not figure["is_met"]
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    os.environ.setdefault("SECRET_KEY", "bench-only-" + "x" * 60)
    main()
