"""Change requests: every edit of the configuration, by one person or by two."""

from datetime import timedelta

import pytest
import time_machine
from django.db import IntegrityError, transaction

from portal import clock
from portal.errors import Conflict, Invalid, NotAllowed, PreconditionFailed, WrongMoment
from portal.models import Approval, Authentication, LedgerEntry
from portal.services import actors, approvals, people
from rollout.domain.changes import ChangeState
from rollout.domain.flags import NO_WEB, WAVE1_AGENTS
from rollout.domain.freezes import Scope
from rollout.domain.verbs import Verb
from rollout.models import Change, Flag, Rule, Snapshot, Stage, Trigger
from rollout.services import (
    changes,
    configuration,
    flags,
    freezes,
    proposals,
    stages,
)
from tests.builders import an_actor, the_last_line, with_password
from tests.rollout.builders import (
    KEY,
    a_rollout,
    a_running_stage,
    a_service,
    approved,
    approved_and_applied,
)
from tests.rollout.domain.configurations import a_rule, is_team

pytestmark = pytest.mark.django_db

AGENTS = f"/flags/{WAVE1_AGENTS}"


@pytest.fixture(autouse=True)
def rollout(db):
    return a_rollout()


@pytest.fixture
def engineer():
    return an_actor("engineer")


def replace(path, value, op="replace") -> proposals.Wanted:
    return proposals.patch([{"op": op, "path": path, "value": value}])


def propose(by, path, value, op="replace", **how) -> Change:
    return changes.propose(
        KEY, replace(path, value, op), by=by, reason="because", **how
    )


def the_default() -> int:
    return Flag.objects.get(key=WAVE1_AGENTS).default


def the_request(change) -> Approval:
    return Approval.objects.get(subject_id=change.pk, state="pending")


def test_what_exposes_less_counts_at_once(engineer):
    change = propose(engineer, f"{AGENTS}/default", 3)

    assert change.state == ChangeState.APPLIED
    assert the_default() == 3
    assert the_last_line() == (engineer.name, Verb.CHANGE_APPLIED, "because")
    assert change.snapshot == Snapshot.objects.order_by("-revision")[0]


def test_what_exposes_more_waits_for_another_person_and_then_for_an_act(engineer):
    change = propose(engineer, f"{AGENTS}/default", 9)

    assert (change.state, the_default()) == (ChangeState.OPEN, 6)
    with pytest.raises(WrongMoment) as refusal:
        changes.apply(change.pk, by=engineer, reason="now")
    assert refusal.value.code == "APPROVAL_REQUIRED"

    approved(change)
    assert (change.state, the_default()) == (ChangeState.APPROVED, 6)

    changes.apply(change.pk, by=engineer, reason="now")
    assert the_default() == 9


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("PAI_DR_CLI_MODE_DEFAULT", "deep"),
        ("PAI_DR_CLI_RUNS_ROOT", "/elsewhere"),
        ("PAI_DR_CLI_CITATIONS_APIFY_ENDPOINT", "https://example.org"),
    ],
)
def test_what_cannot_be_compared_waits_for_another_person_too(engineer, key, value):
    change = flags.change_default(
        flags.find(KEY, key).pk, value, by=engineer, reason="try"
    )

    assert flags.find(KEY, key).default != value
    approved_and_applied(change)
    assert flags.find(KEY, key).default == value


def test_an_engineer_approves_what_is_of_low_risk_and_nothing_else(engineer):
    other = an_actor("engineer", authenticated_by=Authentication.PASSWORD)
    low = propose(engineer, "/flags/PAI_DR_CLI_RUNS_ROOT/default", "/elsewhere")
    high = propose(engineer, f"{AGENTS}/default", 9)

    approvals.confirm(the_request(low).pk, by=other, reason="fine")
    with pytest.raises(NotAllowed):
        approvals.confirm(the_request(high).pk, by=other, reason="fine")


def test_nobody_approves_their_own_change_by_any_way(engineer):
    architect = an_actor("architect", authenticated_by=Authentication.PASSWORD)
    change = propose(architect, f"{AGENTS}/default", 9)

    with pytest.raises(NotAllowed):
        approvals.confirm(the_request(change).pk, by=architect, reason="me too")

    change.approver, change.approver_person = architect, architect.person
    change.approved_digest = change.digest
    with (
        pytest.raises(IntegrityError, match="approved_by_another"),
        transaction.atomic(),
    ):
        change.save_as(architect, reason="sneaky")


