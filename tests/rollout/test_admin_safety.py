"""Rolling back, freezing, being on call, looking at failures: from pages."""

import re
from datetime import timedelta

import pytest
from django.db import connection

from portal import clock
from portal.models import LedgerEntry
from portal.services import actors
from rollout.domain.stages import StageState
from rollout.domain.verbs import Verb
from rollout.models import (
    Evaluation,
    FailureReview,
    Freeze,
    OnCall,
    Rollback,
    Rollout,
    Run,
    Stage,
)
from rollout.services import freezes, readiness, rollbacks
from rollout.services.decisions import decide_for
from tests.builders import an_actor
from tests.rollout.builders import (
    ASKED,
    KEY,
    a_finished_run,
    a_rollout,
    a_service,
    an_open_stage,
    finished_runs,
)
from tests.rollout.test_admin import page, signed_in
from tests.rollout.test_admin_canary import read, words
from tests.rollout.test_admin_changes import buttons, hidden, send
from tests.rollout.test_canary_stages import a_proven_stage, judge

pytestmark = pytest.mark.django_db
LISTS = (Evaluation, Rollback, Freeze, OnCall, FailureReview)


# Rolling back


def test_rolling_back_says_what_it_will_do_and_shows_what_it_did(
    client, carry_out_jobs
):
    stage = an_open_stage()
    service, _ = a_service()
    finished_runs("done", "PP")
    carry_out_jobs()
    for run_id in ("open-1", "open-2"):
        decide_for(KEY, {"run_id": run_id, **ASKED}, by=service, reason="")
    signed_in(client, "operator")
    address = page(Stage, "roll_back", stage.pk)

    asked = words(client.get(address).content.decode())
    done = send(client, address, reason="Citations are wrong.")

    rollback = Rollback.objects.get()
    open_runs = rollback.affected_runs
    assert f"sent to the standard workflow: {open_runs}." in asked
    assert "no stage is open afterwards: Option C is off" in asked
    assert "frozen until then" in asked
    assert "compared byte for byte afterwards" in asked
    assert done["location"] == page(Rollback, "change", rollback.pk)
    assert "has not finished yet" in read(client, rollback)
    carry_out_jobs()
    carry_out_jobs()
    body = read(client, rollback)
    said = words(body)
    assert "Expanded offline → off" in said
    assert "Citations are wrong." in said
    assert "✓ yes, byte for byte" in said
    assert re.search(r"documents (\d+) \1", said)
    assert rollback.reconciliation.digest in body
    assert rollback.inventory_digest in body
    assert f"/admin/rollout/snapshot/{rollback.snapshot_id}/change/" in body


def test_going_back_to_an_earlier_stage_is_named(client):
    stage = a_proven_stage()
    earlier = Stage.objects.get(position=0)
    earlier.state = StageState.PROMOTED
    earlier.save_as(actors.host(), reason="test")
    signed_in(client, "operator")

    asked = words(client.get(page(Stage, "roll_back", stage.pk)).content.decode())
    send(client, page(Stage, "roll_back", stage.pk), reason="Back.")

    assert "Offline baseline begins a new attempt" in asked
    assert Rollback.objects.get().to_stage == earlier
    assert "Offline baseline began a new attempt" in read(
        client, Rollback.objects.get()
    )


def test_what_the_statistics_rolled_back_names_the_judgement(client):
    stage = an_open_stage()
    finished_runs("run", "F" * 8)
    evaluation = judge(stage)
    signed_in(client, "auditor")

    body = read(client, Rollback.objects.get())

    assert "statistics, by itself" in body
    assert page(Evaluation, "change", evaluation.pk) in body


def test_losses_are_named(client, carry_out_jobs):
    stage = an_open_stage()
    finished_runs("run", "P")
    rollbacks.roll_back(stage.pk, by=an_actor("operator"), reason="test")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("UPDATE rollout_rundocument SET raw = 'x' WHERE kind = 'gates'")
        cursor.execute("SET LOCAL session_replication_role = origin")
    carry_out_jobs()
    carry_out_jobs()
    signed_in(client, "auditor")

    said = words(read(client, Rollback.objects.get()))

    assert "✗ NO" in said
    assert "run-0: documents gates revision 1" in said
    assert "is altered" in said


# Freezes, on call, reviews


def test_somebody_freezes_and_only_the_owner_or_a_confirmer_lifts(client):
    a_rollout()
    until = (clock.now() + timedelta(hours=5)).strftime("%Y-%m-%d %H:%M")
    signed_in(client, "operator")
    address = page(Freeze, "freeze")
    said = {"rollout": KEY, "scope": "changes", "reason": "Holidays."}

    late = send(client, address, until="2001-01-01 00:00", **said)
    done = send(client, address, until=until, **said)

    assert late.status_code == 422
    assert "Is a time to come." in late.content.decode()
    assert done.status_code == 302
    freeze = Freeze.objects.get()
    assert "■ on" in read(client, freeze)
    signed_in(client, "engineer")
    assert "lift" not in buttons(read(client, freeze))
    refused = send(client, page(Freeze, "lift", freeze.pk), reason="Please.")
    assert refused.status_code == 422
    assert "lifted by its owner, or by an architect or QA" in refused.content.decode()
    signed_in(client, "qa")
    send(client, page(Freeze, "lift", freeze.pk), reason="We are back.")
    assert "lifted" in read(client, freeze)
    freeze.refresh_from_db()
    assert freeze.lifted_at is not None


