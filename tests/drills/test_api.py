"""Incidents and the matrix over the API: everything that people do, and every no."""

import json
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from drills.domain.baseline import ROWS
from drills.domain.incidents import Severity, State
from drills.models import Incident, MatrixRow
from portal import clock
from tests.builders import an_actor
from tests.drills.builders import an_incident, in_state
from tests.rollout.builders import KEY, a_rollout
from tests.rollout.test_admin import signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rows")]
BECAUSE = {"reason": "I have seen it."}
NEW = {**BECAUSE, "title": "Reports without sources", "severity": 3}


@pytest.fixture
def operator(client):
    a_rollout()
    return signed_in(client, "operator")


@pytest.fixture
def call(client, operator):
    keys = iter(range(10_000))

    def call(method: str, path: str, body: dict | None = None, **headers: str):
        mark = "&" if "?" in path else "?"
        return client.generic(
            method,
            f"/api/v1/{path}{mark}rollout={KEY}",
            data=json.dumps(body or {}) if method != "GET" else "",
            content_type="application/json",
            headers={"Idempotency-Key": f"k{next(keys)}", **headers},
        )

    return call


@pytest.fixture
def opened(call) -> int:
    answer = call("POST", "incidents", {**NEW, "row": "citation-integrity"})
    assert answer.status_code == 201, answer.content
    return answer.json()["id"]


def test_the_row_of_an_incident_is_chosen_until_a_step_was_recorded(call, opened):
    at = f"incidents/{opened}"

    chosen = call("POST", f"{at}/row", {**BECAUSE, "row": "sources-blocked"})
    again = call("POST", f"{at}/row", {**BECAUSE, "row": "sources-blocked"})
    none = call("POST", f"{at}/row", {**BECAUSE, "row": "nothing"})
    call("POST", f"{at}/checklist/1", {"finding": "found", "note": "403"})
    late = call("POST", f"{at}/row", {**BECAUSE, "row": "citation-integrity"})

    assert chosen.status_code == 200, chosen.content
    assert chosen.json()["row"] == "sources-blocked"
    row = MatrixRow.objects.get(key="sources-blocked")
    assert [each["step"] for each in chosen.json()["checklist"]] == row.diagnosis
    assert (again.status_code, again.json()["code"]) == (409, "WRONG_MOMENT")
    assert none.status_code == 404
    assert (late.status_code, late.json()["code"]) == (409, "WRONG_MOMENT")


def test_an_incident_is_opened_worked_on_and_closed(call, opened, operator):
    at = f"incidents/{opened}"
    due = (clock.now() + timedelta(days=1)).isoformat()
    you = operator.username
    steps = [
        (f"{at}/acknowledge", BECAUSE),
        (f"{at}/notes", {"text": "The sources answer again."}),
        (f"{at}/checklist/1", {"finding": "found", "note": "validated rate .4"}),
        (f"{at}/hand-over", {**BECAUSE, "role": "scribe", "person": you}),
        (f"{at}/severity", {**BECAUSE, "severity": 2}),
        (f"{at}/tasks", {**BECAUSE, "title": "Ask", "owner": you, "due_at": due}),
        (f"{at}/mitigate", BECAUSE),
        (f"{at}/resolve", BECAUSE),
        (f"{at}/postmortem", BECAUSE),
    ]
    for path, body in steps:
        answer = call("POST", path, body)
        assert answer.status_code in (200, 201), (path, answer.content)
    draft = call("GET", f"{at}/postmortem")
    written = call(
        "PUT",
        f"{at}/postmortem",
        {**BECAUSE, "text": "It was the host."},
        **{"If-Match": draft["ETag"]},
    )
    assert written.json()["revision"] == 2
    assert call("POST", f"{at}/review", BECAUSE).status_code == 200
    refused = call("POST", f"{at}/close", BECAUSE)
    assert (refused.status_code, refused.json()["code"]) == (409, "TASKS_OPEN")
    task = call("GET", at).json()["tasks"][0]["id"]
    assert call("POST", f"{at}/tasks/{task}/finish", BECAUSE).status_code == 200
    assert call("POST", f"{at}/close", BECAUSE).json()["state"] == "closed"

    found = call("GET", at).json()
    assert (found["commander"], found["scribe"], found["possible"]) == (you, you, [])
    assert found["checklist"][0]["note"] == "validated rate .4"
    assert {each["stopped_at"] is not None for each in found["timers"]} == {True}
    lines = call("GET", f"{at}/timeline?limit=200").json()["items"]
    assert lines[0]["says"].startswith("Closed")
    assert len(lines) == 14