def test_the_database_applies_nothing_risky_without_approval(engineer):
    change = propose(engineer, f"{AGENTS}/default", 9)
    change.state = ChangeState.APPLIED

    with (
        pytest.raises(IntegrityError, match="applied_with_approval"),
        transaction.atomic(),
    ):
        change.save_as(engineer, reason="sneaky")


def test_an_approval_counts_for_the_edits_that_were_approved_only(engineer):
    change = propose(engineer, f"{AGENTS}/default", 9)
    approved(change)

    changes.revise(
        change.pk, replace(f"{AGENTS}/default", 50), by=engineer, reason="more"
    )

    change.refresh_from_db()
    assert (change.state, change.approver) == (ChangeState.OPEN, None)
    with pytest.raises(WrongMoment, match="approve"):
        changes.apply(change.pk, by=engineer, reason="now")
    assert the_request(change).requester == engineer


def test_an_edit_voids_a_request_that_somebody_is_looking_at(engineer):
    architect = an_actor("architect", authenticated_by=Authentication.PASSWORD)
    change = propose(engineer, f"{AGENTS}/default", 9)
    seen = the_request(change)

    changes.revise(
        change.pk, replace(f"{AGENTS}/default", 50), by=engineer, reason="more"
    )

    with pytest.raises(WrongMoment):
        approvals.confirm(seen.pk, by=architect, reason="nine is fine")


def test_a_base_that_moved_is_refused_with_the_conflict_shown(engineer):
    change = propose(engineer, f"{AGENTS}/default", 9)
    approved(change)
    propose(engineer, f"{AGENTS}/default", 5)

    with pytest.raises(Conflict) as refusal:
        changes.apply(change.pk, by=engineer, reason="now")

    assert refusal.value.code == "CHANGE_BASE_MOVED"
    assert refusal.value.facts["conflicts"] == [
        {"path": f"{AGENTS}/default", "expected": 6, "found": 5}
    ]
    assert the_default() == 5


def test_a_change_is_put_on_the_newest_configuration_and_approved_anew(engineer):
    change = propose(engineer, f"{AGENTS}/default", 9)
    approved(change)
    propose(engineer, f"{AGENTS}/maximum", 40)
    with pytest.raises(Conflict, match="elsewhere"):
        changes.apply(change.pk, by=engineer, reason="now")

    changes.rebase(change.pk, by=engineer, reason="moved")
    change.refresh_from_db()
    assert change.state == ChangeState.OPEN
    approved_and_applied(change)

    assert the_default() == 9


def test_only_the_author_edits_or_cancels(engineer):
    change = propose(engineer, f"{AGENTS}/default", 9)
    other = an_actor("architect")

    for act in (
        lambda: changes.revise(
            change.pk, replace(f"{AGENTS}/default", 8), by=other, reason="x"
        ),
        lambda: changes.rebase(change.pk, by=other, reason="x"),
        lambda: changes.cancel(change.pk, by=other, reason="x"),
    ):
        with pytest.raises(NotAllowed) as refusal:
            act()
        assert refusal.value.code == "NOT_THE_AUTHOR"
    changes.cancel(change.pk, by=engineer, reason="thought better")
    assert not Approval.objects.filter(state="pending").exists()


def test_a_no_ends_it_whether_open_approved_or_scheduled(engineer):
    architect = an_actor("architect", authenticated_by=Authentication.PASSWORD)
    through_request = propose(engineer, f"{AGENTS}/default", 9)
    approvals.reject(the_request(through_request).pk, by=architect, reason="no")

    later = propose(engineer, f"{AGENTS}/default", 9)
    approved(later)
    changes.reject(later.pk, by=architect, reason="no after all")

    for change in (through_request, later):
        change.refresh_from_db()
        assert change.state == ChangeState.REJECTED
        with pytest.raises(WrongMoment):
            changes.apply(change.pk, by=engineer, reason="now")


def test_a_discussion_stays(engineer):
    change = propose(engineer, f"{AGENTS}/default", 9)
    changes.comment(change.pk, by=an_actor("qa"), reason="Why nine?")
    changes.comment(change.pk, by=engineer, reason="Measured.")

    assert [said.text for said in change.comments.all()] == ["Why nine?", "Measured."]
    assert the_last_line()[1:] == (Verb.CHANGE_COMMENTED, "Measured.")


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        (f"{AGENTS}/default", 6, "NOTHING_CHANGES"),
        (f"{AGENTS}/default", 51, "CONFIGURATION_INVALID"),
        (f"{AGENTS}/nonsense", 51, "PATCH_INVALID"),
        ("/flags", {}, "CONFIGURATION_INVALID"),
        ("/schema", "v2", "SCHEMA_VALIDATION_FAILED"),
    ],
)
def test_what_cannot_be_is_refused_when_it_is_proposed(engineer, path, value, code):
    with pytest.raises(Invalid) as refusal:
        propose(engineer, path, value)

    assert refusal.value.code == code
    assert not Change.objects.exists()


