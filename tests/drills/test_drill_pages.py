"""Drills on pages: started with one click, watched, confirmed, logged by hand."""

from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from drills.domain.drills import State
from drills.domain.scenarios import PLANS, Scenario
from drills.models import Drill, DrillLever, DrillNote, DrillSchedule
from drills.services import drills
from portal import clock
from portal.services import actors
from rollout.services import scans
from tests.builders import an_actor
from tests.drills.drilling import CONTENT, a_conducted_drill, an_observed_drill
from tests.rollout.builders import KEY, a_running_stage
from tests.rollout.test_admin import page, signed_in
from tests.rollout.test_admin_canary import queries_of
from tests.rollout.test_admin_changes import buttons, send

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rows", "stage")]
LIST = "/admin/drills/drill/"
START_PAGE = "/admin/"


@pytest.fixture
def stage(rows):
    return a_running_stage()


def shown(client, drill: Drill) -> str:
    address = reverse("admin:drills_drill_change", args=[drill.pk])
    return client.get(address).content.decode()


def test_a_drill_starts_with_one_click_and_its_steps_are_there_to_watch(client):
    signed_in(client, "operator")
    assert {str(each) for each in Scenario} <= buttons(
        client.get(LIST).content.decode()
    )

    answer = send(client, f"{LIST}act/pause_resume/", rollout=KEY, reason="Practice.")
    drill = Drill.objects.get()

    assert answer.headers["Location"] == reverse(
        "admin:drills_drill_change", args=[drill.pk]
    )
    body = shown(client, drill)
    assert "data-live=" in body
    for step in PLANS[Scenario.PAUSE_RESUME].steps:
        assert step.does.split(",")[0].replace("'", "&#x27;") in body
    assert {"stop", "note"} <= buttons(body)


def test_the_page_shows_expected_and_actual_and_artifacts_before_and_after(client):
    drill = a_conducted_drill()
    signed_in(client, "auditor")

    body = shown(client, drill)

    assert body.count("So it was.") == len(PLANS[Scenario.PAUSE_RESUME].steps)
    assert "wave-1/p1.md" in body
    assert "✓ the same" in body
    assert "✓ clean" in body
    assert "not counted" in body
    assert not buttons(body)


def test_only_another_person_is_offered_to_confirm(client):
    conductor = signed_in(client, "operator")
    drill = a_conducted_drill(by=actors.for_person(conductor))
    assert "observe" not in buttons(shown(client, drill))
    assert "Confirm as observer" not in client.get(START_PAGE).content.decode()

    signed_in(client, "architect")
    assert "Confirm as observer" in client.get(START_PAGE).content.decode()
    send(client, page(Drill, "observe", drill.pk), reason="I have seen it.")

    drill.refresh_from_db()
    assert drill.observer is not None
    body = shown(client, drill)
    assert "✓ valid" in body
    assert "I have seen it." in body


def test_whoever_watches_writes_down_what_they_see(client):
    drill = a_conducted_drill()
    signed_in(client, "qa")

    send(client, page(Drill, "note", drill.pk), reason="It took a while.")
    send(
        client,
        page(Drill, "answer", drill.pk),
        item="runbook",
        reason="Nobody had to ask.",
    )

    body = shown(client, drill)
    assert "It took a while." in body
    assert "Nobody had to ask." in body
    assert DrillNote.objects.count() == 2


def test_one_click_stops_all_drills(client):
    drill = drills.start(
        KEY, "pause_resume", by=an_actor("operator"), reason="Practice."
    )
    signed_in(client, "architect")
    send(client, f"{LIST}act/pull_lever/", reason="Stop.")

    assert DrillLever.objects.get().is_pulled
    assert "safety lever is pulled" in client.get(LIST).content.decode()
    signed_in(client, "operator")
    refused = send(client, f"{LIST}act/forced_timeout/", rollout=KEY, reason="Now.")
    assert refused.status_code == 422
    assert "No drill begins now." in refused.content.decode()
    assert drill.pk


def test_a_drill_is_logged_by_hand_with_its_artifacts(client):
    signed_in(client, "operator")
    began = clock.now() - timedelta(minutes=10)

    def at(minutes: int) -> str:
        return f"{began + timedelta(minutes=minutes):%Y-%m-%d %H:%M:%S}"

    step = {
        "does_1": "Paused the run",
        "expects_1": "It pauses",
        "actual_1": "It paused",
        "went_1": "on",
        "from_1": at(1),
        "to_1": at(2),
    }
    said = {
        "rollout": KEY,
        "scenario": "pause_resume",
        "environment": "local",
        "started_at": at(0),
        "ended_at": at(5),
        "reason": "By hand.",
    }
    refused = send(client, f"{LIST}act/log/", **said)
    assert refused.status_code == 422
    assert "/steps" in refused.content.decode() or "steps" in refused.content.decode()

    files = [SimpleUploadedFile("report.md", CONTENT)]
    answer = send(client, f"{LIST}act/log/", **said, **step, files=files)
    assert answer.status_code == 302, answer.content.decode()
    drill = Drill.objects.get()
    kept = drill.captures.get()
    assert (drill.state, kept.path) == (State.PASSED, "report.md")
    scans.scan(kept.digest, by=actors.system(), reason="test")
    assert "It paused" in shown(client, drill)


def test_how_often_a_scenario_is_practised_is_planned_on_a_page(client):
    signed_in(client, "qa")
    send(
        client,
        "/admin/drills/drillschedule/act/plan/",
        rollout=KEY,
        scenario="forced_timeout",
        every_days="21",
        reason="Often enough.",
    )

    plan = DrillSchedule.objects.get()
    assert (plan.scenario, plan.every_days) == ("forced_timeout", 21)


def test_lists_and_pages_cost_the_same_however_many_drills_there_were(client):
    signed_in(client, "auditor")
    an_observed_drill()
    before = queries_of(client, LIST)
    for _ in range(4):
        an_observed_drill()

    assert queries_of(client, LIST) == before


def test_whoever_cannot_start_a_drill_reads_who_can(client):
    signed_in(client, "architect")
    told = client.get(LIST).content.decode()
    signed_in(client, "operator")
    offered = client.get(LIST).content.decode()

    can = "QA, an engineer or an operator can start drills"
    assert (can in told, "pause_resume" in buttons(told)) == (True, False)
    assert (can in offered, "pause_resume" in buttons(offered)) == (False, True)
    assert "with one of the buttons" not in told
