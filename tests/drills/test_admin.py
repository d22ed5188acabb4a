"""Incidents in the admin: worked from open to closed, on pages that all can read."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.contrib import admin
from django.urls import reverse

from drills.domain.incidents import MOVES, Act, Severity, State
from drills.models import Incident, IncidentTask, MatrixRow
from drills.services import incidents, matrix, postmortems, tasks
from portal import clock
from portal.models import Approval
from portal.services import actors
from rollout.services import freezes
from rollout.services.consequences import Cause, announce
from tests.builders import an_actor
from tests.drills.builders import a_run, an_incident, in_state, taken
from tests.rollout.builders import KEY, a_running_stage, confirmed
from tests.rollout.test_admin import page, signed_in
from tests.rollout.test_admin_canary import queries_of, read, words
from tests.rollout.test_admin_changes import buttons, send

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rows")]
PEOPLE = {str(act) for act in Act} - {"unacknowledge"}
OURS = [m for m in admin.site._registry if m.__module__.startswith("drills.")]


@pytest.fixture
def incident(db) -> Incident:
    """A run has hung, and an incident has opened by itself."""
    a_running_stage()
    announce(Cause.TIMED_OUT, a_run(), by=actors.system())
    (found,) = taken()
    return found


def act(client, incident: Incident, name: str, **said):
    """Open the form of an act, fill it in, send it; it has to be done."""
    answer = send(client, page(Incident, name, incident.pk), **said)
    assert answer.status_code == 302, answer.content.decode()
    incident.refresh_from_db()


def test_an_incident_is_worked_to_closed_on_pages(client, incident):
    person = signed_in(client, "operator")
    because = {"reason": "I have looked."}

    act(client, incident, "acknowledge", **because)
    act(client, incident, "record_step", step="1", finding="found", **because)
    act(client, incident, "note", reason="The disk is full.")
    act(client, incident, "mitigate", at="", **because)
    act(client, incident, "resolve", at="", **because)
    due = f"{clock.now() + timedelta(days=1):%Y-%m-%d %H:%M}"
    act(
        client,
        incident,
        "give_task",
        title="Watch the disk",
        owner=person.username,
        due_at=due,
        is_required="on",
        **because,
    )
    act(client, incident, "begin_postmortem", **because)
    act(client, incident, "write_postmortem", text="It was the disk.", **because)
    act(client, incident, "review", **because)
    refused = send(client, page(Incident, "close", incident.pk), **because)
    assert refused.status_code == 422
    assert "Required tasks are open: Watch the disk." in refused.content.decode()
    send(client, page(IncidentTask, "finish", IncidentTask.objects.get().pk), **because)
    act(client, incident, "close", **because)

    assert incident.state == State.CLOSED
    body = words(read(client, incident))
    for said in ("The disk is full.", "It was the disk.", "Watch the disk", "! found"):
        assert said in body


def test_buttons_offer_legal_moves_only(client, incident):
    signed_in(client, "operator")
    worker = an_actor("operator")

    for state in State:
        found = in_state(an_incident(by=worker), state, by=worker)
        legal = {str(a) for s, a in MOVES if s == state} & PEOPLE
        assert buttons(read(client, found)) & PEOPLE == legal


def test_an_auditor_reads_everything_and_is_offered_nothing(client, incident):
    signed_in(client, "auditor")

    assert not buttons(read(client, incident))
    assert client.get(page(Incident, "acknowledge", incident.pk)).status_code == 403
    for model in OURS:
        assert client.get(page(model, "changelist")).status_code == 200
        row = model._default_manager.first()
        if row is not None:
            assert client.get(page(model, "change", row.pk)).status_code == 200
            assert client.get(page(model, "history", row.pk)).status_code == 200
            assert client.post(page(model, "change", row.pk), {}).status_code == 403
        registered = admin.site._registry[model]
        assert registered.search_fields
        assert registered.list_filter


def test_the_page_says_what_to_do_and_what_it_is_about(client, incident):
    signed_in(client, "operator")

    body = words(read(client, incident))

    for said in (
        "A run has hung",
        "severity 2",
        incident.row.fallback_action,
        incident.row.rollback_trigger,
        incident.steps[0],
        "acknowledged by",
        "run-1",
        "not looked at yet",
    ):
        assert said in body


def test_the_page_says_who_is_on_call(client, incident):
    signed_in(client, "auditor")
    nobody = words(read(client, incident))
    on_call = an_actor("operator", name="Somebody awake")

    freezes.confirm_on_call(KEY, by=on_call, reason="Here all night.")

    assert "nobody: who is says so on the page of" in nobody
    assert "on call Somebody awake until" in words(read(client, incident))


def test_open_ones_come_first_and_the_list_costs_the_same(client, incident):
    signed_in(client, "auditor")
    worker = an_actor("operator")
    address = page(Incident, "changelist")
    before = queries_of(client, address)
    ended = in_state(an_incident(by=worker), State.CANCELLED, by=worker)
    in_state(an_incident(by=worker), State.CLOSED, by=worker)

    body = client.get(address).content.decode()

    assert body.index(incident.title) < body.index(ended.title)
    assert queries_of(client, address) == before


def test_the_page_costs_the_same_however_much_there_is(client, incident):
    signed_in(client, "auditor")
    worker = an_actor("operator")
    address = page(Incident, "change", incident.pk)
    incidents.note(incident.pk, "one", by=worker, reason="t")
    before = queries_of(client, address)
    for number in range(5):
        incidents.note(incident.pk, f"more {number}", by=worker, reason="t")
        announce(Cause.TIMED_OUT, a_run(f"run-x{number}"), by=actors.system())
    taken()

    assert queries_of(client, address) == before


def test_a_postmortem_that_somebody_else_has_written_meanwhile_is_shown(
    client, incident
):
    signed_in(client, "operator")
    worker = an_actor("operator")
    postmortems.begin(incident.pk, by=worker, reason="t")
    address = page(Incident, "write_postmortem", incident.pk)
    form = client.get(address).content.decode()
    postmortems.write(incident.pk, "Theirs.", 1, by=worker, reason="t")

    mark = re.search(r'name="rests_on" value="(\d+)"', form)[1]
    answer = client.post(
        address, {"text": "Mine.", "reason": "r", "once": "k", "rests_on": mark}
    )

    assert answer.status_code == 422
    body = answer.content.decode()
    assert "Theirs." in body
    assert "Mine." in body
    assert postmortems.of(incident).text == "Theirs."


@pytest.mark.parametrize(
    ("name", "said", "says"),
    [
        ("note", {"reason": ""}, "Write what you saw"),
        ("note", {"reason": "x" * 5001}, "at most 5000"),
        ("acknowledge", {"reason": ""}, "Say why"),
        ("hand_over", {"role": "scribe", "person": "nobody", "reason": "r"}, "valid"),
        ("link", {"what": "run", "name": "none", "reason": "r"}, "has no run"),
        ("reclassify", {"severity": "2", "reason": "r"}, "already"),
        ("record_step", {"step": "99", "finding": "found", "reason": "r"}, "valid"),
        (
            "give_task",
            {"title": "T", "owner": "nobody", "due_at": "soon", "reason": "r"},
            "Write a moment",
        ),
    ],
)
def test_a_form_that_will_not_do_says_what_to_do(client, incident, name, said, says):
    signed_in(client, "operator")

    answer = send(client, page(Incident, name, incident.pk), **said)

    assert answer.status_code == 422
    assert says in answer.content.decode()


def test_a_page_that_was_overtaken_refuses_the_move(client, incident):
    signed_in(client, "operator")
    address = page(Incident, "acknowledge", incident.pk)
    client.get(address)
    in_state(incident, State.CANCELLED)

    answer = send(client, address, reason="late")

    assert answer.status_code == 422
    assert "cannot be told to acknowledge" in answer.content.decode()


def test_an_incident_is_opened_by_hand(client):
    a_running_stage()
    signed_in(client, "operator")
    said = {
        "rollout": "deep-research-option-c",
        "title": "Reports without sources",
        "severity": "1",
        "kind": "real",
        "row": "citation-integrity",
        "stage": "",
        "began_at": "",
        "reason": "Three since noon.",
    }

    answer = send(client, page(Incident, "open"), **said)
    again = send(client, page(Incident, "open"), **said)

    found = Incident.objects.get()
    assert answer["Location"] == page(Incident, "change", found.pk)
    assert (found.severity, found.row.key) == (Severity.CRITICAL, "citation-integrity")
    assert again.status_code == 422
    assert f"Incident {found.pk} of that title" in again.content.decode()


# The start page


def test_the_start_page_shows_what_is_open_and_what_waits_for_me(client, incident):
    person = signed_in(client, "operator")
    own = actors.for_person(person)
    start = reverse("admin:index")
    assert "Acknowledge incident" in words(client.get(start).content.decode())
    in_state(incident, State.ACKNOWLEDGED, by=own)
    due = clock.now() + timedelta(days=1)
    tasks.give(incident.pk, "Ask", person.username, due, by=own, reason="t")

    body = words(client.get(start).content.decode())

    assert "Open incidents A run has hung severity 2" in body
    assert "Do a task · Ask" in body
    assert "Acknowledge incident" not in body


# The matrix


def test_a_row_is_proposed_shown_with_its_difference_and_approved(client):
    a_running_stage()
    signed_in(client, "engineer")
    row = MatrixRow.objects.get(key="silent-hang")
    form = {
        "symptom": row.symptom,
        "severity": "1",
        "signs": "timed_out\nhard_gate_failed A",
        "diagnosis": "Look at the disk.\nLook at the log.",
        "rollback_trigger": row.rollback_trigger,
        "fallback_action": row.fallback_action,
        "artifacts": "manifest.json",
        "reason": "It was the disk.",
    }

    answer = send(client, page(MatrixRow, "propose", row.pk), **form)

    assert answer.status_code == 302, answer.content.decode()
    body = words(read(client, row))
    assert "waits for another person" in body
    assert "Look at the disk." in body
    confirmed(Approval.objects.get(subject_type="drills.matrixrow"))
    row.refresh_from_db()
    assert (row.version, row.severity, len(row.matches)) == (2, 1, 2)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"signs": "sources_blocked"}, "both claim"),
        ({"signs": "No Sign"}, "is a sign"),
        ({"diagnosis": "\n\n "}, "required"),
        ({"diagnosis": "\n".join(["step"] * 31)}, "list of 1 to 30"),
        ({"symptom": "x" * 501}, "at most 500"),
    ],
)
def test_a_proposal_that_will_not_do_says_so(client, changes, says):
    signed_in(client, "engineer")
    row = MatrixRow.objects.get(key="silent-hang")
    form = {
        "symptom": row.symptom,
        "severity": "1",
        "signs": "timed_out",
        "diagnosis": "Look.",
        "rollback_trigger": "none",
        "fallback_action": "wait",
        "artifacts": "manifest.json",
        "reason": "r",
    }

    answer = send(client, page(MatrixRow, "propose", row.pk), **form | changes)

    assert answer.status_code == 422
    assert says in answer.content.decode()


def test_a_new_row_is_proposed_and_a_retired_one_says_so(client):
    signed_in(client, "engineer")
    form = {
        "key": "agent-silent",
        "symptom": "An agent is silent",
        "severity": "2",
        "signs": "agent_silent",
        "diagnosis": "Is it alive?",
        "rollback_trigger": "none",
        "fallback_action": "Start it.",
        "artifacts": "logs/audit.jsonl",
        "reason": "Agents come.",
    }

    send(client, page(MatrixRow, "propose_new"), **form)
    row = MatrixRow.objects.get(key="agent-silent")
    body = words(read(client, row))
    engineer = an_actor("engineer")
    confirmed(matrix.propose_retirement("run-revived", by=engineer, reason="t"))
    retired = words(read(client, MatrixRow.objects.get(key="run-revived")))

    assert "proposed; it matches nothing yet" in body
    assert "retired; it matches nothing" in retired


def test_who_resolves_an_incident_reads_what_is_left_to_do(client):
    incident = in_state(an_incident(row_key="citation-integrity"), State.MITIGATED)
    olga = an_actor("operator", name="Olga")
    due = clock.now() + timedelta(days=1)
    tasks.give(
        incident.pk, "Ask the host", olga.person.username, due, by=olga, reason="r"
    )
    signed_in(client, "operator")

    body = client.get(page(Incident, "resolve", incident.pk)).content.decode()

    count = len(incident.steps)
    assert f"{count} of {count} steps of its checklist were not looked at" in body
    assert "The task &#x27;Ask the host&#x27; is open." in body


def test_an_incident_without_a_row_is_given_one(client):
    incident = an_incident()
    signed_in(client, "operator")
    address = page(Incident, "choose_row", incident.pk)

    client.get(address)
    send(client, address, row="citation-integrity", reason="The quotes are wrong.")

    incident.refresh_from_db()
    assert incident.row.key == "citation-integrity"
    body = client.get(page(Incident, "change", incident.pk)).content.decode()
    assert incident.steps[0] in unescape(body)
