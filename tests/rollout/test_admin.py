from datetime import timedelta

import pytest
import time_machine
from django.contrib import admin
from django.urls import reverse

from portal import clock
from portal.domain.roles import Role
from portal.models import Approval, LedgerEntry, Person
from portal.services import actors, people
from portal.services.jobs import enqueue
from rollout.models import DocumentKind, FallbackOffer, Run, Switch
from rollout.services import (
    artifacts,
    decisions,
    directives,
    documents,
    events,
    runs,
    stages,
    watchdog,
)
from rollout.services.decisions import decide_for
from tests.builders import PASSWORD, a_person
from tests.rollout.builders import (
    ASKED,
    KEY,
    a_rollout,
    a_running_stage,
    a_service,
)
from tests.rollout.documents import (
    a_manifest,
    an_event,
    lines,
    raw,
    some_gates,
    spent,
)
from tests.rollout.test_runs import send

pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"
OURS = [
    model
    for model in admin.site._registry
    if model.__module__.split(".")[0] in ("portal", "rollout")
]


@pytest.fixture
def history(carry_out_jobs):
    """A portal on which something of every kind has happened."""
    stage = a_running_stage()
    service, _ = a_service()
    decide_for(KEY, {"run_id": "run-1", **ASKED}, by=service, reason="asks")
    for receive, document in (
        (documents.receive_manifest, a_manifest(**spent())),
        (documents.receive_gates, some_gates(failed="B", notes="two bad")),
    ):
        receive(KEY, "run-1", raw(document), by=service, reason="reported")
    artifacts.store(
        KEY, "run-1", "wave-1/p1.md", [b"found"], by=service, reason="reported"
    )
    events.receive(KEY, "run-1", lines(an_event(1)), by=service, reason="reported")
    carry_out_jobs()
    stages.set_coverage(stage.pk, 50, by=service, reason="careful")
    enqueue("rollout.jobs.fall_back", run_id=1)
    return stage


def signed_in(client, *roles: str) -> Person:
    person = a_person(*roles)
    person.must_change_password = False
    person.save_as(actors.host(), reason="test")
    client.force_login(person, BACKEND)
    return person


def page(model, name: str, *args) -> str:
    return reverse(
        f"admin:{model._meta.app_label}_{model._meta.model_name}_{name}", args=args
    )


def test_every_table_has_a_list_and_a_page_to_read(client, history):
    signed_in(client, "auditor")

    for model in OURS:
        listed = client.get(page(model, "changelist"))
        assert listed.status_code == 200, model
        row = model._default_manager.first()
        if row is not None:
            read = client.get(page(model, "change", row.pk))
            assert read.status_code == 200, model
            assert client.get(page(model, "history", row.pk)).status_code == 200


def test_every_admin_can_be_filtered_and_searched():
    for model in OURS:
        registered = admin.site._registry[model]
        assert len(registered.list_display) > 1, model
        assert registered.search_fields, model
        assert registered.list_filter or model._meta.model_name == "person", model


def test_nothing_is_edited_added_or_deleted_by_forms(client, history):
    signed_in(client, *[role for role in Role if role != Role.AUDITOR])

    for model in OURS:
        row = model._default_manager.first()
        if row is None:
            continue
        assert client.post(page(model, "change", row.pk), {}).status_code == 403
        assert client.post(page(model, "history", row.pk), {}).status_code == 403
        assert client.get(page(model, "delete", row.pk)).status_code == 403
        assert client.get(page(model, "add")).status_code == 403


def test_an_auditor_sees_everything_and_is_offered_nothing(client, history):
    signed_in(client, "auditor")

    start = client.get(reverse("admin:index")).content.decode()
    switch_page = client.get(page(Switch, "change", Switch.objects.get().pk))

    assert "Engage the switch" not in start
    assert "Engage the switch" not in switch_page.content.decode()
    act = page(Switch, "engage", Switch.objects.get().pk)
    assert client.get(act).status_code == 403
    assert client.post(act, {"reason": "curious"}).status_code == 403
    assert not Switch.objects.get().is_engaged


