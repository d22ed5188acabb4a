import pytest

from portal.errors import Conflict, NotAllowed
from portal.models import Job, LedgerEntry
from rollout.domain.decisions import Reason
from rollout.domain.runs import RefusalCode, RunStage, RunStatus
from rollout.domain.verbs import Verb
from rollout.models import DocumentKind, Run, RunDocument, Standing
from rollout.services import (
    advances,
    artifacts,
    consequences,
    documents,
    events,
    switch,
)
from rollout.services.consequences import Cause
from rollout.services.decisions import decide_for
from tests.builders import an_actor
from tests.rollout.builders import ASKED, KEY, a_running_stage, a_service
from tests.rollout.documents import a_manifest, an_event, lines, raw, some_gates, spent

pytestmark = pytest.mark.django_db


def send(service, document) -> documents.Receipt:
    receive = (
        documents.receive_gates
        if document["schema_version"] == "gates.v1"
        else documents.receive_manifest
    )
    return receive(
        KEY, document["run_id"], raw(document), by=service, reason="reported"
    )


@pytest.fixture
def announced():
    """What was announced to whoever registers for consequences."""
    heard = []

    def listen(cause, run, *, by, **facts):
        heard.append((cause, run.run_id))

    consequences.register(listen)
    yield heard
    consequences._registered.remove(listen)


def test_a_run_that_nobody_let_in_is_kept_and_marked(service):
    receipt = send(service, a_manifest())

    assert receipt.outcome == "accepted"
    run = Run.objects.get()
    assert (run.status, run.reported_status, run.stage) == (
        "running",
        "running",
        "wave1",
    )
    assert not run.is_admitted


def test_what_evidence_needs_is_stored_when_a_run_is_let_in():
    stage = a_running_stage()
    service, _ = a_service()
    decisions = [
        decide_for(KEY, {"run_id": f"r{n}", **ASKED}, by=service, reason="asks")
        for n in range(3)
    ]

    found = list(Run.objects.order_by("pk"))
    assert [run.start_order for run in found] == [1, 2, 3]
    assert [run.decision for run in found] == decisions
    assert {run.attempt.stage for run in found} == {stage}
    assert all(run.is_admitted and run.no_web and run.fingerprint for run in found)
    assert {run.status for run in found} == {RunStatus.CREATED}


def test_the_research_systems_version_is_part_of_the_fingerprint():
    a_running_stage()
    service, _ = a_service()
    decide_for(KEY, {"run_id": "run-1", **ASKED}, by=service, reason="asks")
    before = Run.objects.get().fingerprint

    send(service, a_manifest(system_version="7.1"))

    run = Run.objects.get()
    assert run.system_version == "7.1"
    assert run.fingerprint != before


def test_the_same_revision_again_changes_nothing(service):
    send(service, a_manifest())
    send(service, some_gates())
    before = LedgerEntry.objects.count(), RunDocument.objects.count()

    again = [send(service, a_manifest()), send(service, some_gates())]

    assert [receipt.outcome for receipt in again] == ["unchanged", "unchanged"]
    assert (LedgerEntry.objects.count(), RunDocument.objects.count()) == before


def test_the_same_content_in_other_bytes_is_the_same(service):
    send(service, a_manifest())
    spaced = b" " + raw(a_manifest()).replace(b": ", b" :  ")

    receipt = documents.receive_manifest(
        KEY, "run-1", spaced, by=service, reason="again"
    )

    assert receipt.outcome == "unchanged"


def test_an_older_revision_is_refused(service):
    send(service, a_manifest(revision=3))

    receipt = send(service, a_manifest(revision=2))

    assert receipt.refusal.code == "REVISION_MISMATCH"
    assert Run.objects.get().manifest_revision == 3


def test_a_contradiction_is_refused_as_state_and_kept_as_evidence(service, announced):
    send(service, a_manifest())
    other = a_manifest(mode="deep")

    receipts = [send(service, other), send(service, other)]

    assert {receipt.refusal.code for receipt in receipts} == {"REVISION_MISMATCH"}
    assert Run.objects.get().mode == "standard"
    kept = RunDocument.objects.get(standing=Standing.KEPT)
    assert bytes(kept.raw) == raw(other)
    assert announced[0] == (Cause.REVISION_CONFLICT, "run-1")


def test_a_gap_in_the_revisions_is_accepted_and_noted(service):
    send(service, a_manifest(revision=1))

    receipt = send(service, a_manifest(revision=5))

    assert (receipt.outcome, receipt.gap) == ("accepted", 3)
    assert "3 revisions" in RunDocument.objects.order_by("-pk")[0].note


def test_a_final_run_that_is_revived_is_refused_and_kept(service, announced):
    send(service, a_manifest(status="completed"))

    receipt = send(service, a_manifest(revision=2, status="running"))

    assert receipt.refusal.code == "LIFECYCLE_RULE_VIOLATION"
    run = Run.objects.get()
    assert (run.status, run.reported_status) == ("completed", "completed")
    assert RunDocument.objects.filter(standing=Standing.KEPT).count() == 1
    assert announced == [(Cause.FINAL_RUN_REVIVED, "run-1")]


