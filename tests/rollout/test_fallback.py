from datetime import timedelta

import pytest
import time_machine

from portal import clock
from portal.errors import Conflict, WrongMoment
from portal.models import Job, LedgerEntry
from portal.services import actors
from rollout.domain.runs import RunStatus
from rollout.domain.verbs import Verb
from rollout.models import Artifact, FallbackOffer, Origin, Run
from rollout.services import artifacts, documents, fallback, vault
from tests.builders import an_actor
from tests.rollout.builders import KEY
from tests.rollout.documents import a_manifest, raw, some_gates, spent
from tests.rollout.test_runs import send

pytestmark = pytest.mark.django_db

SUMMARY = (
    b"# Fallback Summary\n\n"
    b"- failed_gate_id: B\n"
    b"- failed_gate_name: Wave output contract compliance\n"
    b"- reason: two outputs failed\n"
    b"- operator_instruction: disable Option C and run standard workflow\n\n"
    b"Operator instruction: disable Option C and run standard workflow.\n"
)


def summary_of(run: Run) -> bytes:
    return b"".join(vault.read(artifacts.find(run, "logs/fallback-summary.md").digest))


def a_failed_run(service) -> Run:
    send(service, a_manifest(**spent()))
    send(service, some_gates(failed="B", notes="two outputs failed"))
    return Run.objects.get()


def test_a_confirmed_failure_falls_back_once_and_keeps_everything(
    service, carry_out_jobs
):
    artifacts.store(
        KEY, "run-1", "wave-1/p1.md", [b"found"], by=service, reason="reported"
    )
    run = a_failed_run(service)

    assert carry_out_jobs() == 1

    run.refresh_from_db()
    assert (run.status, run.reported_status) == (RunStatus.FAILED, "running")
    assert summary_of(run) == SUMMARY
    assert b"".join(vault.read(artifacts.find(run, "wave-1/p1.md").digest)) == b"found"
    entry = LedgerEntry.objects.get(verb=Verb.RUN_FELL_BACK)
    assert entry.actor_name == "system"


def test_doing_all_of_it_again_changes_nothing(service, carry_out_jobs):
    run = a_failed_run(service)
    carry_out_jobs()
    before = LedgerEntry.objects.count(), Artifact.objects.count()

    send(service, a_manifest(**spent()))
    send(service, some_gates(failed="B", notes="two outputs failed"))
    fallback.fall_back_confirmed(run.pk, by=actors.system(), reason="again")
    offered = fallback.offer_fallback(
        KEY, "run-1", by=service, reason="again", given="another reason"
    )

    assert (LedgerEntry.objects.count(), Artifact.objects.count()) == before
    assert offered.reason == "two outputs failed"
    assert carry_out_jobs() == 0


def test_a_failure_with_retries_left_waits_for_newer_gates(service, carry_out_jobs):
    send(service, a_manifest())
    send(service, some_gates(failed="B"))

    assert carry_out_jobs() == 0

    wanted = Job.objects.get()
    assert wanted.kind == "rollout.jobs.confirm_gate_failure"
    assert timedelta(seconds=55) < wanted.run_after - clock.now()
    send(service, some_gates(revision=2, passed="AB"))
    assert (
        fallback.confirm_overdue(
            Run.objects.get().pk, 1, by=actors.system(), reason="late"
        )
        is None
    )
    assert Run.objects.get().status == RunStatus.RUNNING


def test_without_newer_gates_in_time_the_failure_stands(service):
    send(service, a_manifest())
    send(service, some_gates(failed="B"))

    with time_machine.travel(clock.now() + timedelta(seconds=61)):
        offered = fallback.confirm_overdue(
            Run.objects.get().pk, 1, by=actors.system(), reason="late"
        )

    assert offered.gate_id == "B"
    assert Run.objects.get().gates["B"]["confirmed_by"] == "no newer gates came in time"


def test_a_manifest_that_spends_the_last_retry_confirms_an_older_failure(
    service, carry_out_jobs
):
    send(service, a_manifest())
    send(service, some_gates(failed="B"))
    send(service, a_manifest(revision=2, **spent()))

    carry_out_jobs()

    assert FallbackOffer.objects.get().gate_id == "B"


def test_a_run_that_completed_all_the_same_is_left_alone(service, carry_out_jobs):
    send(service, some_gates(failed="B"))
    send(service, a_manifest(status="completed", **spent()))

    assert carry_out_jobs() == 0

    assert Run.objects.get().status == RunStatus.COMPLETED
    with pytest.raises(WrongMoment):
        fallback.offer_fallback(KEY, "run-1", by=service, reason="after all")


def test_a_fallback_that_the_research_system_made_is_told_in_its_words(
    service, carry_out_jobs
):
    failure = {
        "kind": "hard_gate_fallback_offer",
        "gate_id": "B",
        "gate_name": "Wave output contract compliance",
        "reason": "the operator chose so",
        "summary_path": "/runs/run-1/logs/fallback-summary.md",
        "instruction": "disable Option C and run standard workflow",
        "retryable": False,
    }
    send(service, some_gates(failed="B", notes="notes"))
    send(service, a_manifest(status="failed", failures=[failure]))

    carry_out_jobs()

    assert FallbackOffer.objects.get().reason == "the operator chose so"
    assert b"the operator chose so" in summary_of(Run.objects.get())


def test_an_operator_can_fall_back_before_the_failure_is_confirmed(service):
    send(service, a_manifest())
    send(service, some_gates(failed="C"))

    offered = fallback.offer_fallback(
        KEY, "run-1", by=an_actor("operator"), reason="no use", given="sources blocked"
    )

    assert (offered.gate_id, offered.reason) == ("C", "sources blocked")


def test_without_a_failed_gate_there_is_nothing_to_fall_back_from(service):
    send(service, a_manifest())
    send(service, some_gates(passed="ABCDEF"))

    with pytest.raises(Conflict) as refusal:
        fallback.offer_fallback(KEY, "run-1", by=service, reason="just so")

    assert refusal.value.code == "NO_HARD_GATE_FAIL"


def test_no_secret_of_the_notes_reaches_summary_or_ledger(service, carry_out_jobs):
    send(service, a_manifest(**spent()))
    notes = "fetch of s3://me:hunter2@box/x?sig=abcdef failed"
    send(service, some_gates(failed="B", notes=notes))

    carry_out_jobs()

    assert b"hunter2" not in summary_of(Run.objects.get())
    for entry in LedgerEntry.objects.all():
        assert "hunter2" not in entry.body
        assert "abcdef failed" not in entry.body


def test_a_version_of_the_summary_that_was_there_before_stays(service, carry_out_jobs):
    artifacts.store(
        KEY,
        "run-1",
        "logs/fallback-summary.md",
        [b"an older one"],
        by=service,
        reason="reported",
    )
    a_failed_run(service)

    carry_out_jobs()

    versions = Artifact.objects.filter(path="logs/fallback-summary.md").order_by("pk")
    assert [(a.version, a.origin) for a in versions] == [
        (1, Origin.RUN),
        (2, Origin.PORTAL),
    ]


def test_an_imported_run_is_neither_watched_nor_judged(service, carry_out_jobs):
    for document, receive in (
        (a_manifest(**spent()), documents.receive_manifest),
        (some_gates(failed="B"), documents.receive_gates),
    ):
        receive(
            KEY, "run-1", raw(document), by=service, reason="import", kind="imported"
        )

    assert carry_out_jobs() == 0
    assert not Job.objects.exists()