def test_the_way_from_a_red_check_to_being_on_call(client):
    stage = an_open_stage()
    person = signed_in(client, "operator")
    check = readiness.on_call(stage)

    asked = words(client.get(check.link).content.decode())
    send(client, check.link, reason="Here all night.")

    assert "Now nobody is on call." in asked
    assert OnCall.objects.get().person == person
    assert "✓ green On call" in words(read(client, stage))
    assert f"Now {person} is on call, until" in words(
        client.get(check.link).content.decode()
    )


def test_a_failure_is_reviewed_gate_by_gate_from_the_page_of_its_run(client):
    stage = an_open_stage()
    a_finished_run("bad", passed="CDEF", failed="AB")
    signed_in(client, "engineer")
    run = Run.objects.get(run_id="bad")

    body = read(client, run)
    assert {"review_A", "review_B"} <= buttons(body)
    assert "review_C" not in buttons(body)
    assert "Nobody has looked at it yet." in body
    send(client, page(Run, "review_A", run.pk), reason="A known flake.")
    refused = send(client, page(Run, "review_C", run.pk), reason="Why not.")

    body = read(client, run)
    assert "has looked at it: A known flake." in body
    assert "review_A" not in buttons(body)
    assert refused.status_code == 422
    assert "gate B of bad failed" in readiness.failures_reviewed(stage).says


@pytest.mark.parametrize("model", LISTS)
def test_an_empty_list_says_what_to_do(client, model):
    a_rollout()
    signed_in(client, "auditor")

    body = client.get(page(model, "changelist")).content.decode()

    assert re.search(
        r'<p class="soft act-hint">(Nothing|Nobody|No failure) [^<]+\.', body
    )


# Who may, and how often


def test_an_auditor_reads_all_of_it_and_may_do_nothing(client):
    stage = a_proven_stage()
    a_finished_run("bad", passed="BCDEF", failed="A")
    freeze = freezes.freeze(
        KEY,
        "expansion",
        clock.now() + timedelta(hours=1),
        by=an_actor("qa"),
        reason="test",
    )
    signed_in(client, "auditor")
    run = Run.objects.get(run_id="bad")
    rollout = Rollout.objects.get()

    for row in (stage, freeze, run, rollout):
        assert buttons(read(client, row)) <= {"export"}
    for address in (
        page(Stage, "request_promotion", stage.pk),
        page(Stage, "roll_back", stage.pk),
        page(Freeze, "freeze"),
        page(Freeze, "lift", freeze.pk),
        page(Rollout, "confirm_on_call", rollout.pk),
        page(Run, "review_A", run.pk),
    ):
        assert client.get(address).status_code == 403, address
        assert client.post(address, {"reason": "curious"}).status_code == 403, address
    assert Stage.objects.get(pk=stage.pk).state == StageState.PROMOTABLE


def test_qa_may_go_back_but_not_ask_for_more(client):
    stage = a_proven_stage()
    signed_in(client, "qa")

    found = buttons(read(client, stage))

    assert "roll_back" in found
    assert "request_promotion" not in found
    address = page(Stage, "request_promotion", stage.pk)
    assert client.post(address, {"reason": "x"}).status_code == 403


@pytest.mark.parametrize(
    ("model", "name", "verb"),
    [
        (Stage, "roll_back", Verb.STAGE_ROLLED_BACK),
        (Rollout, "confirm_on_call", Verb.ON_CALL_CONFIRMED),
        (Run, "review_A", Verb.FAILURE_REVIEWED),
    ],
)
def test_a_form_that_is_sent_twice_is_carried_out_once(client, model, name, verb):
    stage = an_open_stage()
    a_finished_run("bad", passed="BCDEF", failed="A")
    signed_in(client, "operator")
    row = {Stage: stage, Rollout: stage.rollout, Run: Run.objects.get()}[model]
    address = page(model, name, row.pk)
    said = hidden(client.get(address).content.decode()) | {"reason": "Once."}

    client.post(address, said)
    again = client.post(address, said, follow=True)

    assert "nothing was done a second time" in again.content.decode()
    assert LedgerEntry.objects.filter(verb=verb).count() == 1


def test_a_stage_that_somebody_else_has_just_rolled_back_says_so(client):
    stage = an_open_stage()
    signed_in(client, "operator")
    address = page(Stage, "roll_back", stage.pk)
    client.get(address)
    rollbacks.roll_back(stage.pk, by=an_actor("qa"), reason="first")

    second = send(client, address, reason="Me too.")

    assert second.status_code == 422
    assert "not open any more" in second.content.decode()
