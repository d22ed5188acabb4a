import re
from datetime import timedelta
from html import unescape

import pytest
import time_machine

from portal import clock
from portal.errors import Conflict, Invalid, NotAllowed, NotFound, WrongMoment
from portal.models import Heartbeat, LedgerEntry
from portal.services import actors, heartbeats
from rollout.domain.directives import MOVES, Act, DirectiveState, Proof, after
from rollout.domain.runs import RunKind, RunStatus
from rollout.domain.verbs import Verb
from rollout.models import Directive, Run
from rollout.services import broadcasts, directives, overdue, runs, watchdog
from rollout.services.consequences import Cause
from tests.builders import an_actor
from tests.rollout.builders import KEY
from tests.rollout.documents import a_manifest
from tests.rollout.test_admin import signed_in
from tests.rollout.test_api import Caller
from tests.rollout.test_runs import announced, send

__all__ = ["announced"]  # a fixture of these tests too

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(service):
    return an_actor("operator")


def ask(kind: str, by, run_id: str = "run-1") -> Directive:
    return directives.issue(KEY, run_id, kind, by=by, reason="The provider is down.")


def acknowledge(directive, by, *, run_id="run-1", revision=None) -> Directive:
    return directives.acknowledge(
        KEY, run_id, directive.pk, revision=revision, by=by, reason="followed"
    )


def kinds(run_id: str = "run-1") -> list[str]:
    return [each.kind for each in directives.pending(KEY, run_id)]


def test_a_directive_stays_until_it_is_acknowledged(service, operator):
    send(service, a_manifest())
    asked = ask("pause", operator)
    assert kinds() == ["pause"]

    done = acknowledge(asked, service, revision=2)

    assert kinds() == []
    assert (done.state, done.revision) == ("acknowledged", 2)
    verbs = LedgerEntry.objects.order_by("-seq").values_list("verb", flat=True)[:2]
    assert list(verbs) == [Verb.DIRECTIVE_ACKNOWLEDGED, Verb.DIRECTIVE_ISSUED]


def test_asking_and_acknowledging_again_change_nothing(service, operator):
    send(service, a_manifest())
    assert ask("pause", operator) == ask("pause", operator)
    asked = Directive.objects.get()
    acknowledge(asked, service, revision=2)
    before = LedgerEntry.objects.count()

    again = acknowledge(asked, service, revision=9)

    assert again.revision == 2
    assert LedgerEntry.objects.count() == before


def test_a_later_directive_takes_the_place_of_an_open_one(service, operator):
    send(service, a_manifest())
    first = ask("pause", operator)
    ask("cancel", operator)

    assert kinds() == ["cancel"]
    with pytest.raises(Conflict) as refusal:
        acknowledge(first, service)
    assert refusal.value.code == "DIRECTIVE_STALE"


def test_a_foreign_directive_cannot_be_acknowledged(service, operator):
    send(service, a_manifest())
    send(service, a_manifest("run-2"))
    asked = ask("pause", operator)

    for run_id, wanted in (("run-2", asked.pk), ("run-1", "nonsense")):
        with pytest.raises(NotFound):
            directives.acknowledge(
                KEY, run_id, wanted, revision=None, by=service, reason="followed"
            )
    assert kinds() == ["pause"]


def test_what_nobody_knows_cannot_be_asked(service, operator):
    send(service, a_manifest())

    with pytest.raises(Invalid) as refusal:
        ask("explode", operator)

    assert refusal.value.code == "DIRECTIVE_UNKNOWN"


def test_rerouting_ends_the_run_at_once_and_still_tells_it(service, operator):
    send(service, a_manifest())
    ask("reroute", operator)

    run = Run.objects.get()
    assert (run.status, run.cause) == (RunStatus.CANCELLED, "rerouted")
    assert kinds() == ["reroute"]

    send(service, a_manifest(revision=2, status="cancelled"))
    assert kinds() == []


def test_a_run_that_ends_closes_what_was_asked(service, operator):
    send(service, a_manifest())
    ask("pause", operator)

    send(service, a_manifest(revision=2, status="completed"))

    assert Directive.objects.get().state == DirectiveState.CLOSED
    with pytest.raises(WrongMoment):
        ask("pause", operator)