REFUSED = [
    ("close", BECAUSE, 409, "WRONG_MOMENT"),
    ("unacknowledge", BECAUSE, 404, "NOT_FOUND"),
    ("explode", BECAUSE, 404, "NOT_FOUND"),
    ("acknowledge", {}, 422, None),
    ("acknowledge", {**BECAUSE, "at": "2999-01-01T00:00:00Z"}, 422, None),
    ("acknowledge", {**BECAUSE, "at": "2001-01-01T00:00:00Z"}, 422, None),
    ("acknowledge", {**BECAUSE, "at": "yesterday"}, 422, None),
    ("reopen", {**BECAUSE, "at": "2026-01-01T00:00:00Z"}, 422, None),
    ("notes", {"text": ""}, 422, None),
    ("notes", {"text": "x" * 5001}, 422, None),
    ("notes", {"text": "a\x00b"}, 422, None),
    ("severity", {**BECAUSE, "severity": 3}, 409, "WRONG_MOMENT"),
    ("severity", {**BECAUSE, "severity": 5}, 422, None),
    ("hand-over", {**BECAUSE, "role": "scribe", "person": "nobody"}, 422, None),
    ("hand-over", {**BECAUSE, "role": "cook", "person": "nobody"}, 422, None),
    ("checklist/99", {"finding": "found"}, 404, "NOT_FOUND"),
    ("checklist/1", {"finding": "maybe"}, 422, None),
    ("links", {**BECAUSE, "what": "run", "name": "none"}, 404, "NOT_FOUND"),
    ("links", {**BECAUSE, "what": "directive", "name": "x"}, 404, "NOT_FOUND"),
    ("links", {**BECAUSE, "what": "rollback", "name": "9" * 40}, 404, "NOT_FOUND"),
    ("links", {**BECAUSE, "what": "person", "name": "1"}, 422, None),
    ("tasks/17/finish", BECAUSE, 404, "NOT_FOUND"),
    (
        "tasks",
        {**BECAUSE, "title": "T", "owner": "x", "due_at": "2001-01-01T00:00Z"},
        422,
        None,
    ),
]


def test_what_cannot_be_is_refused_and_changes_nothing(call, opened):
    before = call("GET", f"incidents/{opened}").json()

    for path, body, status, code in REFUSED:
        answer = call("POST", f"incidents/{opened}/{path}", body)

        assert answer.status_code == status, (path, body, answer.content)
        assert answer["Content-Type"] == "application/problem+json"
        assert code in (None, answer.json()["code"])
    assert call("GET", f"incidents/{opened}").json() == before


def test_a_number_that_is_no_incident_is_not_found(call):
    for number in ("17", "9" * 30):
        assert call("GET", f"incidents/{number}").status_code == 404
        assert call("POST", f"incidents/{number}/close", BECAUSE).status_code == 404


def test_the_same_title_twice_is_refused_with_the_first(call, opened):
    answer = call("POST", "incidents", NEW)

    assert (answer.status_code, answer.json()["incident"]) == (409, opened)


