"""Runbooks: changed by two people, followed in incidents and drills, fresh or not."""

import re
import shlex
from datetime import timedelta

import pytest
import time_machine
from django.core.management import get_commands, load_command_class
from django.urls import resolve

from drills.domain.baseline_runbooks import RUNBOOKS
from drills.domain.incidents import Kind
from drills.domain.runbooks import Freshness, Result, StepKind
from drills.models import OperatorRunbook, RunbookUse
from drills.services import incidents, runbook_uses, runbooks
from portal import clock
from portal.errors import Invalid, NotAllowed, NotFound, WrongMoment
from portal.models import LedgerEntry
from portal.models.tracked import SilentChange
from portal.services import actors, approvals
from tests.builders import an_actor, with_password
from tests.drills.builders import an_incident, in_state
from tests.drills.drilling import a_conducted_drill, an_observed_drill
from tests.rollout.builders import a_running_stage, confirmed
from tests.rollout.test_admin import page, signed_in
from tests.rollout.test_admin_canary import queries_of
from tests.rollout.test_admin_changes import buttons, send

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rows", "books")]
SAID = RUNBOOKS["forced-timeout"].to_json()
OTHER = {**SAID, "body": SAID["body"] + "9. **Check:** And the disk.\n"}
LIST = "/admin/drills/operatorrunbook/"
ACT = {"reason": "because"}


@pytest.fixture
def books(rows):
    return runbooks.seed(by=actors.host(), reason="test")


@pytest.fixture
def engineer():
    return an_actor("engineer")


def standing_of(key: str) -> runbook_uses.Standing:
    runbook = runbooks.find(key)
    return runbook_uses.standings([runbook])[runbook.pk]


def test_what_ships_is_made_once_and_leads_to_pages_and_commands_that_are_there(books):
    assert {each.key: each.runbook for each in OperatorRunbook.objects.all()} == (
        RUNBOOKS
    )
    assert len(books) == len(RUNBOOKS)
    assert runbooks.seed(by=actors.host(), reason="again") == []
    known = get_commands()
    for key, runbook in RUNBOOKS.items():
        for link in re.findall(r"\]\((/[^)]+)\)", runbook.body):
            resolve(link)
        for line in re.findall(r"^\s*(manage\.py .+)$", runbook.body, re.MULTILINE):
            _, name, *arguments = shlex.split(line)
            command = load_command_class(known[name], name)
            command.create_parser("manage.py", name).parse_args(arguments), key


def test_a_change_takes_another_person_and_makes_a_version(engineer):
    asked = runbooks.propose("forced-timeout", OTHER, by=engineer, **ACT)
    with pytest.raises(NotAllowed):
        approvals.confirm(asked.pk, by=with_password(engineer), reason="fine")
    assert runbooks.find("forced-timeout").version == 1

    confirmed(asked)

    after = runbooks.find("forced-timeout")
    assert (after.version, len(after.runbook.steps)) == (2, 9)
    assert after.history.count() == 2
    verbs = LedgerEntry.objects.order_by("-seq").values_list("verb", flat=True)[:2]
    assert "drills.runbook.changed" in verbs


@pytest.mark.parametrize("role", ["auditor", "administrator", "qa"])
def test_who_may_not_propose_is_refused(role):
    with pytest.raises(NotAllowed):
        runbooks.propose("forced-timeout", OTHER, by=an_actor(role), **ACT)


def test_a_new_runbook_is_offered_after_approval_and_no_more_when_retired(engineer):
    asked = runbooks.propose("another", OTHER, by=engineer, **ACT)
    assert "another" not in [each.key for each in runbooks.for_row("silent-hang")]

    confirmed(asked)
    assert "another" in [each.key for each in runbooks.for_row("silent-hang")]
    assert "another" in [each.key for each in runbooks.for_scenario("forced_timeout")]
    confirmed(runbooks.propose_retirement("another", by=engineer, **ACT))

    assert "another" not in [each.key for each in runbooks.for_row("silent-hang")]
    with pytest.raises(WrongMoment):
        runbooks.propose_retirement("another", by=engineer, **ACT)


def test_what_is_no_runbook_or_says_nothing_new_is_refused(engineer):
    act = {"by": engineer, **ACT}

    with pytest.raises(WrongMoment):
        runbooks.propose("forced-timeout", SAID, **act)
    with pytest.raises(Invalid):
        runbooks.propose("forced-timeout", {**SAID, "body": "No steps."}, **act)
    with pytest.raises(Invalid) as refused:
        runbooks.propose("another", {**SAID, "rows": ["no-such-row"]}, **act)
    with pytest.raises(Invalid):
        runbooks.propose("No Key", SAID, **act)
    with pytest.raises(NotFound):
        runbooks.propose_retirement("another", **act)
    assert refused.value.facts["errors"][0]["pointer"] == "/rows/0"
    assert not OperatorRunbook.objects.filter(key="another").exists()