def test_an_imported_run_is_not_directed(service, operator):
    run = runs.locked_or_new(
        KEY, "old", kind=RunKind.IMPORTED, by=service, reason="test"
    )

    with pytest.raises(WrongMoment):
        ask("pause", operator, run.run_id)


def test_a_scope_asks_every_open_run_in_it(service, operator):
    for name, status in (("a", "running"), ("b", "running"), ("c", "completed")):
        send(service, a_manifest(name, status=status))

    broadcast, issued = broadcasts.ask_all(
        KEY, "pause", {"stage": "wave1"}, by=operator, reason="all"
    )

    assert sorted(each.run.run_id for each in issued) == ["a", "b"]
    with pytest.raises(Invalid):
        broadcasts.ask_all(KEY, "pause", {"moon": "x"}, by=operator, reason="all")
    assert (broadcast.directed, broadcast.done_at is None) == (2, False)


def test_an_acknowledgement_is_proven_by_the_manifest_that_it_names(service, operator):
    send(service, a_manifest())
    send(service, a_manifest(revision=2, status="paused"))

    here = acknowledge(ask("pause", operator), service, revision=2)
    to_come = acknowledge(ask("resume", operator), service, revision=3)
    unnamed = acknowledge(ask("pause", operator), service)

    assert [each.proof for each in (here, to_come, unnamed)] == [
        Proof.SHOWN,
        Proof.AWAITED,
        Proof.UNNAMED,
    ]
    send(service, a_manifest(revision=3))
    to_come.refresh_from_db()
    assert to_come.proof == Proof.SHOWN


def test_a_proof_can_arrive_after_newer_manifests(service, operator):
    send(service, a_manifest())
    asked = acknowledge(ask("pause", operator), service, revision=2)
    send(service, a_manifest(revision=3))

    send(service, a_manifest(revision=2, status="paused"))

    asked.refresh_from_db()
    assert asked.proof == Proof.SHOWN


def test_a_contradiction_is_kept_told_and_shown(client, service, operator, announced):
    send(service, a_manifest())
    send(service, a_manifest(revision=2))

    done = acknowledge(ask("pause", operator), service, revision=2)

    assert (done.state, done.proof) == ("acknowledged", Proof.CONTRADICTED)
    assert announced == [(Cause.DIRECTIVE_CONTRADICTED, "run-1")]
    signed_in(client, "operator")
    assert "says otherwise" in client.get("/admin/").content.decode()
    assert (
        "contradicted by"
        in client.get(f"/admin/rollout/run/{done.run_id}/change/").content.decode()
    )


def test_a_run_that_says_it_was_cancelled_has_followed(service, operator):
    send(service, a_manifest())
    asked = ask("cancel", operator)

    send(service, a_manifest(revision=2, status="cancelled"))
    acknowledge(asked, service, revision=2)

    asked.refresh_from_db()
    assert (asked.state, asked.revision, asked.proof) == (
        "acknowledged",
        2,
        Proof.SHOWN,
    )


def sweep_overdue(carry_out_jobs) -> int:
    Heartbeat.objects.update(at=clock.now())
    overdue.sweep()
    return carry_out_jobs()


def test_an_overdue_directive_is_told_of_once(
    service, operator, announced, carry_out_jobs
):
    send(service, a_manifest())
    with time_machine.travel(clock.now(), tick=False) as clocks:
        asked = ask("pause", operator)
        assert sweep_overdue(carry_out_jobs) == 0
        clocks.shift(timedelta(seconds=61))

        assert sweep_overdue(carry_out_jobs) == 1
        assert sweep_overdue(carry_out_jobs) == 0
        act = {"by": actors.system(), "reason": "again"}
        assert not overdue.tell_of_overdue(str(asked.pk), **act)

    assert announced == [(Cause.DIRECTIVE_OVERDUE, "run-1")]
    assert kinds() == ["pause"]  # it is sent on
    verbs = LedgerEntry.objects.filter(verb=Verb.DIRECTIVE_OVERDUE)
    assert verbs.count() == 1


def test_a_directive_that_was_followed_in_time_is_not_told_of(
    service, operator, announced, carry_out_jobs
):
    send(service, a_manifest())
    with time_machine.travel(clock.now(), tick=False) as clocks:
        asked = ask("pause", operator)
        clocks.shift(timedelta(seconds=61))
        Heartbeat.objects.update(at=clock.now())
        assert overdue.sweep() == 1
        acknowledge(asked, service)
        carry_out_jobs()

    assert announced == []


