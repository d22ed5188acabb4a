"""Long polls and the event stream, on a live portal."""

import json
import threading
import time
from itertools import count

import httpx
import pytest

from tests.live import ask, wait_until
from tests.rollout.documents import a_manifest, raw

_numbers = count(1)


@pytest.fixture
def run_id(service):
    """A run that is going on."""
    name = f"waiting-{next(_numbers)}"
    answer = service.put(
        f"/api/v1/runs/{name}/manifest",
        content=raw(a_manifest(name)),
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 201
    return name


def in_the_background(work) -> tuple[threading.Thread, list]:
    found: list = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    return thread, found


def test_a_long_poll_is_answered_when_something_is_asked(service, run_id):
    path = f"/api/v1/runs/{run_id}/directives"
    thread, found = in_the_background(lambda: service.get(f"{path}?wait=30"))
    time.sleep(0.5)
    assert thread.is_alive()

    asked = ask(service, run_id, "pause")
    thread.join(timeout=20)

    assert found[0].json() == {"directives": [asked]}
    again = service.get(f"{path}?wait=0").json()
    assert again == {"directives": [asked]}  # until it is acknowledged
    done = service.post(
        f"{path}/{asked['id']}/ack",
        json={"revision": 2},
        headers={"Idempotency-Key": asked["id"]},
    )
    assert done.status_code == 200
    wait_until(lambda: service.get(path).json() == {"directives": []}, limit_s=10)


def test_a_poll_whose_time_is_up_says_that_there_is_nothing(service, run_id):
    answer = service.get(f"/api/v1/runs/{run_id}/directives?wait=1")

    assert answer.json() == {"directives": []}


def lines_of(response: httpx.Response, verb: str) -> dict:
    """The first event with this verb."""
    for line in response.iter_lines():
        if line.startswith("data: ") and f'"{verb}"' in line:
            return json.loads(line.removeprefix("data: "))
    raise AssertionError("the stream has ended")


def test_the_stream_tells_what_happens_and_replays_what_was_missed(service, run_id):
    with service.stream("GET", "/api/v1/stream") as live:
        assert live.headers["content-type"].startswith("text/event-stream")
        ask(service, run_id, "pause")
        issued = lines_of(live, "rollout.directive.issued")

    ask(service, run_id, "cancel")  # nobody listens
    behind = {"Last-Event-ID": str(issued["seq"])}
    with service.stream("GET", "/api/v1/stream", headers=behind) as again:
        missed = lines_of(again, "rollout.directive.issued")

    assert missed["seq"] > issued["seq"]
    assert "cancel" in missed["subject"]


def test_whoever_is_too_far_behind_is_told_to_begin_anew(portal, service, run_id):
    ((newest,),) = portal.query("SELECT max(seq) FROM portal_ledgerentry")
    with service.stream(
        "GET", "/api/v1/stream", headers={"Last-Event-ID": "1"}
    ) as stream:
        for line in stream.iter_lines():
            if line.startswith("event: "):
                is_far = newest > 502
                assert line == ("event: reset" if is_far else "event: message")
                break