def test_a_postmortem_is_written_from_the_revision_that_was_read(call, opened):
    at = f"incidents/{opened}/postmortem"
    body = {**BECAUSE, "text": "It was the host."}
    assert call("GET", at).status_code == 404
    call("POST", at, BECAUSE)

    assert call("PUT", at, body).status_code == 428
    assert call("PUT", at, body, **{"If-Match": '"7"'}).status_code == 412
    assert call("PUT", at, body, **{"If-Match": '"1"'}).status_code == 200
    assert call("POST", at, BECAUSE).status_code == 409


def test_services_read_and_change_nothing(client, opened, a_token, service):
    headers = {"Authorization": f"Bearer {a_token}", "Idempotency-Key": "k"}

    listed = client.get("/api/v1/incidents", headers=headers)
    refused = client.post(
        f"/api/v1/incidents/{opened}/close",
        data=BECAUSE,
        content_type="application/json",
        headers=headers,
    )

    assert [each["id"] for each in listed.json()["items"]] == [opened]
    assert refused.status_code == 403


def test_the_list_is_filtered(call, operator):
    worker = an_actor("operator")
    closed = in_state(an_incident(by=worker), State.CLOSED, by=worker)
    worst = an_incident(severity=Severity.CRITICAL, by=worker, kind="test")

    def ids(query: str) -> list[int]:
        answer = call("GET", f"incidents?{query}")
        assert answer.status_code == 200, answer.content
        return [each["id"] for each in answer.json()["items"]]

    assert ids("") == [worst.pk, closed.pk]
    assert ids("state=not_over") == [worst.pk]
    assert ids("state=closed") == [closed.pk]
    assert ids("kind=test") == ids("severity=1") == [worst.pk]
    for unknown in ("severity=x", "state=nowhere", "kind=none"):
        assert call("GET", f"incidents?{unknown}").status_code == 422


def test_a_list_costs_the_same_however_long_it_is(call, operator):
    def queries() -> int:
        with CaptureQueriesContext(connection) as seen:
            assert call("GET", "incidents?state=not_over").status_code == 200
        return len(seen)

    an_incident()
    queries()
    before = queries()
    for _ in range(5):
        an_incident()

    assert queries() == before


def test_how_long_incidents_take_is_read_drills_apart(call, operator):
    worker = an_actor("operator")
    in_state(an_incident(by=worker), State.RESOLVED, by=worker)
    in_state(an_incident(by=worker), State.CANCELLED, by=worker)

    real = call("GET", "incidents/durations").json()
    drills = call("GET", "incidents/durations?kind=drill").json()

    assert (real["resolve"]["n"], real["detect"]["n"]) == (1, 1)
    assert real["resolve"]["median_s"] >= 0
    assert drills["resolve"] == {"n": 0, "median_s": None, "p90_s": None}
    assert call("GET", "incidents/durations?kind=x").status_code == 422


# The matrix


def test_the_matrix_is_read_row_by_row(call):
    rows = call("GET", "matrix?limit=200").json()["items"]

    assert {each["key"] for each in rows} == set(ROWS)
    one = call("GET", "matrix/silent-hang").json()
    assert one["fallback_action"] == ROWS["silent-hang"].fallback_action
    assert call("GET", "matrix/nothing").status_code == 404


def test_a_row_is_proposed_and_nothing_changes_yet(call):
    row = {**ROWS["silent-hang"].to_json(), "severity": 1}

    asked = call("POST", "matrix/silent-hang/propose", {**BECAUSE, "row": row})
    retiring = call("POST", "matrix/run-revived/propose-retirement", BECAUSE)

    assert (asked.status_code, asked.json()["state"]) == (202, "pending")
    assert retiring.status_code == 202
    assert call("GET", "matrix/silent-hang").json()["severity"] == 2


@pytest.mark.parametrize("row", [{}, {"severity": 1}, "row", {"symptom": "x" * 9999}])
def test_what_is_no_row_is_refused(call, row):
    answer = call("POST", "matrix/silent-hang/propose", {**BECAUSE, "row": row})

    assert answer.status_code == 422
    assert not Incident.objects.exists()
