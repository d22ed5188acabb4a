"""`/metrics`: who may ask, what is said, and what an answer costs."""

from datetime import timedelta

import pytest
import time_machine
from django.db import OperationalError
from prometheus_client.parser import text_string_to_metric_families as parse

from portal import clock
from portal.models import Heartbeat
from portal.services import actors, heartbeats, metrics
from portal.services.jobs import enqueue
from rollout.models import Directive, Rollout, Run
from rollout.services import switch
from tests.builders import a_person
from tests.rollout.builders import (
    ASKED,
    KEY,
    a_running_stage,
    a_service,
    an_open_stage,
    finished_runs,
)
from tests.rollout.documents import a_manifest, raw
from tests.rollout.test_api import Caller

pytestmark = pytest.mark.django_db


@pytest.fixture
def scrape(client):
    """The value of a series now; None when it is not there."""

    def value(name: str, /, **labels: str) -> float | None:
        found = client.get("/metrics")
        assert found.status_code == 200
        for family in parse(found.content.decode()):
            for sample in family.samples:
                if sample.name == name and sample.labels == labels:
                    return sample.value
        return None

    return value


# Who may ask


def test_this_machine_needs_no_token(client):
    answer = client.get("/metrics")

    assert answer.status_code == 200
    assert answer["content-type"].startswith("text/plain; version=0.0.4")


@pytest.mark.parametrize("asked", ["*/*", "application/openmetrics-text", "text/html"])
def test_there_is_one_format_whatever_is_asked_for(client, asked):
    assert client.get("/metrics", headers={"accept": asked}).status_code == 200


@pytest.mark.parametrize(
    "caller",
    [
        {"REMOTE_ADDR": "192.0.2.7"},
        {"REMOTE_ADDR": ""},
        {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "127.0.0.1"},
        {"REMOTE_ADDR": "::1", "HTTP_FORWARDED": "for=192.0.2.7"},
        {"REMOTE_ADDR": "127.0.0.1", "HTTP_VIA": "1.1 proxy"},
    ],
)
def test_everybody_else_needs_a_token_that_may_read(client, caller):
    def status(**more: str) -> int:
        return client.get("/metrics", **caller, **more).status_code

    may_read, may_decide = a_service("read")[1], a_service("decide")[1]

    assert status() == 401
    assert status(HTTP_AUTHORIZATION="Bearer rgp_nonsense") == 401
    assert status(HTTP_AUTHORIZATION=f"Bearer {may_decide}") == 403
    assert status(HTTP_AUTHORIZATION=f"Bearer {may_read}") == 200


def test_a_session_is_not_enough(client):
    backend = "django.contrib.auth.backends.ModelBackend"
    client.force_login(a_person("engineer"), backend=backend)

    refused = client.get("/metrics", REMOTE_ADDR="192.0.2.7")

    assert refused.status_code == 401
    assert refused["www-authenticate"] == 'Bearer realm="portal"'
    assert refused.json()["code"] == "NOT_AUTHENTICATED"


# What is said


def test_requests_are_counted_by_route_and_not_by_path(client, scrape, service):
    call = Caller(client, a_service()[1])
    route = {"route": "/api/v1/runs/<str:run_id>", "method": "GET"}

    def counted() -> tuple[float, float, float]:
        return (
            scrape("portal_http_requests_total", **route, status="404") or 0,
            scrape("portal_http_request_seconds_count", **route) or 0,
            scrape(
                "portal_http_requests_total",
                route="other",
                method="other",
                status="404",
            )
            or 0,
        )

    before = counted()
    call.get("runs/nobody-1")
    call.get("runs/nobody-2")
    client.generic("BREW", "/coffee")

    after = counted()

    assert [b - a for a, b in zip(before, after, strict=True)] == [2, 2, 1]
    assert "nobody-1" not in client.get("/metrics").content.decode()


def test_decisions_are_counted_by_their_reason(client, scrape, service):
    a_running_stage()
    call = Caller(client, a_service()[1])
    before = scrape("portal_decisions_total", reason="ADMITTED") or 0

    call.post("decisions", {"run_id": "run-1", **ASKED})

    assert scrape("portal_decisions_total", reason="ADMITTED") == before + 1


