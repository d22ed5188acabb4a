import pytest
from django.core.management import call_command

from portal.domain.approvals import ApprovalState
from portal.errors import NotAllowed, WrongMoment
from portal.models import Authentication, LedgerEntry
from portal.services import approvals, ledger
from portal.services.actors import for_person
from rollout.domain.decisions import Reason
from rollout.domain.verbs import Verb
from rollout.models import Snapshot, Switch
from rollout.services import decisions, flags, stages, switch
from rollout.services.decisions import decide_for
from tests.builders import an_actor, the_last_line, with_password
from tests.rollout.builders import (
    ASKED,
    KEY,
    a_rollout,
    a_running_stage,
    a_service,
    confirmed,
    two_people,
)

pytestmark = pytest.mark.django_db


def test_one_person_engages_the_switch_at_once():
    a_rollout()
    operator = an_actor("operator")

    engaged = switch.engage(KEY, by=operator, reason="gate C fails everywhere")

    assert engaged.is_engaged
    assert engaged.epoch == 2
    assert Snapshot.objects.order_by("-revision")[0].epoch == 2
    assert the_last_line() == (
        operator.name,
        Verb.SWITCH_ENGAGED,
        "gate C fails everywhere",
    )


def test_engaging_it_again_changes_nothing():
    a_rollout()
    operator = an_actor("operator")
    switch.engage(KEY, by=operator, reason="first")
    before = LedgerEntry.objects.count()

    again = switch.engage(KEY, by=operator, reason="second")

    assert (again.epoch, again.reason) == (2, "first")
    assert LedgerEntry.objects.count() == before


@pytest.mark.parametrize("role", ["auditor", "administrator"])
def test_who_does_not_work_with_runs_does_not_throw_it(role):
    a_rollout()

    with pytest.raises(NotAllowed):
        switch.engage(KEY, by=an_actor(role), reason="curious")


def test_it_takes_two_people_to_release_it():
    a_rollout()
    engineer, architect = two_people()
    switch.engage(KEY, by=engineer, reason="stop")
    asked = switch.request_release(KEY, by=engineer, reason="provider is back")
    assert Switch.objects.get().is_engaged

    with pytest.raises(NotAllowed):
        approvals.confirm(asked.pk, by=with_password(engineer), reason="me again")
    approvals.confirm(asked.pk, by=architect, reason="seen it")

    released = Switch.objects.get()
    assert (released.is_engaged, released.epoch) == (False, 3)


def test_a_token_counts_as_its_owner():
    a_rollout()
    service, _ = a_service()
    switch.engage(KEY, by=service, reason="stop")
    asked = switch.request_release(KEY, by=service, reason="go")
    owner = service.token.owner
    people = owner.role_grants.get()
    people.role = "architect"
    people.save_as(service, reason="test")

    with pytest.raises(NotAllowed) as refusal:
        approvals.confirm(
            asked.pk,
            by=for_person(owner, authenticated_by=Authentication.PASSWORD),
            reason="my own token asked",
        )

    assert refusal.value.code == "CANNOT_CONFIRM_OWN_REQUEST"


def test_throwing_it_again_voids_what_was_asked():
    a_rollout()
    engineer, architect = two_people()
    switch.engage(KEY, by=engineer, reason="stop")
    first = switch.request_release(KEY, by=engineer, reason="go")
    confirmed(first)
    switch.engage(KEY, by=engineer, reason="stop again")
    second = switch.request_release(KEY, by=engineer, reason="go")
    approvals.withdraw(second.pk, by=engineer, reason="not yet")

    with pytest.raises(WrongMoment):
        approvals.confirm(first.pk, by=architect, reason="late")
    assert Switch.objects.get().is_engaged


def test_a_pending_release_dies_with_a_new_throw():
    a_rollout()
    engineer, architect = two_people()
    switch.engage(KEY, by=engineer, reason="stop")
    asked = switch.request_release(KEY, by=engineer, reason="go")
    other = switch.request_release(KEY, by=architect, reason="go, says another")
    confirmed(other)
    switch.engage(KEY, by=engineer, reason="stop")

    asked.refresh_from_db()
    assert asked.state == ApprovalState.VOIDED


def test_a_switch_that_is_released_has_nothing_to_release():
    a_rollout()

    with pytest.raises(WrongMoment):
        switch.request_release(KEY, by=an_actor("engineer"), reason="just in case")


def test_the_very_next_decision_is_standard_also_a_repeated_one():
    a_running_stage()
    service, _ = a_service()
    first = decide_for(KEY, {"run_id": "r1", **ASKED}, by=service, reason="asks")
    assert first.is_option_c

    call_command("engage_switch", KEY, reason="stop", verbosity=0)
    repeated = decide_for(KEY, {"run_id": "r1", **ASKED}, by=service, reason="asks")
    new = decide_for(KEY, {"run_id": "r2", **ASKED}, by=service, reason="asks")
    again = decide_for(KEY, {"run_id": "r1", **ASKED}, by=service, reason="asks")

    assert {repeated.reason, new.reason} == {Reason.KILL_SWITCH}
    assert {repeated.workflow, new.workflow} == {"standard"}
    assert repeated.is_override
    assert again.pk == repeated.pk


def test_after_the_release_a_run_has_its_lasting_decision_back():
    a_running_stage()
    service, _ = a_service()
    first = decide_for(KEY, {"run_id": "r1", **ASKED}, by=service, reason="asks")
    engineer, _ = two_people()
    switch.engage(KEY, by=engineer, reason="stop")
    decide_for(KEY, {"run_id": "r1", **ASKED}, by=service, reason="asks")
    confirmed(switch.request_release(KEY, by=engineer, reason="go"))

    later = decide_for(KEY, {"run_id": "r1", **ASKED}, by=service, reason="asks")

    assert later.pk == first.pk


def test_every_decision_comes_out_the_same_after_ten_changes():
    stage = a_running_stage()
    service, _ = a_service()
    engineer, _ = two_people()
    agents = flags.find(KEY, "PAI_DR_CLI_MAX_WAVE1_AGENTS")

    for number in range(5):
        decide_for(KEY, {"run_id": f"a{number}", **ASKED}, by=service, reason="asks")
        flags.change_default(agents.pk, 5 - number, by=engineer, reason="fewer")
        decide_for(KEY, {"run_id": f"b{number}", **ASKED}, by=service, reason="asks")
        stages.set_coverage(stage.pk, 90 - number, by=engineer, reason="narrower")
    switch.engage(KEY, by=engineer, reason="stop")
    decide_for(KEY, {"run_id": "a0", **ASKED}, by=service, reason="asks")

    differences = [each for _, each in decisions.replay_all() if each is not None]
    assert differences == []
    assert len(list(decisions.replay_all())) == 11
    assert list(ledger.verify()) == []
