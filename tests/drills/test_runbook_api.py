"""Runbooks over the API: read, proposed, followed and ticked off."""

import json

import pytest

from drills.domain.baseline_runbooks import RUNBOOKS
from drills.services import runbooks
from portal.services import actors
from tests.drills.builders import an_incident
from tests.drills.drilling import a_conducted_drill
from tests.rollout.builders import KEY, a_running_stage, a_service
from tests.rollout.test_admin import signed_in
from tests.rollout.test_admin_canary import queries_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rows", "books")]
REASON = {"reason": "because"}


@pytest.fixture
def books(rows):
    return runbooks.seed(by=actors.host(), reason="test")


@pytest.fixture
def call(client, books):
    keys = iter(range(10_000))
    a_running_stage()
    signed_in(client, "operator")

    def call(method: str, path: str, body: object = None):
        return client.generic(
            method,
            f"/api/v1/{path}?rollout={KEY}",
            data="" if method == "GET" else json.dumps(body or {}),
            content_type="application/json",
            headers={"Idempotency-Key": f"k{next(keys)}"},
        )

    return call


def test_runbooks_are_read_with_their_steps_and_freshness(call, client):
    listed = call("GET", "runbooks").json()["items"]

    assert {each["key"] for each in listed} == set(RUNBOOKS)
    one = call("GET", "runbooks/blocked-sources").json()
    assert one["rows"] == ["sources-blocked"]
    assert one["steps"][5]["kind"] == "wait"
    assert one["steps"][5]["wait_s"] == 1800
    assert (one["freshness"], one["last_used"]) == ("untried", None)
    assert call("GET", "runbooks/none").status_code == 404
    assert queries_of(client, "/api/v1/runbooks") <= 8


def test_a_change_is_proposed_and_what_is_none_is_refused(call):
    said = RUNBOOKS["blocked-sources"].to_json()
    path = "runbooks/blocked-sources/propose"

    same = call("POST", path, {"runbook": said, **REASON})
    wrong = call("POST", path, {"runbook": {**said, "body": "1. Look."}, **REASON})
    other = call("POST", path, {"runbook": {**said, "title": "Other"}, **REASON})
    retired = call("POST", "runbooks/blocked-sources/propose-retirement", REASON)

    assert (same.status_code, same.json()["code"]) == (409, "WRONG_MOMENT")
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/body")
    assert (other.status_code, other.json()["state"]) == (202, "pending")
    assert retired.status_code == 202
    assert call("GET", "runbooks/blocked-sources").json()["version"] == 1


def test_one_is_followed_in_an_incident_and_ticked_off(call):
    number = an_incident().pk
    which = {"runbook": "blocked-sources", **REASON}

    begun = call("POST", f"incidents/{number}/runbooks", which)
    use = begun.json()["id"]
    twice = call("POST", f"incidents/{number}/runbooks", which)
    done = call("POST", f"runbook-uses/{use}/steps/1", {"result": "done", **REASON})
    why = call("POST", f"runbook-uses/{use}/steps/2", {"result": "failed", **REASON})
    none = call("POST", f"runbook-uses/{use}/steps/99", {"result": "done", **REASON})

    assert (begun.status_code, begun.json()["left"]) == (201, 10)
    assert (twice.status_code, twice.json()["code"]) == (409, "RUNBOOK_IN_USE")
    assert (done.status_code, done.json()["left"]) == (201, 9)
    assert (why.status_code, why.json()["errors"][0]["pointer"]) == (422, "/note")
    assert none.status_code == 404
    read = call("GET", f"runbook-uses/{use}").json()
    assert [each["result"] for each in read["ticks"]] == ["done"]
    assert call("GET", "runbooks/blocked-sources").json()["freshness"] == "fresh"
    assert call("GET", "runbook-uses/99999").status_code == 404
    assert call("POST", "incidents/99999/runbooks", which).status_code == 404


def test_one_is_practised_in_a_drill(call):
    drill = a_conducted_drill()

    begun = call(
        "POST", f"drills/{drill.pk}/runbooks", {"runbook": "forced-timeout", **REASON}
    )

    assert (begun.status_code, begun.json()["is_practice"]) == (201, True)
    assert call("GET", "runbooks/forced-timeout").json()["last_drilled"] is not None


def test_a_token_reads_and_follows_nothing(client, books):
    _, token = a_service("read")
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "k"}
    number = an_incident().pk

    read = client.get("/api/v1/runbooks", headers=headers)
    begun = client.post(
        f"/api/v1/incidents/{number}/runbooks",
        {"runbook": "forced-timeout", **REASON},
        content_type="application/json",
        headers=headers,
    )

    assert (read.status_code, begun.status_code) == (200, 403)
