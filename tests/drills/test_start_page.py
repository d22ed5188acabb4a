"""The start page at midnight: are we safe, and what needs me?"""

import re

import pytest
from django.urls import reverse

from drills.domain.incidents import Severity, State
from portal.domain.notifications import EndpointKind
from portal.services import endpoints
from rollout.models import Switch
from rollout.services import stages, switch
from tests.builders import an_actor
from tests.drills.builders import an_incident, in_state
from tests.rollout.builders import KEY, a_finished_run, a_running_stage
from tests.rollout.test_admin import page, signed_in

pytestmark = pytest.mark.django_db


def boxes(client, role: str = "operator") -> dict[str, str]:
    """What each box of the page says, by its title, in their order."""
    signed_in(client, role)
    body = client.get(reverse("admin:index")).content.decode()
    found = {}
    for box in re.findall(r'<section class="panel.*?</section>', body, re.DOTALL):
        words = " ".join(re.sub(r"<[^>]+>", " ", box).split())
        title = re.search(r"<h2[^>]*>(.*?)</h2>", box)[1]
        found[title] = words
    return found


def test_whether_option_c_is_on_is_said_first(client):
    a_running_stage()

    said = boxes(client)

    assert "Option C is ON" in said["Are we safe?"]
    assert list(said)[:2] == ["Are we safe?", "What needs me"]


def test_where_no_stage_is_open_nobody_has_it(client):
    stage = a_running_stage()
    stages.hold(stage.pk, by=an_actor("operator"), reason="Odd.", keeps_admitting=False)

    assert "No run gets Option C" in boxes(client)["Are we safe?"]


def test_while_the_switch_is_engaged_nobody_is_said_to_be_let_in(client):
    a_running_stage()
    switch.engage(KEY, by=an_actor("operator"), reason="Alarm.")

    said = boxes(client)

    assert "OFF: the switch is engaged" in said["Are we safe?"]
    assert "No run is let in: the switch is engaged." in said["Where are we?"]
    assert "Runs are let in by" not in said["Where are we?"]


def test_a_held_stage_says_what_that_means(client):
    stage = a_running_stage()
    stages.hold(stage.pk, by=an_actor("operator"), reason="Odd.")

    assert (
        "on hold : no promotion and no widening; runs still get Option C"
        in (boxes(client)["Where are we?"])
    )


def test_what_is_not_well_stands_beside_the_switch(client, carry_out_jobs):
    a_running_stage()
    a_finished_run("run-1", passed="BCDEF", failed="A")
    carry_out_jobs()
    an_incident(severity=Severity.HIGH)
    in_state(an_incident(severity=Severity.HIGH), State.RESOLVED)
    an_incident(severity=Severity.LOW)

    said = boxes(client)["Are we safe?"]

    assert said.count("severity 2") == 1
    assert "severity 4" not in said
    assert "Fallbacks that wait to be taken: 1" in said
    assert "Nobody is told of anything by itself" in said


def test_once_somebody_is_told_nothing_warns_of_it(client):
    endpoints.create(
        "on call",
        EndpointKind.WEBHOOK,
        by=an_actor("architect"),
        reason="So that somebody knows.",
        target="https://hooks.example.org/portal",
        events=["incident.*"],
    )

    assert "Nobody is told" not in boxes(client)["Are we safe?"]


def test_failures_that_nobody_has_looked_at_need_whoever_may(client):
    a_running_stage()
    a_finished_run("run-1", passed="BCDEF", failed="A")

    assert "Review failures" in boxes(client, "operator")["What needs me"]
    assert "Review failures" not in boxes(client, "auditor")["What needs me"]


def test_the_page_of_the_switch_says_that_its_release_waits(client):
    a_running_stage()
    switch.engage(KEY, by=an_actor("operator"), reason="Alarm.")
    switch.request_release(KEY, by=an_actor("engineer"), reason="Mended.")
    signed_in(client, "operator")

    body = client.get(page(Switch, "change", Switch.objects.get().pk)).content.decode()

    assert "waits for another person" in body
    assert "Mended." in body


def test_what_never_was_is_not_said_to_be_deleted(client):
    signed_in(client, "operator")

    answer = client.get("/admin/drills/incident/999/change/", follow=True)

    assert "There is no incident 999." in answer.content.decode()
    assert "deleted" not in answer.content.decode()
