"""`/metrics` of a live portal: totals, whichever process answers."""

import httpx
from prometheus_client.parser import text_string_to_metric_families as parse

from tests.live import wait_until

ME = {"route": "/api/v1/me", "method": "GET", "status": "200"}


def scraped(portal) -> dict[tuple, float]:
    """Every series, asked over a connection of its own."""
    text = httpx.get(f"{portal.url}/metrics").text
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in parse(text)
        for sample in family.samples
    }


def value(portal, name: str, **labels: str) -> float:
    return scraped(portal).get((name, *sorted(labels.items())), 0.0)


def test_every_process_says_what_all_of_them_counted(portal, token):
    before = value(portal, "portal_http_requests_total", **ME)
    auth = {"Authorization": f"Bearer {token}"}
    for _ in range(40):  # new connections, so that both processes get some
        assert httpx.get(f"{portal.url}/api/v1/me", headers=auth).status_code == 200

    found = {value(portal, "portal_http_requests_total", **ME) for _ in range(10)}

    assert found == {before + 40}
    counts = list((portal.var / "metrics").glob("counter_*.db"))
    # There are more of them if a process was started again.
    assert sum(b"/api/v1/me" in path.read_bytes() for path in counts) >= 2


def test_the_edge_counts_evaluations_and_open_streams(portal, service, token):
    flags = "/ofrep/v1/evaluate/flags"
    stream = {"route": "/api/v1/stream"}
    asked = {"route": flags, "status": "200"}
    before = value(portal, "portal_edge_requests_total", **asked)
    is_open = value(portal, "portal_edge_waiting", **stream)

    with service.stream("GET", "/api/v1/stream"):
        for _ in range(5):
            service.post(flags, json={"context": {"targetingKey": "r1"}})
        wait_until(
            lambda: value(portal, "portal_edge_waiting", **stream) == is_open + 1
        )

    assert value(portal, "portal_edge_requests_total", **asked) == before + 5
    assert value(portal, "portal_edge_evaluation_seconds_count", route=flags) > 0
    assert value(portal, "portal_edge_confirmed_timestamp_seconds") > 0
    wait_until(lambda: value(portal, "portal_edge_waiting", **stream) == is_open)
