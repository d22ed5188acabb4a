"""The page of a stage: what it shows, what it lacks, and going on."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from portal import clock
from portal.domain.roles import May, who_may
from portal.models import Approval
from portal.services import actors
from rollout.domain.freezes import Scope
from rollout.domain.stages import StageState
from rollout.models import Evaluation, Stage
from rollout.services import freezes, promotions, readiness, stages, switch
from tests.builders import PASSWORD, an_actor
from tests.rollout.builders import (
    KEY,
    a_finished_run,
    a_rollout,
    a_running_stage,
    an_open_stage,
    confirmed,
    finished_runs,
)
from tests.rollout.test_admin import page, signed_in
from tests.rollout.test_admin_changes import buttons, send
from tests.rollout.test_canary_stages import a_proven_stage, judge

pytestmark = pytest.mark.django_db


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


def test_narrowing_by_one_step_is_one_click(client):
    stage = an_open_stage(coverage_steps=(5, 25, 50))
    stage.coverage = 50
    stage.save_as(actors.host(), reason="test")
    signed_in(client, "operator")
    body = read(client, stage)
    at = re.search(r'action="([^"]*/act/narrow/)"', body)[1]
    once = re.search(r'name="once" value="(\w+)"', body)[1]
    click = {"once": once, "reason": "Narrowed by one step."}

    client.post(at, click)
    client.post(at, click)

    stage.refresh_from_db()
    assert stage.coverage == 25


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
    assert ">bar 70 %</text>" in svg
    assert ">floor 50 %</text>" in svg
    table = words(re.search(r"The same as a table.*?</table>", body, re.DOTALL)[0])
    last = re.search(r"11 11 0 0 (\S+ %) 100 % (\S+)", table)
    assert f"After 11 runs from {last[1]} to 100 %" in described
    assert "proven at run 11, and stays so" in described
    assert f"(e-value {last[2]} now; 20 were needed)" in described
    assert "What is proven stays so, whatever the e-value does later" in body


def test_what_is_not_proven_says_how_many_more_passes_would_do(client):
    stage = an_open_stage()
    finished_runs("run", "P" * 9)
    judge(stage)
    signed_in(client, "auditor")

    body = read(client, stage)

    assert "of 20 needed; 2 more passes in a row would prove it" in body
    assert "An <strong>e-value</strong> is" in body


def test_a_stage_says_which_gates_it_does_not_judge_and_why(client):
    stage = an_open_stage(judged_gates=("A", "B", "D", "E"))
    finished_runs("run", "PP")
    evaluation = judge(stage)
    signed_in(client, "auditor")

    for shown in (stage, evaluation):
        said = words(read(client, shown))
        assert (
            "Not judged in this stage, by its plan: gate C (without the web it passes "
            "by construction) and gate F (it is about the run alone; the release gate "
            "F is signed by people)."
        ) in said


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
        Scope.EXPANSION,
        clock.now() + timedelta(hours=3),
        by=an_actor("qa"),
        reason="Holidays.",
    )
    signed_in(client, "operator")

    body = read(client, stage)

    said = words(body)
    assert "6 of 9 checks stand in the way" in said
    assert "✗ red On call : nobody has confirmed to be on call" in said
    assert "✗ red Failures reviewed : gate A of run-1 failed" in said
    assert "Holidays." in said
    assert "✓ green Switch released : Option C is not off" in said
    for check in readiness.checks(stage):
        if not check.is_met:
            assert f'href="{check.link}"' in body
            assert client.get(check.link).status_code == 200


def test_what_would_help_is_told_to_whoever_may_not_do_it_too(client):
    stage = an_open_stage()
    signed_in(client, "auditor")

    for body in (
        read(client, stage),
        client.get(reverse("admin:index")).content.decode(),
    ):
        can = f"Confirm that you are on call: {who_may(May.WORK_INCIDENT)} can."
        assert can in words(body)
        assert "confirm_on_call" not in buttons(body)


def test_a_stage_on_hold_says_that_it_is_in_the_way(client):
    stage = a_proven_stage()
    stages.hold(stage.pk, by=an_actor("operator"), reason="wait")
    signed_in(client, "engineer")

    body = read(client, stage)

    said = words(body)
    assert "✗ red Hold : the stage is on hold by " in said
    assert ": wait ( 0" in said
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
    assert after["start"] <= 95
    assert after["stage"] <= 65
    assert after["evaluation"] <= 15


# Promotion


def test_one_asks_and_another_promotes_to_the_stage_that_was_chosen(client):
    stage = a_proven_stage()
    signed_in(client, "engineer")
    address = page(Stage, "request_promotion", stage.pk)

    asked = words(client.get(address).content.decode())
    send(client, address, to="broad-rollout", reason="Proven.")

    assert (
        "Nothing changes until another person (architect or qa) has confirmed it, "
        "within 24 hours." in asked
    )
    assert "Broad rollout would begin, with a coverage of 5 %" in asked
    approval = Approval.objects.get(state="pending")
    assert approval.payload == {"to": "broad-rollout"}
    assert "waits for another person" in read(client, stage)
    signed_in(client, "qa")
    confirm = page(Approval, "confirm", approval.pk)
    send(client, confirm, reason="Seen.", password=PASSWORD)
    assert Stage.objects.get(key="broad-rollout").state == StageState.RUNNING


def test_whoever_confirms_reads_what_changes_what_lacks_and_the_evidence(client):
    stage = a_proven_stage()
    signed_in(client, "engineer")
    address = page(Stage, "request_promotion", stage.pk)
    send(client, address, to="broad-rollout", reason="Proven.")
    approval = Approval.objects.get(state="pending")
    signed_in(client, "qa")

    for at in (
        page(Approval, "change", approval.pk),
        page(Approval, "confirm", approval.pk),
    ):
        body = client.get(at).content.decode()
        said = words(body)
        assert "Broad rollout begins, with a coverage of 5 %." in said
        assert "Sandboxed web canary" not in said
        assert "Admits the teams *; query classes *" in said
        assert "The web is on." in said
        assert "✓ green On call" in said
        assert "Nothing stands in the way." in said
        assert "11 of 11 passed; this proves at least 70 %" in said
        assert body.count("<svg viewBox") == 1
        assert "{&quot;to&quot;" not in body

    freezes.freeze(
        KEY,
        Scope.EXPANSION,
        clock.now() + timedelta(hours=3),
        by=an_actor("qa"),
        reason="Holidays.",
    )
    later = words(client.get(page(Approval, "confirm", approval.pk)).content.decode())
    assert "This cannot be confirmed yet" in later
    assert "✗ red No freeze : frozen by" in later


def test_whoever_confirms_a_start_reads_whom_it_lets_in(client):
    stage = a_rollout().stages.get(position=0)
    asked = stages.request_start(stage.pk, by=an_actor("engineer"), reason="Go.")
    signed_in(client, "qa")

    said = words(client.get(page(Approval, "confirm", asked.pk)).content.decode())

    assert "Offline baseline begins a new attempt, with a coverage of 100 %." in said
    assert "Admits the teams alpha, beta" in said


def test_what_was_agreed_to_stands_there_for_ever(client):
    stage = a_running_stage()
    stages.hold(stage.pk, by=an_actor("operator"), reason="The sources look odd.")
    asked = stages.request_resume(stage.pk, by=an_actor("engineer"), reason="Well.")
    confirmed(asked)

    stages.hold(stage.pk, by=an_actor("operator"), reason="Something else.")
    signed_in(client, "qa")
    afterwards = words(read(client, asked))

    assert "goes on with a coverage of 100 %" in afterwards
    assert "The sources look odd." in afterwards
    assert "Something else." not in afterwards


def test_whoever_ends_a_hold_reads_why_it_was_held(client):
    stage = a_running_stage()
    stages.hold(stage.pk, by=an_actor("operator"), reason="The sources look odd.")
    engineer = an_actor("engineer")
    first = stages.request_resume(stage.pk, by=engineer, reason="Looks well.")
    signed_in(client, "engineer")

    asking = words(client.get(page(Stage, "request_resume", stage.pk)).content.decode())
    second = stages.request_resume(stage.pk, by=engineer, reason="Looks well now.")
    signed_in(client, "qa")
    confirming = words(
        client.get(page(Approval, "confirm", second.pk)).content.decode()
    )

    waiting = words(read(client, second))

    assert f"The request of {first.requester}, which still waits, is replaced" in asking
    for shown in (confirming, waiting):
        assert "The sources look odd." in shown
        assert "✗ red Hold" in shown


def test_while_the_switch_is_engaged_no_stage_says_that_it_lets_runs_in(client):
    stage = a_running_stage()
    signed_in(client, "operator")
    before = words(read(client, stage))
    switch.engage(KEY, by=an_actor("operator"), reason="Users are harmed.")

    after = words(read(client, stage))
    listed = words(client.get(page(Stage, "changelist")).content.decode())
    send(client, page(Stage, "hold", stage.pk), admits="on", reason="And this.")
    held = words(read(client, stage))

    assert "Runs are let in" in before
    assert "Runs are let in" not in after
    assert "nobody is let in" in after
    assert "✓ yes" not in listed
    assert "the switch lets nobody in" in held


def test_whoever_lets_runs_in_again_reads_what_speaks_against_it(client):
    a_running_stage()
    switch.engage(KEY, by=an_actor("operator"), reason="Users are harmed.")
    freezes.freeze(
        KEY,
        Scope.EXPANSION,
        clock.now() + timedelta(days=1),
        by=an_actor("architect"),
        reason="Holidays.",
    )
    asked = switch.request_release(KEY, by=an_actor("engineer"), reason="Mended.")
    signed_in(client, "architect")

    for address in (page(Approval, "change", asked.pk), reverse("admin:index")):
        body = words(client.get(address).content.decode())
        assert asked.requester.name in body
    confirming = words(client.get(page(Approval, "confirm", asked.pk)).content.decode())
    assert "Holidays." in confirming


def test_the_page_of_a_request_costs_the_same_however_much_was_judged(client):
    stage = a_proven_stage()
    asked = promotions.request_promotion(
        stage.pk, by=an_actor("engineer"), reason="Proven."
    )
    signed_in(client, "qa")
    address = page(Approval, "confirm", asked.pk)
    before = queries_of(client, address)

    for number in range(3):
        finished_runs(f"more-{number}", "PP")
        judge(stage)

    assert queries_of(client, address) == before
    assert before <= 50


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


def test_a_stage_is_set_aside_and_asked_for_again(client):
    stage = a_rollout().stages.get(position=3)
    signed_in(client, "engineer")
    act = f"{page(Stage, 'changelist')}{stage.pk}/act/"
    assert "disable" in buttons(read(client, stage))

    send(client, f"{act}disable/", reason="not yet")

    stage.refresh_from_db()
    assert stage.state == StageState.DISABLED
    send(client, f"{act}request_enable/", reason="now")
    asked = Approval.objects.get(state="pending")
    signed_in(client, "architect")
    told = words(client.get(page(Approval, "change", asked.pk)).content.decode())
    assert "Use a stage again" in told