def test_following_one_in_an_incident_is_told_ticked_and_makes_it_fresh():
    incident, operator = an_incident(), an_actor("operator")
    act = {"by": operator, **ACT}
    assert standing_of("blocked-sources").freshness == Freshness.UNTRIED

    use = runbook_uses.start_in_incident("blocked-sources", incident.pk, **act)
    runbook_uses.tick(use.pk, 1, Result.DONE, "", **act)
    runbook_uses.tick(use.pk, 2, Result.FAILED, "No idea; token=abc123", **act)
    runbook_uses.tick(use.pk, 2, Result.DONE, "It is one host.", **act)

    assert {n: t.result for n, t in runbook_uses.results_of(use).items()} == {
        1: "done",
        2: "done",
    }
    assert runbook_uses.left(use) == len(use.steps) - 2
    told = [each.says for each in incident.timeline.all()]
    assert any("Follows the runbook 'Sources are blocked'" in each for each in told)
    assert any("step 2 failed: No idea; token=[redacted]" in each for each in told)
    standing = standing_of("blocked-sources")
    assert standing.last_used is not None
    assert (standing.last_drilled, standing.freshness) == (None, Freshness.FRESH)
    with time_machine.travel(clock.now() + timedelta(days=91), tick=False):
        assert standing_of("blocked-sources").freshness == Freshness.OLD


def test_whoever_follows_one_keeps_the_steps_that_they_began_with(engineer):
    incident = an_incident()
    act = {"by": an_actor("operator"), **ACT}
    use = runbook_uses.start_in_incident("forced-timeout", incident.pk, **act)

    confirmed(runbooks.propose("forced-timeout", OTHER, by=engineer, **ACT))

    assert len(RunbookUse.objects.get(pk=use.pk).steps) == 8
    assert standing_of("forced-timeout").freshness == Freshness.UNTRIED
    again = runbook_uses.start_in_incident("forced-timeout", incident.pk, **act)
    assert (again.version, len(again.steps)) == (2, 9)


def test_practice_counts_as_drilled_and_never_as_used():
    a_running_stage()
    drill = a_conducted_drill()
    act = {"by": an_actor("operator"), **ACT}

    use = runbook_uses.start_in_drill("pause-and-resume", drill.pk, **act)
    runbook_uses.tick(use.pk, 1, Result.DONE, "", **act)

    standing = standing_of("pause-and-resume")
    assert standing.last_used is None
    assert standing.last_drilled is not None
    incident = an_incident(kind=Kind.DRILL)
    runbook_uses.start_in_incident("restore-from-backup", incident.pk, **act)
    assert standing_of("restore-from-backup").last_used is None


def test_what_cannot_be_followed_or_ticked_is_refused():
    incident, act = an_incident(), {"by": an_actor("operator"), **ACT}
    use = runbook_uses.start_in_incident("forced-timeout", incident.pk, **act)

    with pytest.raises(WrongMoment) as refused:
        runbook_uses.start_in_incident("forced-timeout", incident.pk, **act)
    assert (refused.value.code, refused.value.facts["use"]) == (
        "RUNBOOK_IN_USE",
        use.pk,
    )
    with pytest.raises(NotFound):
        runbook_uses.start_in_incident("none", incident.pk, **act)
    with pytest.raises(NotFound):
        runbook_uses.tick(use.pk, 9, Result.DONE, "", **act)
    with pytest.raises(NotFound):
        runbook_uses.tick(99_999, 1, Result.DONE, "", **act)
    with pytest.raises(Invalid):
        runbook_uses.tick(use.pk, 1, Result.SKIPPED, " ", **act)
    with pytest.raises(Invalid):
        runbook_uses.tick(use.pk, 1, Result.DONE, "x" * 100_000, **act)
    with pytest.raises(NotAllowed):
        runbook_uses.tick(use.pk, 1, Result.DONE, "", by=an_actor("auditor"), **ACT)
    in_state(incidents.find(incident.pk), "cancelled")
    with pytest.raises(WrongMoment):
        runbook_uses.tick(use.pk, 1, Result.DONE, "", **act)