def test_without_a_role_there_is_no_way_in(client, history):
    signed_in(client)

    response = client.get(reverse("admin:index"))

    assert response.status_code == 302
    assert "login" in response["location"]


def test_the_start_page_says_whether_we_are_safe_and_where_we_are(client, history):
    signed_in(client, "operator")

    body = client.get(reverse("admin:index")).content.decode()

    assert "The switch is released" in body
    assert "Offline baseline" in body
    assert "rollout.run.fell_back" in body
    assert (
        reverse("admin:rollout_switch_engage", args=[Switch.objects.get().pk]) in body
    )


def test_an_act_asks_first_and_then_does_it_with_a_reason(client, history):
    person = signed_in(client, "operator")
    act = page(Switch, "engage", Switch.objects.get().pk)

    asked = client.get(act)
    without = client.post(act, {"reason": ""})
    done = client.post(act, {"reason": "gate C fails everywhere"})

    assert "What will happen" in asked.content.decode()
    assert without.status_code == 422
    assert "Say why" in without.content.decode()
    assert done.status_code == 302
    assert Switch.objects.get().is_engaged
    entry = LedgerEntry.objects.get(verb="rollout.switch.engaged")
    assert (entry.actor_name, entry.reason) == (str(person), "gate C fails everywhere")


def test_a_refused_act_keeps_what_was_typed(client, history):
    signed_in(client, "operator")
    act = page(Switch, "request_release", Switch.objects.get().pk)

    response = client.post(act, {"reason": "I thought it was engaged"})

    body = response.content.decode()
    assert response.status_code == 422
    assert "This was not done" in body
    assert "I thought it was engaged" in body


def test_two_people_and_a_password_release_the_switch(client, history):
    switch = Switch.objects.get()
    engineer = signed_in(client, "engineer")
    client.post(page(Switch, "engage", switch.pk), {"reason": "stop"})
    client.post(page(Switch, "request_release", switch.pk), {"reason": "go"})
    approval = Approval.objects.get(act="rollout.switch.release")
    confirm = page(Approval, "confirm", approval.pk)

    own = client.post(confirm, {"reason": "me again", "password": PASSWORD})
    signed_in(client, "qa")
    assert (
        "Release the emergency switch"
        in client.get(reverse("admin:index")).content.decode()
    )
    wrong = client.post(confirm, {"reason": "seen it", "password": "wrong"})
    assert Switch.objects.get().is_engaged
    done = client.post(confirm, {"reason": "seen it", "password": PASSWORD})

    assert own.status_code == 422
    assert (wrong.status_code, b"not your password" in wrong.content) == (422, True)
    assert done.status_code == 302
    assert not Switch.objects.get().is_engaged
    approval.refresh_from_db()
    assert approval.requester_person == engineer


def test_a_one_time_password_has_to_be_changed_first(client, history):
    person = a_person("operator")

    signed = client.post(
        reverse("admin:login"), {"username": person.username, "password": PASSWORD}
    )
    anywhere = client.get(page(Run, "changelist"))
    changed = client.post(
        reverse("admin:password_change"),
        {
            "old": PASSWORD,
            "new": "quite another sentence",
            "again": "quite another sentence",
        },
    )

    assert signed.status_code == 302
    assert anywhere["location"] == reverse("admin:password_change")
    assert changed.status_code == 302
    assert client.get(page(Run, "changelist")).status_code == 200
    assert people.is_in_use()


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({"old": "wrong"}, "not your password"),
        ({"again": "something else entirely"}, "not the same"),
        ({"new": "short", "again": "short"}, "at least 15"),
    ],
)
def test_a_password_that_cannot_be_taken_says_why(client, db, said, error):
    signed_in(client, "operator")
    good = {"old": PASSWORD, "new": "quite another one", "again": "quite another one"}

    response = client.post(reverse("admin:password_change"), good | said)

    assert response.status_code == 422
    assert error in response.content.decode()


def test_too_many_wrong_passwords_lock_the_address_out(client, db):
    person = a_person("operator")
    attempt = {"username": person.username, "password": "wrong"}

    for _ in range(6):
        response = client.post(reverse("admin:login"), attempt)

    assert response.status_code == 429
    assert "Too many attempts" in response.content.decode()


