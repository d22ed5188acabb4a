"""Ingest survives anything: whatever arrives, in whatever order, however often."""

import gzip
import threading
from datetime import timedelta

import pytest
import time_machine
from django.db import connections, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from portal import clock
from rollout.models import Run, RunDocument, Standing
from rollout.services import directives, documents, events, overtaken, revivals
from rollout.services.consequences import Cause
from tests.builders import an_actor
from tests.rollout.builders import KEY, a_service
from tests.rollout.documents import (
    a_manifest,
    an_event,
    lines,
    raw,
    some_gates,
    spent,
)
from tests.rollout.test_api import Caller
from tests.rollout.test_runs import announced, send

__all__ = ["announced"]  # a fixture of these tests too

pytestmark = pytest.mark.django_db


# Any order, any number of times


def a_stream(run_id: str) -> list[tuple[str, bytes]]:
    """All that a run reports, in order: it pauses, retries gate B, and completes."""

    def manifest(revision: int, stage: str, status: str = "running", **changes):
        moment = f"2026-01-01T12:{revision:02}:00.000Z"
        place = {"current": stage, "started_at": moment, "history": []}
        document = a_manifest(
            run_id,
            revision=revision,
            status=status,
            stage=place,
            updated_at=moment,
            **changes,
        )
        return ("manifest", raw(document))

    def gates(revision: int, passed: str, failed: str = ""):
        document = some_gates(run_id, revision=revision, passed=passed, failed=failed)
        return ("gates", raw(document))

    offline = {"query": {"text": "?", "sensitivity": "no_web"}}
    online = {"query": {"text": "?", "sensitivity": "normal"}}
    return [
        manifest(1, "init", "created", **offline),
        ("events", lines(an_event(1, run_id), an_event(2, run_id))),
        manifest(2, "wave1", **online),
        gates(1, "A", failed="B"),
        manifest(3, "wave1", "paused", **online),
        manifest(4, "wave1", **online),
        gates(2, "AB"),
        ("events", lines(an_event(3, run_id))),
        manifest(5, "review", **online),
        gates(3, "ABCDE"),
        ("events", lines(an_event(2, run_id), an_event(4, run_id))),
        manifest(6, "finalize", "completed", **online),
    ]


def deliver(service, run_id: str, kind: str, body: bytes) -> None:
    act = {"by": service, "reason": "reported"}
    if kind == "events":
        events.receive(KEY, run_id, body, **act)
    elif kind == "gates":
        documents.receive_gates(KEY, run_id, body, **act)
    else:
        documents.receive_manifest(KEY, run_id, body, **act)


def state_of(run_id: str) -> dict:
    """All that a stream decides about a run."""
    run = Run.objects.get(run_id=run_id)
    names = (
        "status reported_status cause stage mode no_web system_version gates "
        "manifest_revision gates_revision last_seq is_admitted"
    )
    return {name: getattr(run, name) for name in names.split()} | {
        "documents": sorted(run.documents.values_list("kind", "revision")),
        "events": sorted(run.events.values_list("seq", flat=True)),
        "has_ended": run.finished_at is not None,
    }


class AnyDelivery(RuleBasedStateMachine):
    """A sender that reorders, repeats, and is cut off before or after the commit."""

    service = None
    number = 0

    def __init__(self) -> None:
        super().__init__()
        type(self).number += 1
        self.run_id = f"any-{self.number}"
        self.stream = a_stream(self.run_id)
        self.waiting = list(range(len(self.stream)))

    def send(self, place: int) -> None:
        deliver(self.service, self.run_id, *self.stream[place])

    @rule(data=st.data())
    def one_arrives(self, data) -> None:
        if self.waiting:
            place = data.draw(st.sampled_from(self.waiting))
            self.send(place)
            self.waiting.remove(place)

    @rule(place=st.integers(0, 11))
    def one_arrives_and_the_answer_is_lost(self, place: int) -> None:
        self.send(place)  # so that it is sent again, sooner or later

    @rule(place=st.integers(0, 11))
    def the_portal_dies_before_the_commit(self, place: int) -> None:
        with transaction.atomic():
            self.send(place)
            transaction.set_rollback(True)

    def teardown(self) -> None:
        for place in self.waiting:
            self.send(place)
        assert state_of(self.run_id) == self.expected