def test_who_may_not_propose_does_not(engineer):
    for nobody in (an_actor("auditor"), an_actor("qa"), a_service("read")[0]):
        with pytest.raises(NotAllowed):
            propose(nobody, f"{AGENTS}/default", 3)


def test_a_token_counts_as_its_owner(engineer):
    service, _ = a_service("operate")
    change = propose(service, f"{AGENTS}/default", 9)

    assert change.author_person == service.token.owner
    people.install_role(
        service.token.owner.pk, "architect", by=actors.host(), reason="both"
    )
    owner = actors.for_person(
        service.token.owner, authenticated_by=Authentication.PASSWORD
    )
    with pytest.raises(NotAllowed):
        approvals.confirm(the_request(change).pk, by=owner, reason="mine")


def test_a_schedule_is_kept_and_everything_is_looked_at_again(engineer, carry_out_jobs):
    change = propose(engineer, f"{AGENTS}/default", 9)
    with pytest.raises(WrongMoment):
        changes.schedule(change.pk, _in_an_hour(), by=engineer, reason="tonight")
    approved(change)

    changes.schedule(change.pk, _in_an_hour(), by=engineer, reason="tonight")
    changes.apply_scheduled(change.pk, by=actors.system(), reason="too early")
    assert the_default() == 6
    with time_machine.travel(_in_an_hour(), tick=True):
        changes.apply_scheduled(change.pk, by=actors.system(), reason="due")
        changes.apply_scheduled(change.pk, by=actors.system(), reason="again")

    change.refresh_from_db()
    assert (change.state, the_default()) == (ChangeState.APPLIED, 9)
    assert LedgerEntry.objects.filter(verb=Verb.CHANGE_APPLIED).count() == 1


def test_a_scheduled_change_whose_base_moved_is_blocked_and_says_why(engineer):
    change = propose(engineer, f"{AGENTS}/default", 9)
    approved(change)
    changes.schedule(change.pk, _in_an_hour(), by=engineer, reason="tonight")
    propose(engineer, f"{AGENTS}/default", 5)

    with time_machine.travel(_in_an_hour(), tick=True):
        changes.apply_scheduled(change.pk, by=actors.system(), reason="due")

    change.refresh_from_db()
    assert (change.state, the_default()) == (ChangeState.BLOCKED, 5)
    assert "has changed since" in change.blocked_because


def test_an_approval_ends_with_the_role_or_the_person(engineer):
    architect = an_actor("architect")
    change = propose(engineer, f"{AGENTS}/default", 9)
    approvals.confirm(
        the_request(change).pk, by=with_password(architect), reason="fine"
    )
    people.deactivate(architect.person.pk, by=an_actor("administrator"), reason="left")

    with pytest.raises(WrongMoment) as refusal:
        changes.apply(change.pk, by=engineer, reason="now")

    assert refusal.value.code == "APPROVAL_STALE"


def test_a_proposal_expires_and_its_request_with_it(engineer):
    change = propose(engineer, f"{AGENTS}/default", 9)
    changes.expire(change.pk, by=actors.system(), reason="not yet")
    change.refresh_from_db()
    assert change.state == ChangeState.OPEN

    with time_machine.travel(clock.now() + timedelta(days=15), tick=True):
        with pytest.raises(WrongMoment):
            approved_and_applied(change)
        changes.expire(change.pk, by=actors.system(), reason="over")

    change.refresh_from_db()
    assert change.state == ChangeState.EXPIRED
    assert not Approval.objects.filter(state="pending").exists()


def test_what_is_held_is_narrowed_but_not_widened():
    stage = a_running_stage()
    operator = an_actor("operator")
    stages.hold(stage.pk, by=operator, reason="stop")

    stages.set_coverage(stage.pk, 40, by=an_actor("qa"), reason="narrower")
    with pytest.raises(WrongMoment) as refusal:
        stages.set_coverage(stage.pk, 50, by=operator, reason="wider")

    assert refusal.value.code == "STAGE_NOT_WIDENED"