def test_the_run_page_tells_its_story(client, history, django_assert_max_num_queries):
    signed_in(client, "operator")
    run = Run.objects.get()

    with django_assert_max_num_queries(40):
        body = client.get(page(Run, "change", run.pk)).content.decode()

    assert "Failed for good" in body
    assert "disable Option C and run standard workflow" in body
    assert "Decided again now, from the recorded snapshot: the same" in body
    assert "wave-1/p1.md" in body
    assert FallbackOffer.objects.get().reason in body


def test_history_shows_what_changed_who_did_it_and_why(client, history):
    signed_in(client, "auditor")
    run = Run.objects.get()

    body = client.get(page(Run, "history", run.pk)).content.decode()

    assert "running" in body
    assert "failed" in body
    assert "A hard gate has failed for good." in body


def test_documents_of_a_run_are_kept_byte_for_byte(client, history):
    signed_in(client, "auditor")
    stored = runs.document_of(Run.objects.get(), DocumentKind.GATES)

    assert client.get(page(type(stored), "change", stored.pk)).status_code == 200
    assert bytes(stored.raw) == raw(some_gates(failed="B", notes="two bad"))


def test_the_run_page_shows_how_it_hung_and_what_was_asked(
    client, service, carry_out_jobs
):
    send(service, a_manifest())
    operator = signed_in(client, "operator")
    by = actors.for_person(operator)
    directives.issue(KEY, "run-1", "pause", by=by, reason="The provider is down.")
    run = Run.objects.get()
    run.times_out_at = clock.now() - timedelta(seconds=1)
    run.save_as(by, reason="test")
    watchdog.sweep()
    carry_out_jobs()

    body = client.get(page(Run, "change", run.pk)).content.decode()

    assert "No progress in <strong>wave1</strong>" in body
    assert "The provider is down." in body
    assert "closed" in body
    assert 'data-live="/api/v1/stream?ticket=' in body


def test_a_run_is_paused_from_its_page(client, service):
    send(service, a_manifest())
    signed_in(client, "operator")
    run = Run.objects.get()
    ask = f"{page(Run, 'changelist')}{run.pk}/act/pause/"

    assert "paused time does not count" in client.get(ask).content.decode()
    client.post(ask, {"reason": "The provider is down."})

    assert [d.kind for d in directives.pending(KEY, "run-1")] == ["pause"]


def test_the_start_page_tells_the_evidence_and_what_is_overdue(client, service):
    a_running_stage()
    decisions.decide_for(KEY, {"run_id": "a"} | ASKED, by=service, reason="test")
    send(service, a_manifest("a"))
    send(service, some_gates("a", passed="A"))
    operator = signed_in(client, "operator")
    directives.issue(
        KEY, "a", "pause", by=actors.for_person(operator), reason="Repairs."
    )
    send(service, a_manifest("b", status="completed"))

    with time_machine.travel(clock.now() + timedelta(seconds=90), tick=False):
        body = client.get(reverse("admin:index")).content.decode()

    assert "<strong>0</strong> of 1 runs have ended" in body
    assert "has not followed: pause" in body


def test_a_page_that_refreshes_itself_keeps_nobody_signed_in(client, service):
    signed_in(client, "operator")
    client.get(reverse("admin:index"))

    with time_machine.travel(clock.now() + timedelta(minutes=29)) as later:
        client.get(reverse("admin:index"), headers={"x-live": "1"})
        later.shift(timedelta(minutes=2))
        answer = client.get(reverse("admin:index"))

    assert answer.status_code == 302


def test_a_token_is_offered_for_the_rollout_that_there_is(client):
    a_rollout()
    signed_in(client, "administrator")
    address = reverse("admin:portal_apitoken_create")
    said = {"name": "n", "scopes": ["read"], "days": "9", "reason": "r"}

    form = client.get(address).content.decode()
    refused = client.post(address, {**said, "rollout": "another"})

    assert f'value="{KEY}"' in form
    assert "There is no rollout" in refused.content.decode()