def test_what_comes_after_the_portals_verdict_is_kept_and_moves_nothing(
    service, carry_out_jobs
):
    send(service, a_manifest(**spent()))
    send(service, some_gates(failed="B"))
    carry_out_jobs()

    later = send(service, a_manifest(revision=2, status="running"))
    much_later = send(service, some_gates(revision=2, passed="ABCDEF"))

    assert (later.outcome, much_later.outcome) == ("kept", "kept")
    run = Run.objects.get()
    assert run.status == RunStatus.FAILED
    assert run.gates["B"]["status"] == "fail"
    kept = RunDocument.objects.filter(standing=Standing.KEPT)
    assert {document.kind for document in kept} == set(DocumentKind)


def test_a_run_that_has_ended_is_told_so():
    a_running_stage()
    service, _ = a_service()
    decide_for(KEY, {"run_id": "run-1", **ASKED}, by=service, reason="asks")
    send(service, a_manifest(status="completed"))

    again = decide_for(KEY, {"run_id": "run-1", **ASKED}, by=service, reason="asks")

    assert (again.workflow, again.reason) == ("standard", Reason.RUN_FINAL)


def test_other_inputs_for_a_known_run_are_a_conflict(service):
    decide_for(KEY, {"run_id": "r1", **ASKED}, by=service, reason="asks")

    with pytest.raises(Conflict) as refusal:
        decide_for(
            KEY, {"run_id": "r1", **ASKED, "team": "beta"}, by=service, reason="asks"
        )

    assert refusal.value.code == "DECISION_CONFLICT"


def test_a_token_of_another_rollout_reports_nothing(service):
    stranger, _ = a_service(rollout="another-one")

    with pytest.raises(NotAllowed):
        send(stranger, a_manifest())

    assert not Run.objects.exists()


def test_gates_that_contradict_their_metrics_are_flagged_and_do_not_pass(
    service, announced
):
    manifest = a_manifest(query={"text": "q", "sensitivity": "normal"})
    send(service, manifest)

    send(service, some_gates(passed="C", metrics={"validated_url_rate": 0.2}))

    assert Run.objects.get().gates["C"]["status"] == "drift"
    assert announced == [(Cause.GATE_INPUTS_DRIFT, "run-1")]
    assert not Job.objects.exists()


def test_events_are_kept_once_and_their_gaps_reported(service):
    first = events.receive(
        KEY, "run-1", lines(an_event(1), an_event(4)), by=service, reason="reported"
    )
    second = events.receive(
        KEY, "run-1", lines(an_event(4), an_event(5)), by=service, reason="reported"
    )

    assert (first.new, first.gaps) == (2, [[2, 3]])
    assert (second.received, second.new, second.last_seq) == (2, 1, 5)
    assert LedgerEntry.objects.filter(verb=Verb.EVENTS_RECEIVED).count() == 2


def test_a_contradicting_event_is_refused_with_its_whole_batch(service):
    events.receive(KEY, "run-1", lines(an_event(1)), by=service, reason="reported")

    with pytest.raises(Conflict) as refusal:
        events.receive(
            KEY,
            "run-1",
            lines(an_event(1, status="paused"), an_event(2)),
            by=service,
            reason="reported",
        )

    assert refusal.value.code == "EVENT_CONFLICT"
    assert Run.objects.get().last_seq == 1


def ask(service, here=RunStage.WAVE1, onward=RunStage.PIVOT):
    return advances.advance(
        KEY, "run-1", here=here, onward=onward, by=service, reason="asks"
    )


def test_a_run_goes_on_once_it_has_what_the_next_stage_needs(service):
    send(service, a_manifest())
    before = ask(service)
    for path in ("wave-1/p1.md", "wave-review.json"):
        artifacts.store(KEY, "run-1", path, [b"x"], by=service, reason="reported")
    send(service, some_gates(passed="AB"))

    after = ask(service)

    assert (before.is_allowed, before.code) == (False, RefusalCode.MISSING_ARTIFACT)
    assert after.is_allowed


def test_the_switch_stops_a_run_at_its_next_stage(service):
    send(service, a_manifest())
    switch.engage(KEY, by=an_actor("operator"), reason="stop")

    answer = ask(service)

    assert (answer.is_allowed, answer.code) == (False, RefusalCode.DISABLED)


def test_the_pivot_says_whether_there_is_a_second_wave(service):
    manifest = a_manifest()
    manifest["stage"]["current"] = "pivot"
    send(service, manifest)
    pivot = {"decision": {"wave2_required": True, "wave2_gap_ids": ["a", "b", "c"]}}
    artifacts.store(
        KEY, "run-1", "pivot.json", [raw(pivot)], by=service, reason="reported"
    )

    capped = ask(service, RunStage.PIVOT, RunStage.WAVE2)
    skipped = ask(service, RunStage.PIVOT, RunStage.CITATIONS)

    assert capped.code == RefusalCode.WAVE_CAP_EXCEEDED
    assert skipped.code == RefusalCode.REQUESTED_NEXT_NOT_ALLOWED