def test_after_an_outage_runs_may_speak_before_they_are_overdue(
    service, operator, carry_out_jobs
):
    send(service, a_manifest())
    with time_machine.travel(clock.now(), tick=False) as clocks:
        heartbeats.beat(watchdog.NAME)
        ask("pause", operator)
        clocks.shift(timedelta(hours=1))  # the portal was away

        assert overdue.sweep() == 0


def test_many_runs_are_asked_in_batches(service, operator, carry_out_jobs, monkeypatch):
    monkeypatch.setattr(broadcasts, "BATCH", 2)
    for number in range(5):
        send(service, a_manifest(f"run-{number}"))

    broadcast, first = broadcasts.ask_all(KEY, "reroute", {}, by=operator, reason="all")
    send(service, a_manifest("late"))
    assert [each.run.run_id for each in first] == ["run-0", "run-1"]
    while carry_out_jobs():
        pass

    broadcast.refresh_from_db()
    assert (broadcast.directed, broadcast.done_at is None) == (5, False)
    assert Run.objects.filter(status="cancelled").count() == 5
    assert Run.objects.get(run_id="late").status == "running"
    again = broadcasts.go_on(broadcast.pk, by=actors.system(), reason="again")
    assert again == 0


def test_the_page_says_how_many_runs_are_meant_before_it_asks_them(
    client, service, operator
):
    for number in range(3):
        send(service, a_manifest(f"run-{number}"))
    signed_in(client, "operator")
    rollout = Run.objects.first().rollout_id
    at = f"/admin/rollout/rollout/{rollout}/act/ask_all/"
    said = {"kind": "reroute", "team": "", "stage": "wave1", "reason": "Repairs."}

    shown = client.post(at, said | {"once": "a"}).content.decode()
    assert "3 open runs" in shown
    assert not Directive.objects.exists()
    mark = re.search(r'name="shown" value="([^"]*)"', shown)[1]
    done = client.post(at, said | {"once": "a", "shown": unescape(mark)}, follow=True)

    assert "3 runs are asked" in done.content.decode()
    assert Run.objects.filter(status="cancelled").count() == 3
    assert client.get("/admin/rollout/broadcast/").status_code == 200


def test_only_who_may_can_direct(service):
    send(service, a_manifest())

    with pytest.raises(NotAllowed):
        ask("pause", an_actor("auditor"))


@pytest.mark.parametrize("state", DirectiveState)
@pytest.mark.parametrize("act", Act)
def test_a_directive_moves_along_its_table_only(state, act):
    if (state, act) in MOVES:
        assert after(state, act) == MOVES[state, act]
    else:
        with pytest.raises(Conflict):
            after(state, act)


def test_the_api_asks_reads_and_acknowledges(client, service, operator, a_token):
    send(service, a_manifest())
    caller = Caller(client, a_token)

    asked = caller.post(
        "runs/run-1/directives", {"kind": "pause", "reason": "Repairs."}
    )
    assert asked.status_code == 201
    body = caller.get("runs/run-1/directives").json()
    assert [each["kind"] for each in body["directives"]] == ["pause"]
    assert caller.get("directives").json() == body

    path = f"runs/run-1/directives/{asked.json()['id']}/ack"
    assert caller.post(path, {"revision": 2}).json()["state"] == "acknowledged"
    assert caller.get("directives").json() == {"directives": []}
    all_of_them = caller.post(
        "directives", {"kind": "cancel", "scope": {}, "reason": "Repairs."}
    )
    assert [each["run_id"] for each in all_of_them.json()["directives"]] == ["run-1"]
    unknown = caller.post("runs/run-1/directives", {"kind": "sing", "reason": "x"})
    assert (unknown.status_code, unknown.json()["code"]) == (
        422,
        "SCHEMA_VALIDATION_FAILED",
    )


def test_an_overdue_directive_is_to_be_seen(client, service, operator):
    send(service, a_manifest())
    ask("pause", operator)
    client.force_login(operator.person, "django.contrib.auth.backends.ModelBackend")
    operator.person.must_change_password = False
    operator.person.save_as(operator, reason="test")

    with time_machine.travel(clock.now() + timedelta(seconds=61), tick=False):
        listed = client.get("/admin/rollout/directive/?overdue=yes").content.decode()

    assert "run-1" in listed