def test_the_switch_and_what_decides_are_there(scrape):
    a_running_stage()
    here = {"rollout": KEY}
    assert scrape("portal_switch_engaged", **here) == 0
    revision = scrape("portal_snapshot_revision", **here)
    coverage = {**here, "stage": "offline-baseline"}
    assert scrape("portal_stage_coverage_ratio", **coverage) == 1
    epoch = scrape("portal_switch_epoch", **here)

    switch.engage(KEY, by=actors.host(), reason="test")

    assert scrape("portal_switch_engaged", **here) == 1
    assert scrape("portal_switch_epoch", **here) == epoch + 1
    assert scrape("portal_snapshot_revision", **here) == revision + 1
    assert 0 <= scrape("portal_snapshot_age_seconds", **here) < 60


def test_what_triggers_have_done_is_there_by_what_came_of_it(scrape, carry_out_jobs):
    an_open_stage()
    here = {"rollout": KEY, "trigger": "hard-gate-failed"}
    assert scrape("portal_trigger_firings", **here, outcome="done") is None
    assert scrape("portal_trigger_fired_timestamp_seconds", **here) is None
    began = clock.now().timestamp()

    finished_runs("bad", "FF")
    while carry_out_jobs():
        pass

    assert scrape("portal_trigger_firings", **here, outcome="done") == 2
    fired = scrape("portal_trigger_fired_timestamp_seconds", **here)
    assert fired >= began
    with time_machine.travel(clock.now() + timedelta(hours=2), tick=True):
        assert scrape("portal_trigger_firings", **here, outcome="done") is None
        assert scrape("portal_trigger_fired_timestamp_seconds", **here) == fired


def test_a_drills_twin_is_not_there(client, service):
    Rollout(key="twin", name="A twin", kind="drill", salt="s").save_as(
        actors.host(), reason="test"
    )

    assert "twin" not in client.get("/metrics").content.decode()


def test_jobs_the_ledger_and_signs_of_life_are_there(scrape, service):
    Heartbeat.objects.all().delete()
    heartbeats.beat(heartbeats.RELAY)
    waiting = {"queue": "safety", "state": "waiting"}
    before = scrape("portal_jobs", **waiting) or 0
    enqueue("rollout.jobs.fall_back", run_id=0)

    assert scrape("portal_jobs", **waiting) == before + 1
    assert scrape("portal_job_lag_seconds") >= 0
    assert scrape("portal_outbox_lag_seconds") >= 0
    assert scrape("portal_ledger_entries_total") > 0
    assert 0 <= scrape("portal_heartbeat_age_seconds", name="relay") < 60
    assert scrape("portal_heartbeat_age_seconds", name="worker safety") == float("inf")
    assert scrape("portal_part_is_well", part="database") == 1
    assert scrape("portal_part_is_well", part="processes") == 0
    assert scrape("portal_artifacts_free_bytes") > 0


def test_open_and_overdue_runs_are_there(client, scrape, service):
    call = Caller(client, a_service()[1])
    call.put("runs/run-1/manifest", raw(a_manifest("run-1")))
    status = Run.objects.get().status

    assert scrape("portal_runs_open", rollout=KEY, status=status) == 1
    assert scrape("portal_runs_overdue") == 0
    assert scrape("portal_directives_overdue") == Directive.objects.count() == 0


def test_without_the_database_what_was_counted_is_still_said(client, monkeypatch):
    def away() -> list:
        raise OperationalError("away")

    first = metrics._figures[0]
    broken = metrics.Figure(first.definition, away)
    monkeypatch.setattr(metrics, "_figures", [broken, *metrics._figures])

    text = client.get("/metrics").content.decode()

    assert "portal_figures_up 0.0" in text
    assert "portal_http_requests_total{" in text
    assert "portal_ledger_entries_total" not in text


# What it costs, and that all of it is told


def test_an_answer_costs_the_same_whatever_happened(
    client, service, django_assert_num_queries
):
    with django_assert_num_queries(41):
        client.get("/metrics")


def test_every_series_is_one_that_the_reference_tells_of(client, service):
    client.get("/metrics")
    known = {each.name.removesuffix("_total"): each for each in metrics.DEFINED}

    for family in parse(client.get("/metrics").content.decode()):
        told = known[family.name]
        assert family.type == told.kind
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(told.labels)
