"""Drills over the API: everything that people do, and every no."""

import json
from base64 import b64encode
from datetime import timedelta
from hashlib import sha256

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from drills.domain.scenarios import Scenario
from portal import clock
from portal.services import actors
from rollout.services import scans
from tests.drills.drilling import CONTENT, a_conducted_drill, an_observed_drill
from tests.rollout.builders import KEY, a_running_stage
from tests.rollout.test_admin import signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rows")]
START = {"scenario": "pause_resume", "reason": "Practice."}


@pytest.fixture
def operator(client, rows):
    a_running_stage()
    return signed_in(client, "operator")


@pytest.fixture
def call(client, operator):
    keys = iter(range(10_000))

    def call(method: str, path: str, body: object = None, **headers: str):
        mark = "&" if "?" in path else "?"
        is_raw = isinstance(body, bytes)
        return client.generic(
            method,
            f"/api/v1/{path}{mark}rollout={KEY}",
            data=body if is_raw else json.dumps(body or {}) if method != "GET" else "",
            content_type="application/octet-stream" if is_raw else "application/json",
            headers={"Idempotency-Key": f"k{next(keys)}", **headers},
        )

    return call


def test_a_drill_is_started_read_and_stopped(call):
    started = call("POST", "drills", START)
    assert started.status_code == 201, started.content
    number = started.json()["id"]

    twice = call("POST", "drills", START)
    assert (twice.status_code, twice.json()["code"]) == (409, "DRILL_RUNNING")
    call("POST", f"drills/{number}/stop", {"reason": "enough"})
    whole = call("GET", f"drills/{number}").json()
    assert (whole["state"], whole["validity"]) == ("aborted", "not_counted")
    assert call("GET", "drills?state=aborted").json()["items"][0]["id"] == number
    assert call("GET", "drills/99999").status_code == 404


def test_another_person_observes_it_and_the_conductor_does_not(call, client, operator):
    drill = a_conducted_drill(by=actors.for_person(operator))
    at = f"drills/{drill.pk}"
    refused = call("POST", f"{at}/observe", {"reason": "I saw it."})
    assert refused.status_code == 403
    assert refused.json()["code"] == "OBSERVER_IS_CONDUCTOR"

    signed_in(client, "qa")
    noted = call("POST", f"{at}/notes", {"text": "It was quick.", "item": "times"})
    assert noted.status_code == 201, noted.content
    observed = call("POST", f"{at}/observe", {"reason": "I saw it."})
    assert observed.json()["validity"] == "valid"
    assert observed.json()["lacks"] == []
    assert [c["moment"] for c in observed.json()["captures"]] == ["before", "after"]
    standing = {s["scenario"]: s for s in call("GET", "drills/standing").json()}
    assert standing["pause_resume"]["drill"] == drill.pk
    assert standing["forced_timeout"]["validity"] == "not_counted"


def a_log() -> dict:
    began = clock.now() - timedelta(minutes=10)

    def at(minutes: int) -> str:
        return (began + timedelta(minutes=minutes)).isoformat()

    step = {
        "does": "Engaged the switch",
        "expects": "Nobody is let in",
        "actual": "Nobody was",
        "is_as_expected": True,
        "started_at": at(1),
        "ended_at": at(2),
    }
    return {
        "scenario": "emergency_disable",
        "started_at": at(0),
        "ended_at": at(5),
        "steps": [step],
        "reason": "By hand.",
    }


def test_a_drill_is_logged_by_hand_with_an_artifact_and_counts_once_observed(
    call, client
):
    logged = call("POST", "drills/logs", a_log())
    assert logged.status_code == 201, logged.content
    at = f"drills/{logged.json()['id']}"
    assert "no captured artifacts" in str(logged.json()["lacks"])

    digest = b64encode(sha256(CONTENT).digest()).decode()
    kept = call(
        "PUT",
        f"{at}/artifacts/run/report.md",
        CONTENT,
        **{"Content-Digest": f"sha-256=:{digest}:"},
    )
    assert kept.status_code == 201, kept.content
    scans.scan(kept.json()["digest"], by=actors.system(), reason="test")
    signed_in(client, "engineer")
    observed = call("POST", f"{at}/observe", {"reason": "I sat there."})
    assert observed.json()["validity"] == "valid", observed.content


def test_a_log_that_says_nothing_is_refused_with_every_error(call):
    said = {**a_log(), "steps": []}
    refused = call("POST", "drills/logs", said)

    assert refused.status_code == 422
    assert refused.json()["code"] == "DRILL_LOG_INVALID"
    assert refused.json()["errors"][0]["pointer"] == "/steps"


def test_the_lever_is_pulled_and_released(call):
    assert call("GET", "drill-lever").status_code == 204
    assert call("POST", "drill-lever/release", {"reason": "?"}).status_code == 409
    assert call("POST", "drill-lever/pull", {"reason": "Stop."}).json()["is_pulled"]

    refused = call("POST", "drills", START)
    assert (refused.status_code, refused.json()["code"]) == (409, "DRILL_OBSTRUCTED")
    released = call("POST", "drill-lever/release", {"reason": "Go."})
    assert not released.json()["is_pulled"]


def test_schedules_are_planned_and_listed(call):
    made = call(
        "POST",
        "drill-schedules",
        {"scenario": "forced_timeout", "every_days": 14, "reason": "Often."},
    )
    assert made.status_code == 201, made.content
    assert call("GET", "drill-schedules").json()["items"][0]["every_days"] == 14
    bad = {"scenario": "forced_timeout", "every_days": 0, "reason": "Often."}
    assert call("POST", "drill-schedules", bad).status_code == 422


def test_reading_is_for_all_and_conducting_is_not(call, client):
    signed_in(client, "auditor")

    assert call("GET", "drills").status_code == 200
    for path, body in (
        ("drills", START),
        ("drills/logs", a_log()),
        ("drill-lever/pull", {"reason": "Stop."}),
    ):
        assert call("POST", path, body).status_code == 403


def test_a_list_takes_the_same_queries_however_long_it_is(call):
    def queries() -> int:
        with CaptureQueriesContext(connection) as seen:
            assert call("GET", "drills").status_code == 200
        return len(seen)

    an_observed_drill()
    call("GET", "drills")
    before = queries()
    for scenario in Scenario:
        an_observed_drill(scenario)
    assert queries() == before