def test_rules_segments_and_prerequisites_are_written_and_read_back(engineer, rollout):
    segment = {"description": "who", "conditions": [is_team("alpha")]}
    two_ways = [
        {"name": "few", "value": 2, "weight": 12.34},
        {"name": "some", "value": 4, "weight": 87.66},
    ]
    rules = [
        a_rule(3, {"segment": "friends"}, percentage=33.33, description="some"),
        a_rule(variants=two_ways),
    ]
    patch = [
        {"op": "add", "path": "/segments/friends", "value": segment},
        {"op": "replace", "path": f"{AGENTS}/rules", "value": rules},
        {
            "op": "replace",
            "path": f"{AGENTS}/prerequisites",
            "value": [{"flag": NO_WEB, "values": [True]}],
        },
        {"op": "replace", "path": f"{AGENTS}/expires_on", "value": "2030-01-31"},
    ]
    change = changes.propose(KEY, proposals.patch(patch), by=engineer, reason="try")
    approved_and_applied(change)

    found = configuration.read(rollout)
    assert found["segments"] == {"friends": segment}
    assert found["flags"][WAVE1_AGENTS]["rules"] == rules
    assert found["flags"][WAVE1_AGENTS]["expires_on"] == "2030-01-31"

    fewer = replace(f"{AGENTS}/rules/0", None, "remove")
    approved_and_applied(changes.propose(KEY, fewer, by=engineer, reason="less"))
    assert configuration.read(rollout)["flags"][WAVE1_AGENTS]["rules"] == rules[1:]
    assert Rule.objects.filter(is_live=False).count() == 2  # they stay as they were


def test_a_flag_that_is_taken_out_comes_back_with_its_history(engineer, rollout):
    raw = configuration.read(rollout)["flags"]["PAI_DR_CLI_RUNS_ROOT"]
    path = "/flags/PAI_DR_CLI_RUNS_ROOT"
    approved_and_applied(propose(engineer, path, None, "remove"))
    assert "PAI_DR_CLI_RUNS_ROOT" not in configuration.read(rollout)["flags"]

    approved_and_applied(propose(engineer, path, raw, "add"))

    assert configuration.read(rollout)["flags"]["PAI_DR_CLI_RUNS_ROOT"] == raw
    assert Flag.objects.get(key="PAI_DR_CLI_RUNS_ROOT").history.count() == 3


def test_an_earlier_revision_is_restored_through_a_change(engineer, rollout):
    before = configuration.read(rollout)
    revision = Snapshot.objects.order_by("-revision")[0].revision
    approved_and_applied(propose(engineer, f"{AGENTS}/default", 9))
    propose(engineer, "/stages/broad-rollout/coverage", 1)

    change = changes.propose(
        KEY, proposals.revision(rollout, revision), by=engineer, reason="back"
    )
    approved_and_applied(change)

    assert configuration.read(rollout) == before
    newest = Snapshot.objects.order_by("-revision")[0]
    assert newest.digest == Snapshot.objects.get(revision=revision).digest


def test_an_exported_configuration_is_imported_through_a_change(engineer, rollout):
    document = configuration.read(rollout)
    document["flags"][WAVE1_AGENTS]["default"] = 2

    change = changes.propose(
        KEY, proposals.replacement(document), by=engineer, reason="as in staging"
    )

    assert [edit["path"] for edit in change.edits] == [f"{AGENTS}/default"]
    assert the_default() == 2


def test_triggers_are_made_stricter_at_once_and_looser_by_two(engineer, rollout):
    hang = "/triggers/silent-hang"
    propose(engineer, f"{hang}/action", "switch_off")
    stricter = configuration.read(rollout)["triggers"]["silent-hang"]
    assert stricter["action"] == "switch_off"

    gone = propose(engineer, hang, None, "remove")
    assert gone.state == ChangeState.OPEN
    approved_and_applied(gone)
    assert "silent-hang" not in configuration.read(rollout)["triggers"]
    assert not Trigger.objects.get(key="silent-hang").is_live
    a_rollout()  # seeding again brings back nothing that was taken out
    assert "silent-hang" not in configuration.read(rollout)["triggers"]

    propose(engineer, hang, stricter, "add")
    assert configuration.read(rollout)["triggers"]["silent-hang"] == stricter


