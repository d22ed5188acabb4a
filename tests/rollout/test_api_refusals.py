"""What a service developer is told when a request is not what it should be."""

import base64
from datetime import datetime, timedelta

import pytest

from rollout.models import Decision, Run
from rollout.services import documents
from tests.rollout.builders import ASKED, KEY, a_running_stage, a_service
from tests.rollout.documents import a_manifest, an_event, lines, raw, some_gates, spent
from tests.rollout.test_api import Caller, code_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def call(client, service) -> Caller:
    return Caller(client, a_service()[1])


def only_error_of(response) -> dict:
    (error,) = response.json()["errors"]
    return error


# Documents


def test_a_word_that_is_not_possible_is_answered_with_all_that_are(call):
    sent = call.post("runs/r/events", lines(an_event(1, "r", event_type="nonsense")))

    said = only_error_of(sent)
    assert said["pointer"] == "/event_type"
    assert said["detail"] == (
        'has to be one of "run_status", "stage_started", "stage_finished", '
        '"stage_retry_planned", "watchdog_timeout"'
    )


def test_a_stage_that_is_not_possible_is_answered_with_all_ten(call):
    manifest = a_manifest()
    manifest["stage"]["current"] = "wave3"

    said = only_error_of(call.put("runs/run-1/manifest", raw(manifest)))

    assert said["pointer"] == "/stage/current"
    assert said["detail"].count('"') == 2 * 10


def test_a_run_that_was_not_let_in_is_told_so_when_it_reports(call):
    a_running_stage()
    call.post("decisions", {"run_id": "asked", **ASKED})

    told = {
        run: call.put(f"runs/{run}/manifest", raw(a_manifest(run))).json()
        for run in ("asked", "never-asked")
    }

    assert told["asked"]["is_admitted"] is True
    assert told["never-asked"]["is_admitted"] is False


def test_a_failed_gate_is_answered_with_when_it_stands(call):
    call.put("runs/run-1/manifest", raw(a_manifest()))

    failed = call.put("runs/run-1/gates", raw(some_gates(failed="B"))).json()
    again = call.put("runs/run-1/gates", raw(some_gates(failed="B"))).json()
    passed = call.put("runs/run-1/gates", raw(some_gates(passed="B", revision=2)))

    received = Run.objects.get(run_id="run-1").documents.get(kind="gates", revision=1)
    wait = timedelta(seconds=documents.DEFAULT_CONFIRM_AFTER_S)
    assert datetime.fromisoformat(failed["confirm_at"]) == received.received_at + wait
    assert again["confirm_at"] == failed["confirm_at"]
    assert passed.json()["confirm_at"] is None


def test_a_failure_whose_retries_are_spent_stands_at_once(call, carry_out_jobs):
    call.put("runs/run-1/manifest", raw(a_manifest(**spent())))

    failed = call.put("runs/run-1/gates", raw(some_gates(failed="B"))).json()
    carry_out_jobs()
    again = call.put("runs/run-1/gates", raw(some_gates(failed="B"))).json()

    assert (failed["confirm_at"], failed["awaits_fallback"]) == (None, False)
    assert (again["confirm_at"], again["awaits_fallback"]) == (None, True)


# Runs


@pytest.mark.parametrize("run_id", ["a/b", "a b", "a\tb", "a\\b", "..", "a..b", "."])
def test_a_run_that_could_not_report_is_not_decided(call, run_id):
    refused = call.post("decisions", {**ASKED, "run_id": run_id})

    assert code_of(refused) == (422, "SCHEMA_VALIDATION_FAILED")
    assert only_error_of(refused)["pointer"] == "/run_id"
    assert not Decision.objects.exists()


@pytest.mark.parametrize("run_id", ["dr_fixture-1", "2026-01-31T12:00:00Z", "lauf.é"])
def test_a_run_that_is_decided_can_report(call, run_id):
    decided = call.post("decisions", {**ASKED, "run_id": run_id})
    reported = call.put(f"runs/{run_id}/manifest", raw(a_manifest(run_id)))

    assert (decided.status_code, reported.status_code) == (200, 201)


def test_what_a_context_has_to_be_is_said_so_that_it_cannot_be_misread(call):
    refused = call.post("decisions", {**ASKED, "run_id": "run-1", "team": 7})

    assert only_error_of(refused) == {"pointer": "/team", "detail": "has to be a text"}


# Methods, types, parameters


@pytest.mark.parametrize(
    ("method", "path", "there_is"),
    [
        ("PATCH", "runs/run-1/manifest", "GET, PUT"),
        ("GET", "decisions", "POST"),
        ("DELETE", "runs/run-1", "GET"),
    ],
)
def test_a_method_that_is_not_offered_is_not_called_forbidden(
    client, call, method, path, there_is
):
    refused = client.generic(
        method, f"/api/v1/{path}", b"{}", "application/json", headers=call.headers
    )

    assert code_of(refused) == (405, "METHOD_NOT_ALLOWED")
    assert refused.json()["detail"].endswith(f"There is {there_is}.")
    assert set(there_is.split(", ")) <= set(refused["allow"].split(", "))


def test_a_type_that_is_not_read_or_written_is_answered_with_those_that_are(
    client, call
):
    sent = client.post(
        "/api/v1/decisions",
        "run-1",
        content_type="text/plain",
        headers=call.headers | {"idempotency-key": "k"},
    )
    wanted = call.get("runs", accept="text/csv")

    assert code_of(sent) == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert code_of(wanted) == (406, "NOT_ACCEPTABLE")
    for refused in (sent, wanted):
        assert "application/json" in refused.json()["detail"]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("limit=abc", "1 to 200"),
        ("limit=0", "1 to 200"),
        ("limit=-1", "1 to 200"),
        ("limit=", "1 to 200"),
        ("status=bogus", "created, running, paused, failed, completed, cancelled"),
        ("cursor=bogus", "`next`"),
        ("cursor=" + base64.b64encode(b"p=bogus").decode(), "`next`"),
    ],
)
def test_a_parameter_that_cannot_be_taken_is_answered_with_what_can(call, query, says):
    refused = call.get(f"runs?{query}")

    assert code_of(refused) == (422, "SCHEMA_VALIDATION_FAILED")
    assert says in refused.json()["detail"]
    assert only_error_of(refused)["pointer"] == f"/{query.partition('=')[0]}"


@pytest.mark.parametrize("limit", ["1", "0050", "200", "1000", "9" * 5000])
def test_a_limit_beyond_the_most_is_the_most(call, limit):
    assert call.get(f"runs?limit={limit}").status_code == 200


@pytest.mark.parametrize(
    ("scope", "method", "path", "needs"),
    [
        ("read", "put", "runs/run-1/manifest", "report-runs"),
        ("read", "post", "decisions", "decide"),
        ("decide", "get", "runs", "read"),
        ("read", "post", "runs/run-1/fallback-offer/take", "decide or operate"),
        ("operate", "post", "webhooks", "takes a person"),
    ],
)
def test_a_token_is_told_the_scope_that_it_needs(
    client, service, scope, method, path, needs
):
    call = Caller(client, a_service(scope)[1])

    refused = getattr(call, method)(path, *([b"{}"] if method != "get" else []))

    assert code_of(refused) == (403, "NOT_ALLOWED")
    assert needs in refused.json()["detail"]
    assert KEY not in refused.json()["detail"]
