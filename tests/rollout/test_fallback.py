import json
import re
from datetime import timedelta

import pytest
import time_machine
from django.core.management import call_command

from portal import clock
from portal.domain.roles import Scope
from portal.errors import Conflict, NotAllowed, NotFound, WrongMoment
from portal.models import Job, LedgerEntry
from portal.services import actors
from rollout.domain import fallback as domain
from rollout.domain.decisions import Reason
from rollout.domain.fallback import Means
from rollout.domain.gates import FALLBACK_FAILURE
from rollout.domain.runs import RunStatus
from rollout.domain.verbs import Verb
from rollout.models import Artifact, FallbackOffer, Origin, Routing, Run
from rollout.services import artifacts, documents, fallback, vault
from rollout.services.decisions import decide_for
from tests.builders import an_actor, the_last_line
from tests.rollout.builders import ASKED, KEY, a_running_stage, a_service
from tests.rollout.documents import a_manifest, raw, some_gates, spent
from tests.rollout.test_admin import signed_in
from tests.rollout.test_api import Caller
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


def take(by, **said) -> tuple[Routing, bool]:
    return fallback.take(
        KEY, "run-1", means=Means.API, by=by, reason="B failed.", **said
    )


def test_taking_the_offer_records_once_where_the_request_went(service, carry_out_jobs):
    a_failed_run(service)
    carry_out_jobs()
    assert Run.objects.get().awaits_fallback

    routing, is_news = take(service, standard_run_id="standard-7")
    again, is_news_again = take(an_actor("operator"), standard_run_id="standard-8")

    assert (is_news, is_news_again, again) == (True, False, routing)
    assert (again.workflow, again.standard_run_id) == ("standard", "standard-7")
    assert (again.means, again.taken_by) == (Means.API, service)
    assert not Run.objects.get().awaits_fallback
    assert LedgerEntry.objects.filter(verb=Verb.FALLBACK_TAKEN).count() == 1
    assert routing.history.count() == 1


def test_the_run_that_took_over_can_be_named_afterwards(service, carry_out_jobs):
    a_failed_run(service)
    carry_out_jobs()
    take(an_actor("operator"))

    take(service, standard_run_id="standard-7")

    assert Routing.objects.get().standard_run_id == "standard-7"
    assert the_last_line()[1] == Verb.STANDARD_RUN_NAMED


def test_only_who_may_can_take_an_offer(service, carry_out_jobs):
    a_failed_run(service)
    carry_out_jobs()
    for stranger in (an_actor("auditor"), a_service(Scope.REPORT_RUNS)[0]):
        with pytest.raises(NotAllowed):
            take(stranger)

    assert take(a_service(Scope.DECIDE)[0])[1]


def test_without_an_offer_there_is_nothing_to_take(service):
    send(service, a_manifest())

    with pytest.raises(NotFound, match="no fallback offer"):
        take(service)


def test_a_run_that_fell_back_is_told_to_use_the_standard_workflow(carry_out_jobs):
    a_running_stage()
    service, _ = a_service()
    asked = {"run_id": "run-1", **ASKED}
    first = decide_for(KEY, asked, by=service, reason="asks")
    a_failed_run(service)
    carry_out_jobs()
    take(service)

    again = decide_for(KEY, asked, by=service, reason="asks")

    assert (first.workflow, again.workflow) == ("option_c", "standard")
    assert again.reason == Reason.RUN_FINAL


def test_the_api_takes_an_offer_once_and_shows_it(
    client, service, a_token, carry_out_jobs
):
    call = Caller(client, a_token)
    assert call.post("runs/run-1/fallback-offer/take", {}).status_code == 404
    a_failed_run(service)
    carry_out_jobs()
    said = {"standard_run_id": "standard-7", "reason": "Gate B failed."}

    unkeyed = call.post("runs/run-1/fallback-offer/take", said, key=None)
    first = call.post("runs/run-1/fallback-offer/take", said)
    again = call.post("runs/run-1/fallback-offer/take", {})

    assert unkeyed.json()["code"] == "IDEMPOTENCY_KEY_REQUIRED"
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    shown = call.get("runs/run-1").json()
    assert shown["awaits_fallback"] is False
    assert shown["fallback"]["routing"] == {
        "workflow": "standard",
        "standard_run_id": "standard-7",
        "means": "api",
        "reason": "Gate B failed.",
        "taken_at": first.json()["routing"]["taken_at"],
        "taken_by": shown["fallback"]["routing"]["taken_by"],
    }
    call_command("check_invariants", verbosity=0)


def test_one_click_on_the_start_page_takes_an_offer(client, service, carry_out_jobs):
    a_failed_run(service)
    carry_out_jobs()
    operator = signed_in(client, "operator")
    page = client.get("/admin/").content.decode()
    at = re.search(r'action="(/admin/rollout/run/\d+/act/take_fallback/)"', page)[1]
    once = re.search(r'name="once" value="(\w+)"', page)[1]
    click = {"once": once, "reason": "The standard workflow takes over."}

    done = client.post(at, click, follow=True).content.decode()
    client.post(at, click)

    assert "sent the request to the" in done
    taken = Routing.objects.get()
    assert (taken.means, taken.taken_by.person) == (Means.ADMIN, operator)
    assert "take_fallback" not in client.get("/admin/").content.decode()
    offer = FallbackOffer.objects.get()
    for page in ("fallbackoffer/", f"fallbackoffer/{offer.pk}/change/", "routing/"):
        assert client.get(f"/admin/rollout/{page}").status_code == 200


def test_the_offer_is_that_of_the_research_system_byte_for_byte(shared):
    root = shared / "real_runs" / "fallback_offer_gate_b"
    gates = json.loads((root / "gates.json").read_text())
    manifest = json.loads((root / "manifest.json").read_text())
    failures = [f for f in manifest["failures"] if f["kind"] == FALLBACK_FAILURE]
    assert failures

    for failure in failures:  # it was asked twice; the last one wrote the summary
        made = domain.offer(gates, reason=failure["reason"])
        own_root = failure["summary_path"].removesuffix(f"/{domain.SUMMARY_PATH}")
        assert made.failure(own_root) == failure
    assert made.summary == (root / "logs" / "fallback-summary.md").read_bytes()


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