def test_triggers_outlive_the_restoring_of_a_revision_and_an_old_export(
    engineer, rollout
):
    old = configuration.read(rollout)
    del old["triggers"]
    revision = Snapshot.objects.order_by("-revision")[0].revision
    propose(engineer, "/triggers/silent-hang/action", "switch_off")
    now = configuration.read(rollout)["triggers"]
    propose(engineer, f"{AGENTS}/default", 3)

    restored = proposals.revision(rollout, revision)
    change = changes.propose(KEY, restored, by=engineer, reason="back")
    approved_and_applied(change)
    assert configuration.read(rollout)["triggers"] == now

    old["flags"][WAVE1_AGENTS]["default"] = 2
    imported = proposals.replacement(old)
    change = changes.propose(KEY, imported, by=engineer, reason="from the old portal")
    assert [edit["path"] for edit in change.edits] == [f"{AGENTS}/default"]
    assert configuration.read(rollout)["triggers"] == now


def test_what_waits_is_applied_later_by_anybody_who_may(engineer):
    change = propose(engineer, f"{AGENTS}/default", 3, waits=True)
    assert (change.state, the_default()) == (ChangeState.OPEN, 6)

    changes.apply(change.pk, by=an_actor("operator"), reason="now")

    assert the_default() == 3


def test_whether_runs_are_let_in_is_decided_and_not_set(engineer):
    flag = flags.find(KEY, "PAI_DR_OPTION_C_ENABLED")

    with pytest.raises(Invalid) as refusal:
        flags.change_default(flag.pk, True, by=engineer, reason="on!")

    assert refusal.value.code == "FLAG_IS_THE_DECISION"


def test_a_value_outside_the_clamp_is_refused_when_it_is_proposed(engineer):
    with pytest.raises(Invalid):
        flags.change_default(
            flags.find(KEY, WAVE1_AGENTS).pk, 51, by=engineer, reason="more"
        )


def test_a_change_of_a_plan_is_in_the_next_snapshot(engineer):
    stage = Stage.objects.get(position=0)
    propose(engineer, f"/stages/{stage.key}/plan/teams", ["alpha"])

    newest = Snapshot.objects.order_by("-revision")[0]
    assert '"teams":["alpha"]' in newest.body


def _in_an_hour():
    return clock.now() + timedelta(hours=1)


def test_a_freeze_lets_nothing_through_but_what_is_safer(engineer):
    high = propose(engineer, f"{AGENTS}/default", 9)
    approved(high)
    frozen = freezes.freeze(
        KEY, Scope.EXPANSION, _in_an_hour(), by=engineer, reason="holiday"
    )

    with pytest.raises(WrongMoment) as refusal:
        changes.apply(high.pk, by=engineer, reason="now")
    assert refusal.value.code == "FROZEN"
    freezes.lift(frozen.pk, by=engineer, reason="over")
    changes.apply(high.pk, by=engineer, reason="now")

    low = propose(engineer, "/flags/PAI_DR_CLI_RUNS_ROOT/default", "/elsewhere")
    approved(low)
    freezes.freeze(KEY, Scope.CHANGES, _in_an_hour(), by=engineer, reason="holiday")
    with pytest.raises(WrongMoment):
        changes.apply(low.pk, by=engineer, reason="now")
    assert propose(engineer, f"{AGENTS}/default", 2).state == ChangeState.APPLIED


def test_an_act_on_what_somebody_else_has_changed_meanwhile_is_refused(engineer):
    change = propose(engineer, f"{AGENTS}/default", 3, waits=True)
    seen = changes.version(change)
    changes.revise(
        change.pk, replace(f"{AGENTS}/default", 2), by=engineer, reason="less"
    )

    for act in (
        lambda: changes.revise(
            change.pk,
            replace(f"{AGENTS}/default", 4),
            by=engineer,
            reason="other",
            seen=seen,
        ),
        lambda: changes.apply(change.pk, by=engineer, reason="now", seen=seen),
        lambda: changes.schedule(
            change.pk, _in_an_hour(), by=engineer, reason="later", seen=seen
        ),
    ):
        with pytest.raises(PreconditionFailed):
            act()
    assert the_default() == 6


def test_a_segment_may_be_called_coverage(engineer):
    segment = {"description": "", "conditions": [is_team("alpha")]}
    propose(engineer, "/segments/coverage", segment, "add")
    other = {"description": "", "conditions": [is_team("beta")]}

    assert propose(engineer, "/segments/coverage", other).state == ChangeState.APPLIED


def test_the_ledger_keeps_no_credentials(engineer):
    secret = "https://me:hunter2@example.org/x?zone=hunter3"
    propose(engineer, "/flags/PAI_DR_CLI_CITATIONS_APIFY_ENDPOINT/default", secret)

    assert not LedgerEntry.objects.filter(body__contains="hunter").exists()