def test_any_delivery_of_a_stream_ends_as_the_ordered_one(service):
    for kind, body in a_stream("ordered"):
        deliver(service, "ordered", kind, body)
    AnyDelivery.service, AnyDelivery.expected = service, state_of("ordered")

    run_state_machine_as_test(
        AnyDelivery,
        settings=settings(
            max_examples=12,
            stateful_step_count=15,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.django_db(transaction=True)
def test_senders_at_once_lose_nothing(service):
    for kind, body in a_stream("ordered"):
        deliver(service, "ordered", kind, body)
    stream = a_stream("at-once")
    troubles: list[BaseException] = []

    def send_all(turned_by: int) -> None:
        try:
            for kind, body in stream[turned_by:] + stream[:turned_by]:
                deliver(service, "at-once", kind, body)
        except BaseException as trouble:
            troubles.append(trouble)
        finally:
            connections.close_all()

    senders = [threading.Thread(target=send_all, args=(n,)) for n in (0, 4, 8)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join(timeout=120)

    assert troubles == []
    assert state_of("at-once") == state_of("ordered")


# What arrives late


def paused_at(minute: int, revision: int, status: str) -> dict:
    return a_manifest(
        revision=revision,
        status=status,
        updated_at=f"2026-01-01T12:{minute:02}:00.000Z",
    )


def test_a_revision_that_newer_ones_overtook_is_kept_and_known_from_then_on(service):
    send(service, a_manifest(revision=1))
    send(service, a_manifest(revision=3))

    late = send(service, a_manifest(revision=2))
    again = send(service, a_manifest(revision=2))
    known = send(service, a_manifest(revision=1))

    assert {late.refusal.code, again.refusal.code} == {"REVISION_MISMATCH"}
    assert known.outcome == "unchanged"
    kept = RunDocument.objects.get(standing=Standing.KEPT)
    assert (kept.revision, kept.note) == (2, overtaken.NOTE)


def test_a_pause_that_is_told_of_late_does_not_count_either(service):
    with time_machine.travel(clock.now(), tick=False) as clocks:
        send(service, paused_at(0, 1, "running"))
        clocks.shift(timedelta(minutes=8))
        send(service, paused_at(8, 3, "running"))
        before = Run.objects.get().times_out_at

        send(service, paused_at(3, 2, "paused"))
        send(service, paused_at(3, 2, "paused"))

        assert Run.objects.get().times_out_at - before == timedelta(minutes=5)


def test_a_clock_that_lies_gives_no_more_than_was_counted(service):
    with time_machine.travel(clock.now(), tick=False) as clocks:
        send(service, paused_at(0, 1, "running"))
        clocks.shift(timedelta(minutes=2))
        send(service, paused_at(59, 3, "running"))
        before = Run.objects.get().times_out_at

        send(service, paused_at(1, 2, "paused"))

        assert Run.objects.get().times_out_at - before == timedelta(minutes=2)


def test_an_end_that_is_told_of_late_is_an_end_all_the_same(service, announced):
    send(service, a_manifest(revision=1))
    send(service, a_manifest(revision=3))

    send(service, a_manifest(revision=2, status="cancelled"))

    run = Run.objects.get()
    assert (run.status, run.reported_status) == ("cancelled", "cancelled")
    assert announced == [(Cause.FINAL_RUN_REVIVED, "run-1")]


# What goes on after the end


def test_a_revival_is_told_once_per_document(service, announced):
    send(service, a_manifest(status="completed"))

    for _ in range(3):
        send(service, a_manifest(revision=2, status="running"))

    assert announced == [(Cause.FINAL_RUN_REVIVED, "run-1")]


def test_what_was_on_its_way_when_the_run_was_rerouted_is_no_incident(
    service, announced
):
    send(service, a_manifest())
    operator = an_actor("operator")
    act = {"by": operator, "reason": "The provider is down."}
    with time_machine.travel(clock.now(), tick=False) as clocks:
        directives.issue(KEY, "run-1", "reroute", **act)
        early = send(service, a_manifest(revision=2))
        assert announced == []
        clocks.shift(timedelta(seconds=61))
        send(service, a_manifest(revision=3))
        send(service, a_manifest(revision=4))

    assert early.outcome == "kept"
    assert announced == [(Cause.FINAL_RUN_REVIVED, "run-1")]
    notes = RunDocument.objects.filter(note=revivals.WRITES_ON)
    assert sorted(notes.values_list("revision", flat=True)) == [3, 4]


def test_a_run_that_fell_back_and_reports_on_changes_nothing(
    service, announced, carry_out_jobs
):
    send(service, a_manifest(**spent()))
    send(service, some_gates(failed="B"))
    carry_out_jobs()
    before = Run.objects.get()

    later = a_manifest(revision=2, mode="deep", system_version="9")
    later["stage"]["current"] = "review"
    send(service, later)

    after = Run.objects.get()
    for name in ("status", "stage", "mode", "gates", "system_version", "fingerprint"):
        assert getattr(after, name) == getattr(before, name), name
    assert Cause.FINAL_RUN_REVIVED not in [cause for cause, _ in announced]


# What cannot be read


GOOD = raw(a_manifest())


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (GOOD[: len(GOOD) // 2], {}, 400, "MALFORMED"),
        (b"", {}, 400, "MALFORMED"),
        (b"[" * 10_000, {}, 400, "MALFORMED"),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, {}, 400, "MALFORMED"),
        (GOOD.replace(b"bridge", b"\xff\xfe"), {}, 400, "MALFORMED"),
        (GOOD.replace(b"bridge", b"\\ud800"), {}, 422, "NOT_CANONICAL"),
        (GOOD.replace(b"bridge", b"\\u0000"), {}, 422, "NOT_CANONICAL"),
        (
            GOOD.replace(b'"revision": 1', b'"revision": 9007199254740993'),
            {},
            422,
            "NOT_CANONICAL",
        ),
        (
            GOOD.replace(b'"revision": 1', b'"revision": 1' + b"0" * 9000),
            {},
            400,
            "MALFORMED",
        ),
        (b"\x00" * 100, {}, 400, "MALFORMED"),
        (bytes(range(256)) * 10, {}, 400, "MALFORMED"),
        (b"NaN", {}, 400, "MALFORMED"),
        (b"[]", {}, 422, "SCHEMA_VALIDATION_FAILED"),
        (b'"text"', {}, 422, "SCHEMA_VALIDATION_FAILED"),
        (
            gzip.compress(GOOD),
            {"content-encoding": "gzip"},
            415,
            "UNSUPPORTED_CONTENT_ENCODING",
        ),
    ],
)
@pytest.mark.parametrize("path", ["manifest", "gates"])
def test_a_body_that_cannot_be_read_is_refused_clearly_and_changes_nothing(
    client, service, a_token, path, body, headers, status, code
):
    answer = Caller(client, a_token).put(f"runs/run-1/{path}", body, **headers)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["detail"]
    assert not Run.objects.exists()


@pytest.mark.parametrize(
    "content_type",
    ["multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "a/b"],
)
def test_a_body_that_is_said_to_be_something_else_is_refused(
    client, service, a_token, content_type
):
    call = Caller(client, a_token)

    for answer in (
        call.put("runs/run-1/manifest", GOOD, content_type=content_type),
        client.post(
            "/api/v1/runs/run-1/events",
            lines(an_event(1)),
            content_type=content_type,
            headers=call.headers,
        ),
    ):
        assert (answer.status_code, answer.json()["code"]) == (
            415,
            "UNSUPPORTED_MEDIA_TYPE",
        )
    assert not Run.objects.exists()


def test_an_act_does_not_read_compressed_bodies_either(client, service, a_token):
    body = gzip.compress(raw({"kind": "pause", "reason": "Repairs."}))

    answer = Caller(client, a_token).post(
        "runs/run-1/directives", body, **{"content-encoding": "gzip"}
    )

    assert (answer.status_code, answer.json()["code"]) == (
        415,
        "UNSUPPORTED_CONTENT_ENCODING",
    )


def test_a_body_beyond_the_limit_is_refused_before_it_is_read(
    client, service, a_token, settings
):
    settings.MAX_DOCUMENT_BYTES = 500

    answer = Caller(client, a_token).put("runs/run-1/manifest", GOOD)

    assert (answer.status_code, answer.json()["code"]) == (413, "TOO_LARGE")
    assert not Run.objects.exists()


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=st.binary(max_size=300), cut=st.integers(0, len(GOOD) - 1))
def test_no_bytes_whatsoever_are_more_than_refused(client, service, body, cut):
    token = a_service()[1]
    call = Caller(client, token)

    for sent in (body, GOOD[:cut] + body):
        for path in ("manifest", "gates"):
            answer = call.put(f"runs/run-1/{path}", sent)
            assert answer.status_code in (400, 422)

    assert not Run.objects.exists()


def test_the_same_conflict_again_is_kept_and_told_once(service, announced):
    send(service, a_manifest())

    for _ in range(2):
        receipt = send(service, a_manifest(mode="deep"))
        assert receipt.refusal.code == "REVISION_MISMATCH"

    assert announced == [(Cause.REVISION_CONFLICT, "run-1")]
    assert RunDocument.objects.count() == 2
