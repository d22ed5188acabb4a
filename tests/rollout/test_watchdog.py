import json
from datetime import timedelta

import jsonschema_rs
import pytest
import time_machine
from django.db import IntegrityError, connection, transaction

from portal import clock
from portal.models import Heartbeat, LedgerEntry
from portal.services import actors, heartbeats
from rollout.domain.runs import RunKind, RunStatus
from rollout.domain.verbs import Verb
from rollout.domain.watchdog import CHECKPOINT_JSON, CHECKPOINT_TEXT, POLICY_PATH
from rollout.models import Artifact, Run, RunTimeout
from rollout.services import artifacts, consequences, decisions, vault, watchdog
from tests.rollout.builders import ASKED, KEY, a_running_stage, a_service
from tests.rollout.documents import MOMENT, a_manifest, raw, some_gates, spent
from tests.rollout.test_runs import send

pytestmark = pytest.mark.django_db
START = clock.now()


@pytest.fixture
def later():
    """Moves the clock on."""
    with time_machine.travel(START, tick=False) as traveller:
        yield lambda seconds: traveller.shift(timedelta(seconds=seconds))


def in_stage(stage: str, revision: int = 1, moment: str = MOMENT, **changes):
    return a_manifest(
        revision=revision,
        stage={"current": stage, "started_at": moment, "history": []},
        **changes,
    )


def sweep(carry_out_jobs) -> int:
    """A sweep of a watchdog that has been there all the time."""
    Heartbeat.objects.filter(name=watchdog.NAME).update(at=clock.now())
    watchdog.sweep()
    return carry_out_jobs()


def the_run() -> Run:
    return Run.objects.get()