def test_a_drill_that_somebody_has_confirmed_is_added_to_no_more():
    a_running_stage()
    drill = an_observed_drill()

    with pytest.raises(WrongMoment):
        runbook_uses.start_in_drill(
            "pause-and-resume", drill.pk, by=an_actor("operator"), **ACT
        )


def test_uses_and_ticks_are_written_once():
    incident, act = an_incident(), {"by": an_actor("operator"), **ACT}
    use = runbook_uses.start_in_incident("forced-timeout", incident.pk, **act)
    tick = runbook_uses.tick(use.pk, 1, Result.DONE, "", **act)

    for row in (use, tick):
        with pytest.raises(SilentChange):
            row.save()


# Pages


def test_a_runbook_is_read_proposed_and_shown_as_a_difference(client, engineer):
    signed_in(client, "engineer")
    runbook = runbooks.find("forced-timeout")
    address = page(OperatorRunbook, "change", runbook.pk)
    assert "? never followed as it is now" in client.get(LIST).content.decode()

    answer = send(
        client, f"{address.removesuffix('change/')}act/propose/", **OTHER, **ACT
    )

    assert answer.status_code == 302, answer.content.decode()
    body = client.get(address).content.decode()
    assert "waits for another person" in body
    assert "9. **Check:** And the disk." in body
    assert '<a href="/admin/rollout/run/">' in body
    assert {"propose", "propose_retirement"} <= buttons(body)


def test_what_is_typed_wrong_is_said_beside_its_field(client):
    signed_in(client, "engineer")
    wrong = {**OTHER, "body": "1. Look.", "key": "new-one"}

    answer = send(client, f"{LIST}act/propose_new/", **wrong, **ACT)

    assert answer.status_code == 422
    assert "Step 1 does not begin with its kind" in answer.content.decode()


def test_raw_html_in_a_runbook_stays_text_on_its_page(client, engineer):
    hostile = "\n<script>alert(1)</script> [x](javascript:alert(1))\n"
    confirmed(
        runbooks.propose(
            "forced-timeout",
            {**OTHER, "body": OTHER["body"] + hostile},
            by=engineer,
            **ACT,
        )
    )
    signed_in(client, "auditor")

    body = client.get(
        page(OperatorRunbook, "change", runbooks.find("forced-timeout").pk)
    ).content.decode()

    assert "&lt;script&gt;alert(1)" in body
    assert "<script>alert" not in body
    assert 'href="javascript' not in body


def test_an_incident_leads_to_its_runbook_which_is_ticked_off_click_by_click(client):
    incident = an_incident(row_key="sources-blocked")
    signed_in(client, "operator")
    address = f"/admin/drills/incident/{incident.pk}/"
    body = client.get(f"{address}change/").content.decode()
    assert "Sources are blocked" in body

    answer = send(
        client, f"{address}act/follow_runbook/", runbook="blocked-sources", **ACT
    )
    use = RunbookUse.objects.get()
    assert answer.headers["Location"] == page(RunbookUse, "change", use.pk)
    own = f"/admin/drills/runbookuse/{use.pk}/act/"
    client.post(f"{own}next_done/", {"reason": "Done.", "once": "a"})
    client.post(f"{own}next_done/", {"reason": "Done.", "once": "b"})
    send(client, f"{own}tick/", step=3, result="skipped", note="It is held.", **ACT)

    assert [each.result for each in use.ticks.all()] == ["done", "done", "skipped"]
    shown = client.get(page(RunbookUse, "change", use.pk)).content.decode()
    assert "3 of 10 steps have a result" in shown
    assert "skipped: It is held." in shown
    assert "3 of 10 steps" in client.get(f"{address}change/").content.decode()


def test_pages_ask_no_more_with_more_uses(client):
    a_running_stage()
    drill = a_conducted_drill()
    act = {"by": an_actor("operator"), **ACT}
    signed_in(client, "operator")
    runbook = runbooks.find("pause-and-resume")
    pages = [
        LIST,
        page(OperatorRunbook, "change", runbook.pk),
        page(RunbookUse, "changelist"),
        f"/admin/drills/drill/{drill.pk}/change/",
    ]
    runbook_uses.start_in_drill(runbook.key, drill.pk, **act)
    before = [queries_of(client, each) for each in pages]

    for key in ("emergency-disable", "forced-timeout", "restore-from-backup"):
        use = runbook_uses.start_in_drill(key, drill.pk, **act)
        runbook_uses.tick(use.pk, 1, Result.DONE, "", **act)

    assert [queries_of(client, each) for each in pages] == before


def test_every_kind_of_step_ships():
    kinds = {step.kind for each in RUNBOOKS.values() for step in each.steps}

    assert kinds == set(StepKind)
