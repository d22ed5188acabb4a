"""Flags over OFREP, beside the least that answering them can cost."""

from collections.abc import Iterator
from contextlib import ExitStack

from tests.bench import servers, workload
from tests.bench.load import Compared, Side, compare, post

BULK = "/ofrep/v1/evaluate/flags"
SINGLE = f"{BULK}/PAI_DR_CLI_MAX_WAVE1_AGENTS"
MEASURED = [
    ("bulk evaluation of 12 flags", workload.RULES, BULK, 0.60),
    ("bulk, a percentage on each flag", workload.SPLITS, BULK, 0.60),
    ("single flag", workload.RULES, SINGLE, 0.70),
]


def figures() -> Iterator[dict[str, object]]:
    """Requests per second, as shares of the bare application's."""
    for what, rules, path, bar in MEASURED:
        with ExitStack() as stack:
            portal = stack.enter_context(servers.a_portal(rules))
            edge = stack.enter_context(servers.serving_portal(portal))
            bare = stack.enter_context(servers.serving_bare(portal.var, rules))
            asked = requests(path, portal.token)
            found = compare(Side(edge, asked), Side(bare, asked))
        yield figure(f"{what}, edge / bare ASGI app", found, bar, "bare")


def requests(path: str, token: str) -> list[bytes]:
    """What the load generator sends, over and over."""
    return [
        post(path, {"context": context}, Authorization=f"Bearer {token}")
        for context in workload.contexts()
    ]


def figure(what: str, found: Compared, bar: float, other: str) -> dict[str, object]:
    """A line of the report."""
    ours, others, ratio = found.median(lambda load: load.per_s)
    return {
        "what": what,
        "edge_per_s": round(ours),
        f"{other}_per_s": round(others),
        "client_busy": round(found.busy, 2),
        "ratio": round(ratio, 3),
        "bar": bar,
        "is_met": ratio >= bar,
    }
