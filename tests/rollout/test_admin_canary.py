"""The pages of the canary: stages, judgements, rollbacks, freezes, who is on call."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from portal import clock
from portal.models import Approval, LedgerEntry
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
from rollout.services import freezes, readiness, rollbacks, stages
from rollout.services.decisions import decide_for
from tests.builders import PASSWORD, an_actor
from tests.rollout.builders import (
    ASKED,
    KEY,
    a_finished_run,
    a_rollout,
    a_running_stage,
    a_service,
    an_open_stage,
    finished_runs,
)
from tests.rollout.test_admin import page, signed_in
from tests.rollout.test_admin_changes import buttons, hidden, send
from tests.rollout.test_admin_proposing import filled, look
from tests.rollout.test_canary_stages import a_proven_stage, judge

pytestmark = pytest.mark.django_db
LISTS = (Evaluation, Rollback, Freeze, OnCall, FailureReview)


def read(client, row) -> str:
    response = client.get(page(type(row), "change", row.pk))
    assert response.status_code == 200
    return response.content.decode()


def words(body: str) -> str:
    """What stands on a page, without the marks of how it stands there."""
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())


def queries_of(client, address: str) -> int:
    client.get(address)  # whatever is looked up once per process
    with CaptureQueriesContext(
        connection,
    ) as seen:
        assert client.get(address).status_code == 200
    return len(seen)


# The page of a stage


def test_a_stage_that_was_never_started_says_what_to_do(client):
    a_rollout()
    signed_in(client, "engineer")

    body = read(client, Stage.objects.get(position=0))

    assert "one person asks, another confirms" in body
    assert "Nothing was judged yet." in body
    assert "It was never started." in body
    assert "<svg viewBox" not in body
    assert "request_start" in buttons(body)


def test_the_page_draws_what_is_proven_and_says_it_in_words_and_in_a_table(client):
    stage = a_proven_stage()
    signed_in(client, "auditor")

    body = read(client, stage)

    assert (
        "Gate A in fixture_replay: 11 of 11 passed; this proves at least 70 %" in body
    )
    svg = re.search(r"<svg.*?</svg>", body, re.DOTALL)[0]
    assert 'role="img"' in svg
    title, says = re.search(r'aria-labelledby="(\S+) (\S+)"', svg).groups()
    assert f'<title id="{title}">' in svg
    described = re.search(rf'<desc id="{says}">(.*?)</desc>', svg)[1]
    assert "11 passed, 0 failed, 0 unknown" in described
    assert "the bar 70 %, the floor 50 %" in described
    assert "of 20 needed" in described
    assert ">bar 70 %</text>" in svg
    assert ">floor 50 %</text>" in svg
    table = words(re.search(r"The same as a table.*?</table>", body, re.DOTALL)[0])
    last = re.search(r"11 11 0 0 (\S+ %) 100 % (\S+)", table)
    assert f"After 11 runs from {last[1]} to 100 %" in described
    assert f"e-value {last[2]} of 20" in described


def test_failures_and_silence_are_marked_each_in_its_own_shape(client):
    stage = an_open_stage()
    finished_runs("run", "PFPF")
    a_finished_run("silent", passed="BCDEF")
    judge(stage)
    signed_in(client, "auditor")

    body = read(client, stage)

    assert body.count('class="chart-failed"') == 2
    assert body.count('class="chart-silent"') == 1
    assert "2 passed, 2 failed, 1 unknown" in body
    assert "○ not proven" in body


def test_every_check_is_there_in_words_with_the_way_to_make_it_green(client):
    stage = an_open_stage()
    finished_runs("run", "PF")
    judge(stage)
    freezes.freeze(
        KEY,
        "expansion",
        clock.now() + timedelta(hours=3),
        by=an_actor("qa"),
        reason="Holidays.",
    )
    signed_in(client, "operator")

    body = read(client, stage)

    said = words(body)
    assert "4 of 5 checks stand in the way" in said
    assert "✗ red On call : nobody has confirmed to be on call" in said
    assert "✗ red Failures reviewed : gate A of run-1 failed" in said
    assert "Holidays." in said
    assert "✓ green Switch released : Option C is not off" in said
    for check in readiness.checks(stage):
        if not check.is_met:
            assert f'href="{check.link}"' in body
            assert client.get(check.link).status_code == 200


def test_a_stage_on_hold_says_that_it_is_in_the_way(client):
    stage = a_proven_stage()
    stages.hold(stage.pk, by=an_actor("operator"), reason="wait")
    signed_in(client, "engineer")

    body = read(client, stage)

    assert "✗ red Hold : the stage is on hold" in words(body)
    assert "request_promotion" not in buttons(body)
    assert "request_resume" in buttons(body)


def test_where_a_person_judges_the_possible_rates_are_shown_without_a_bar(client):
    stage = an_open_stage(position=0, is_judged_by_person=True, promote_bar=None)
    finished_runs("run", "PPPP")
    judge(stage)
    signed_in(client, "architect")

    body = read(client, stage)

    assert "4 of 4 passed; pass rates from" in body
    assert "A person judges whether that is enough." in body
    assert ">bar " not in body
    assert ">floor 50 %<" in body


def test_pages_cost_the_same_however_much_was_judged(client):
    stage = an_open_stage()
    finished_runs("few", "PF")
    judge(stage)
    signed_in(client, "architect")
    pages = {
        "start": reverse("admin:index"),
        "stage": page(Stage, "change", stage.pk),
        "list": page(Evaluation, "changelist"),
    }
    latest = page(Evaluation, "change", Evaluation.objects.first().pk)
    before = {name: queries_of(client, at) for name, at in pages.items()}
    before["evaluation"] = queries_of(client, latest)

    for number in range(4):
        finished_runs(f"more-{number}", "PPF")
        judge(stage)

    latest = page(Evaluation, "change", Evaluation.objects.first().pk)
    after = {name: queries_of(client, at) for name, at in pages.items()}
    after["evaluation"] = queries_of(client, latest)
    assert after == before
    assert after["start"] <= 45
    assert after["stage"] <= 40
    assert after["evaluation"] <= 15


# Promotion


def test_one_asks_and_another_promotes_to_the_stage_that_was_chosen(client):
    stage = a_proven_stage()
    signed_in(client, "engineer")
    address = page(Stage, "request_promotion", stage.pk)

    asked = words(client.get(address).content.decode())
    send(client, address, to="broad-rollout", reason="Proven.")

    assert "Nothing changes until another person has confirmed it." in asked
    assert "Broad rollout would begin, with a coverage of 5 %" in asked
    approval = Approval.objects.get(state="pending")
    assert approval.payload == {"to": "broad-rollout"}
    assert "waits for another person" in read(client, stage)
    signed_in(client, "qa")
    confirm = page(Approval, "confirm", approval.pk)
    send(client, confirm, reason="Seen.", password=PASSWORD)
    assert Stage.objects.get(key="broad-rollout").state == StageState.RUNNING


def test_what_lacks_is_shown_before_anybody_asks_and_refused_in_words(client):
    stage = an_open_stage()
    finished_runs("run", "PP")
    judge(stage)
    signed_in(client, "engineer")
    address = page(Stage, "request_promotion", stage.pk)

    before = words(client.get(address).content.decode())
    refused = send(
        client, address, to="sandboxed-web-canary", reason="I would like to."
    )

    assert "This cannot be asked for yet" in before
    assert "✗ red On call" in before
    assert refused.status_code == 422
    assert not Approval.objects.filter(state="pending").exists()
    assert Stage.objects.get(pk=stage.pk).state == StageState.RUNNING
    assert "This was not done" in refused.content.decode()


def test_a_stage_that_nothing_comes_after_is_not_promoted(client):
    stage = an_open_stage(position=3)
    signed_in(client, "architect")

    body = read(client, stage)

    assert "request_promotion" not in buttons(body)
    assert "Stay: the last stage" in body


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


# Judgements


def test_a_judgement_shows_everything_and_is_computed_again(client):
    stage = a_proven_stage()
    evaluation = judge(stage)
    signed_in(client, "auditor")
    address = page(Evaluation, "change", evaluation.pk)

    body = read(client, evaluation)
    again = words(client.get(f"{address}?recompute=1").content.decode())

    run = Run.objects.get(run_id="run-3")
    assert f'<a href="{page(Run, "change", run.pk)}">run-3</a>' in body
    assert evaluation.digest in body
    said = words(body)
    assert "✓ by run 11" in said
    assert "What speaks against it" in said
    assert "the same Judged again now" not in said
    assert "✓ the same Judged again now" in again


def test_a_judgement_that_was_tampered_with_is_told(client):
    evaluation = judge(a_proven_stage())
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("UPDATE rollout_evaluation SET verdict = 'hold'")
        cursor.execute("SET LOCAL session_replication_role = origin")
    signed_in(client, "auditor")

    address = page(Evaluation, "change", evaluation.pk)
    again = words(client.get(f"{address}?recompute=1").content.decode())

    assert "✗ It comes out differently today. Different: /verdict" in again


def test_judgements_are_listed_and_filtered(client):
    stage = an_open_stage()
    for said in ("P", "PP"):
        finished_runs(f"run{said}", said)
        judge(stage)
    signed_in(client, "auditor")
    listed = page(Evaluation, "changelist")

    everything = client.get(listed).content.decode()
    none = client.get(f"{listed}?verdict__exact=promote").content.decode()

    assert everything.count("▶ go on collecting") == 2
    assert "▶ go on collecting" not in none
    assert "Nothing is like this." in none


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

    assert "Nobody has confirmed to be on call so far." in asked
    assert OnCall.objects.get().person == person
    assert "✓ green On call" in words(read(client, stage))
    assert f"{person} is on call until" in words(
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

    assert re.search(r'<p class="soft">(Nothing|Nobody|No failure) [^<]+\.', body)


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
        assert not buttons(read(client, row)) - {"confirm_on_call", "coverage"}
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


# The start page


def test_the_start_page_draws_each_gate_and_says_what_the_next_step_lacks(client):
    stage = an_open_stage(judged_gates=("A", "B"))
    finished_runs("run", "PPPP")
    judge(stage)
    signed_in(client, "operator")

    body = client.get(reverse("admin:index")).content.decode()

    assert body.count("<svg viewBox") == 2
    said = words(body)
    assert "Gate A in fixture_replay: 4 of 4 passed; this does not prove" in said
    assert "Next: Promotion to Sandboxed web canary (optional) or Broad rollout" in said
    assert "✗ red On call" in said
    assert f"/admin/rollout/rollout/{stage.rollout_id}/act/confirm_on_call/" in body


def test_the_start_page_says_when_nothing_was_judged_yet(client):
    a_running_stage()
    signed_in(client, "operator")

    said = words(client.get(reverse("admin:index")).content.decode())

    assert "0 of 0 runs have ended" in said
    assert "Nothing can be judged yet." in said


# The plan


def test_a_plan_is_shown_with_what_it_would_take(client):
    a_rollout()
    stage = Stage.objects.get(position=1)
    signed_in(client, "engineer")
    address = page(Stage, "edit_plan", stage.pk)

    now = words(client.get(address).content.decode())
    then = words(
        look(
            client, address, promote_bar="0.9", true_rate="0.99", reason="Surer."
        ).content.decode()
    )

    assert "What the plan takes now" in now
    assert "85 %, each class" in now
    assert "24 runs, all passing" in now
    assert "What this plan would take" in then
    assert "36 runs, all passing" in then
    assert "Promoted, if 99 % truly pass" in then


def test_a_plan_that_cannot_reach_its_bar_is_refused_with_the_arithmetic(client):
    a_rollout()
    stage = Stage.objects.get(position=1)
    signed_in(client, "engineer")

    refused = look(
        client,
        page(Stage, "edit_plan", stage.pk),
        max_runs="60",
        reason="Quicker.",
    )

    body = refused.content.decode()
    assert refused.status_code == 422
    field = re.search(r'<label for="id_max_runs">.*?</div>\s*<div', body, re.DOTALL)[0]
    assert "85 % at 5 % error takes 24 passes in 24 runs" in field
    assert "max_runs has to be at least 144" in field


@pytest.mark.parametrize(
    ("said", "words_of_it"),
    [
        ({"looks": "twenty"}, "id_looks"),
        ({"looks": "50, 20"}, "id_looks"),
        ({"true_rate": "2"}, "id_true_rate"),
        ({"latency_budget_s": "0"}, "id_latency_budget_s"),
        ({"max_unknown": ""}, "id_max_unknown"),
    ],
)
def test_what_a_plan_must_not_say_is_said_at_its_field(client, said, words_of_it):
    a_rollout()
    stage = Stage.objects.get(position=1)
    signed_in(client, "engineer")

    refused = look(client, page(Stage, "edit_plan", stage.pk), reason="x", **said)

    assert refused.status_code == 422
    body = refused.content.decode()
    field = re.search(
        rf'<label for="{words_of_it}">.*?(?=<div class="field">|</fieldset>)',
        body,
        re.DOTALL,
    )[0]
    assert "field-error" in field


def test_the_new_fields_of_a_plan_are_proposed(client):
    a_rollout()
    stage = Stage.objects.get(position=1)
    signed_in(client, "engineer")
    address = page(Stage, "edit_plan", stage.pk)
    looked = look(
        client,
        address,
        restarts="spend",
        rollback_to="off",
        max_unknown="0.1",
        latency_budget_s="900",
        looks="25, 50, 100",
        is_optional="on",
        reason="All of them.",
    ).content.decode()
    mark = re.search(r'name="shown" value="([^"]+)"', looked)[1]

    client.post(address, filled(looked) | {"shown": mark})

    (change,) = stage.rollout.changes.all()
    assert {e["path"].rpartition("/")[2]: e["after"] for e in change.edits} == {
        "restarts": "spend",
        "rollback_to": "off",
        "max_unknown": 0.1,
        "latency_budget_s": 900,
        "looks": [25, 50, 100],
        "is_optional": True,
    }