def test_a_run_that_stops_making_progress_is_ended_once(service, later, carry_out_jobs):
    heard = []
    consequences.register(lambda cause, run, **facts: heard.append(cause))
    send(service, in_stage("wave1"))

    later(599)
    assert sweep(carry_out_jobs) == 0
    later(2)
    assert sweep(carry_out_jobs) == 1
    assert sweep(carry_out_jobs) == 0

    run = the_run()
    assert (run.status, run.reported_status) == (RunStatus.FAILED, "running")
    assert run.cause == "timeout"
    assert RunTimeout.objects.get().failure == {
        "kind": "timeout",
        "stage": "wave1",
        "message": "timeout after 601s",
        "retryable": False,
        "ts": clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    assert LedgerEntry.objects.filter(verb=Verb.RUN_TIMED_OUT).count() == 1
    assert "timed_out" in heard
    consequences._registered.pop()


def test_a_run_that_never_gave_a_sign_of_life_is_caught(later, carry_out_jobs):
    a_running_stage()
    service, _ = a_service()
    decisions.decide_for(KEY, {"run_id": "silent"} | ASKED, by=service, reason="test")

    later(121)

    assert sweep(carry_out_jobs) == 1
    assert the_run().cause == "timeout"
    content = json.loads(
        b"".join(vault.read(artifacts.find(the_run(), CHECKPOINT_JSON).digest))
    )
    assert content["stage"] == "init"
    assert content["stage_last_progress_at"] is None


def test_progress_starts_the_timer_again(service, later, carry_out_jobs):
    send(service, in_stage("wave1"))
    later(500)
    progressed = in_stage("wave1", 2)
    progressed["stage"]["last_progress_at"] = "2026-01-01T12:05:00.000Z"
    send(service, progressed)
    later(500)

    assert sweep(carry_out_jobs) == 0
    later(101)
    assert sweep(carry_out_jobs) == 1


def test_a_revision_without_progress_gives_no_time(service, later, carry_out_jobs):
    send(service, in_stage("wave1"))
    later(500)
    send(service, in_stage("wave1", 2))
    later(101)

    assert sweep(carry_out_jobs) == 1


def test_a_paused_run_is_never_timed_out_and_its_pause_does_not_count(
    service, later, carry_out_jobs
):
    send(service, in_stage("wave1"))
    later(400)
    send(service, in_stage("wave1", 2, status="paused"))
    later(100_000)
    assert sweep(carry_out_jobs) == 0
    assert the_run().time_left == timedelta(seconds=200)

    send(service, in_stage("wave1", 3))
    later(199)
    assert sweep(carry_out_jobs) == 0
    later(2)
    assert sweep(carry_out_jobs) == 1
    assert RunTimeout.objects.get().elapsed_s == 601


def test_the_run_s_own_policy_holds_also_when_it_comes_late(
    service, later, carry_out_jobs
):
    send(service, in_stage("wave1"))
    policy = {"stage_timeouts_seconds_v1": {"wave1": 30, "pivot": True, "bad": 1}}
    artifacts.store(KEY, "run-1", POLICY_PATH, [raw(policy)], by=service, reason="test")
    assert the_run().timeouts == {"wave1": 30}

    later(29)
    assert sweep(carry_out_jobs) == 0
    later(2)
    assert sweep(carry_out_jobs) == 1
    assert RunTimeout.objects.get().timeout_s == 30


def test_what_a_run_that_hung_leaves_behind(service, later, carry_out_jobs):
    artifacts.store(KEY, "run-1", "wave-1/p1.md", [b"found"], by=service, reason="test")
    send(service, in_stage("citations"))
    later(601)
    sweep(carry_out_jobs)

    run = the_run()
    text = b"".join(vault.read(artifacts.find(run, CHECKPOINT_TEXT).digest)).decode()
    assert text.startswith("# Timeout Checkpoint\n\n- stage: citations\n")
    assert "- elapsed_seconds: 601\n- timeout_seconds: 600\n" in text
    assert b"".join(vault.read(artifacts.find(run, "wave-1/p1.md").digest)) == b"found"


def test_the_checkpoint_has_the_shape_of_the_contract(
    shared, service, later, carry_out_jobs
):
    send(service, in_stage("citations"))
    later(601)
    sweep(carry_out_jobs)

    schema = json.loads(
        (shared / "schemas" / "timeout_checkpoint.v1.schema.json").read_text()
    )
    digest = artifacts.find(the_run(), CHECKPOINT_JSON).digest
    jsonschema_rs.validate(schema, json.loads(b"".join(vault.read(digest))))


def test_a_final_run_and_an_imported_run_have_no_timer(service, later, carry_out_jobs):
    send(service, in_stage("wave1", status="completed"))
    assert the_run().times_out_at is None
    run = Run.objects.get()
    run.kind, run.status, run.finished_at = RunKind.IMPORTED, "running", None
    run.save_as(actors.host(), reason="test")

    later(10**6)

    assert sweep(carry_out_jobs) == 0


def test_a_fallback_switches_the_timer_off(service, later, carry_out_jobs):
    send(service, in_stage("wave1", **spent()))
    send(service, some_gates(failed="B"))
    carry_out_jobs()
    later(10_000)

    assert sweep(carry_out_jobs) == 0
    assert the_run().cause == "hard_gate_failed"


def test_a_report_between_the_sweep_and_the_end_saves_the_run(
    service, later, carry_out_jobs
):
    send(service, in_stage("wave1"))
    later(601)
    Heartbeat.objects.filter(name=watchdog.NAME).update(at=clock.now())
    assert watchdog.sweep() == 1
    send(service, in_stage("pivot", 2, "2026-01-01T12:10:00.000Z"))

    carry_out_jobs()

    assert the_run().status == RunStatus.RUNNING
    assert not RunTimeout.objects.exists()


def test_after_a_gap_in_its_own_life_the_watchdog_lets_runs_speak_first(
    service, later, carry_out_jobs
):
    send(service, in_stage("wave1"))
    assert watchdog.sweep() == 0
    Heartbeat.objects.update(at=clock.now())

    later(3600)  # nobody could report while the portal was away
    assert watchdog.sweep() == 0
    later(20)
    Heartbeat.objects.update(at=clock.now())
    assert watchdog.sweep() == 0
    later(41)
    assert sweep(carry_out_jobs) == 1


def test_while_nobody_could_be_spoken_to_the_watchdog_ends_nobody(
    service, later, carry_out_jobs
):
    send(service, in_stage("wave1"))
    heartbeats.beat(heartbeats.EDGE)
    assert watchdog.sweep() == 0

    later(3600)  # the watchdog went on, the process that callers talk to did not
    Heartbeat.objects.filter(name=watchdog.NAME).update(at=clock.now())
    assert watchdog.sweep() == 0
    Heartbeat.objects.update(at=clock.now())  # it is back
    assert watchdog.sweep() == 0
    later(61)
    Heartbeat.objects.update(at=clock.now())
    assert sweep(carry_out_jobs) == 1


def test_no_open_run_can_be_without_a_timer(service):
    send(service, in_stage("wave1"))

    with (
        pytest.raises(IntegrityError, match="an_open_run_has_a_timer"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("UPDATE rollout_run SET times_out_at = NULL")


def test_the_checkpoint_files_are_the_portal_s(service, later, carry_out_jobs):
    send(service, in_stage("wave1"))
    later(601)
    sweep(carry_out_jobs)

    written = Artifact.objects.filter(path__startswith="logs/timeout-checkpoint")
    assert {artifact.origin for artifact in written} == {"portal"}
