from datetime import timedelta

import pytest
import time_machine

from portal import clock
from portal.errors import Conflict, Invalid, NotAllowed, NotFound, WrongMoment
from portal.models import LedgerEntry
from rollout.domain.directives import MOVES, Act, DirectiveState, after
from rollout.domain.runs import RunKind, RunStatus
from rollout.domain.verbs import Verb
from rollout.models import Directive, Run
from rollout.services import directives, runs
from tests.builders import an_actor
from tests.rollout.builders import KEY
from tests.rollout.documents import a_manifest
from tests.rollout.test_api import Caller
from tests.rollout.test_runs import send

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

    issued = directives.issue_to_all(
        KEY, "pause", {"stage": "wave1"}, by=operator, reason="all"
    )

    assert sorted(each.run.run_id for each in issued) == ["a", "b"]
    with pytest.raises(Invalid):
        directives.issue_to_all(KEY, "pause", {"moon": "x"}, by=operator, reason="all")


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
