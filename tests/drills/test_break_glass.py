"""Break-glass towards exposure: what it opens, what it never opens, what it costs."""

from datetime import timedelta

import pytest
import time_machine
from django.db import DatabaseError, connection, transaction
from django.urls import reverse

from drills.domain.break_glass import REVIEW_WITHIN
from drills.domain.incidents import Act as IncidentAct
from drills.domain.incidents import Kind, Severity
from drills.domain.tasks import Act, TaskState
from drills.domain.verbs import Verb
from drills.models import BreakGlass, Incident
from drills.services import break_glass, tasks
from portal import clock
from portal.errors import NotAllowed, Refusal, WrongMoment
from portal.models import Actor, Approval, LedgerEntry
from portal.services import actors, approvals
from rollout.domain.freezes import Scope
from rollout.models import Stage
from rollout.services import freezes, promotions, stages, switch
from tests.builders import an_actor, the_last_line, with_password
from tests.drills.builders import an_incident, move
from tests.readiness import all_else_is_green
from tests.rollout.builders import KEY, a_running_stage, confirmed
from tests.rollout.test_admin import signed_in

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def stage() -> Stage:
    """A stage that a person judges, and for which everything is green."""
    stage = a_running_stage()
    all_else_is_green()
    return stage


def something_serious(**said: object) -> Incident:
    return an_incident(severity=Severity.CRITICAL, **said)


def asked(
    incident: Incident,
    *precautions: str,
    lasts: timedelta = HOUR,
    by: Actor | None = None,
) -> Approval:
    return break_glass.request_breaking(
        incident.pk,
        list(precautions or ["incidents"]),
        lasts,
        by=by or an_actor("engineer"),
        reason="the standard workflow harms people",
    )


def broken(incident: Incident, *precautions: str, **said: object) -> BreakGlass:
    request = asked(incident, *precautions, **said)
    approvals.confirm(
        request.pk, by=with_password(an_actor("architect")), reason="it does"
    )
    return BreakGlass.objects.latest("pk")


def ask_to_promote(stage: Stage) -> Approval:
    return promotions.request_promotion(
        stage.pk, by=an_actor("engineer"), reason="the way out"
    )


def promoted(stage: Stage) -> str:
    confirmed(ask_to_promote(stage))
    stage.refresh_from_db()
    return stage.state


def refused(stage: Stage) -> WrongMoment:
    with pytest.raises(WrongMoment) as refusal:
        ask_to_promote(stage)
    return refusal.value


# What it opens


def test_two_people_pass_over_an_open_incident(stage):
    incident = something_serious()
    assert refused(stage).code == "NOT_READY"

    glass = broken(incident)

    assert promoted(stage) == "promoted"
    entry = LedgerEntry.objects.get(verb=Verb.GLASS_BROKEN)
    assert glass.asked_by != glass.confirmed_by
    assert glass.task.state == TaskState.OPEN
    assert '"precautions":["incidents"]' in entry.body


def test_what_is_passed_over_is_amber_and_says_by_what(stage):
    glass = broken(something_serious())

    strict = {each.name: each for each in promotions.readiness.checks(stage)}
    shown = {each.name: each for each in promotions.readiness.checks_for_people(stage)}
    name = "No serious incident"
    assert (strict[name].light, shown[name].light) == ("red", "amber")
    assert f"passed over by break-glass {glass.pk}" in shown[name].says


def test_only_what_was_named_is_passed_over(stage):
    broken(something_serious(), "verification")

    assert "No serious incident" in str(refused(stage))


def test_a_plan_that_goes_on_by_itself_waits_all_the_same(stage):
    broken(something_serious())

    assert promotions.lacking(stage)
    assert not promotions.lacking_for_people(stage)


# What it never opens


def test_the_switch_is_never_passed_over(stage):
    incident = something_serious()
    broken(incident, "incidents", "verification")

    switch.engage(KEY, by=an_actor("operator"), reason="stop")

    assert "the switch is engaged" in str(refused(stage))


def test_a_freeze_is_never_passed_over(stage):
    broken(something_serious(), "incidents", "verification")

    freezes.freeze(
        KEY, Scope.EXPANSION, clock.now() + HOUR, by=an_actor("qa"), reason="wait"
    )

    assert refused(stage).code == "FROZEN"


def test_drills_and_on_call_are_never_passed_over():
    stage = a_running_stage()
    broken(something_serious(), "incidents", "verification")

    says = str(refused(stage))

    assert "Drills fresh" in says
    assert "On call" in says
    assert "Verification" not in says


# Who, and when


def test_asking_and_confirming_takes_two_people_who_may(stage):
    incident = something_serious()
    architect = an_actor("architect")

    for role in ("qa", "auditor", "administrator"):
        with pytest.raises(NotAllowed):
            asked(incident, by=an_actor(role))
    request = asked(incident, by=architect)
    for by in (
        with_password(architect),
        with_password(an_actor("engineer")),
        an_actor("architect"),  # without the password
        actors.host(),
        actors.system(),
    ):
        with pytest.raises(NotAllowed):
            approvals.confirm(request.pk, by=by, reason="mine")
    assert not BreakGlass.objects.exists()
    for by in (actors.host(), actors.system()):
        with pytest.raises(NotAllowed):
            asked(incident, by=by)


def test_it_is_confirmed_within_an_hour(stage):
    request = asked(something_serious())
    architect = with_password(an_actor("architect"))

    with (
        time_machine.travel(clock.now() + timedelta(minutes=61)),
        pytest.raises(WrongMoment) as refusal,
    ):
        approvals.confirm(request.pk, by=architect, reason="late")

    assert refusal.value.code == "APPROVAL_EXPIRED"


@pytest.mark.parametrize("kind", [Kind.DRILL, Kind.TEST])
def test_a_drill_is_no_emergency(stage, kind):
    with pytest.raises(WrongMoment) as refusal:
        asked(an_incident(kind=kind))

    assert refusal.value.code == "NO_EMERGENCY"


def test_an_incident_that_is_over_ends_it(stage):
    incident = something_serious()
    request = asked(incident)
    move(incident, IncidentAct.CANCEL)

    with pytest.raises(WrongMoment):
        approvals.confirm(
            request.pk, by=with_password(an_actor("architect")), reason="too late"
        )
    other = something_serious()
    broken(other)
    assert break_glass.in_force().exists()
    move(other, IncidentAct.CANCEL)
    assert not break_glass.in_force().exists()


def test_there_is_one_at_a_time(stage):
    incident = something_serious()
    broken(incident)

    with pytest.raises(WrongMoment) as refusal:
        asked(incident, "verification")

    assert refusal.value.code == "GLASS_IS_BROKEN"


def test_it_ends_by_itself_and_by_anybody_who_may_hold(stage):
    glass = broken(something_serious(), lasts=timedelta(minutes=30))
    with time_machine.travel(clock.now() + timedelta(minutes=31)):
        assert "No serious incident" in str(refused(stage))

    with pytest.raises(NotAllowed):
        break_glass.end(glass.pk, by=an_actor("auditor"), reason="mine")
    break_glass.end(glass.pk, by=an_actor("operator"), reason="we are through")

    assert the_last_line()[1] == Verb.GLASS_MENDED
    assert "No serious incident" in str(refused(stage))
    with pytest.raises(WrongMoment):
        break_glass.end(glass.pk, by=an_actor("operator"), reason="again")


# The review


def a_review(glass: BreakGlass, by: Actor) -> BreakGlass:
    return break_glass.review(glass.pk, "It was right.", by=by, reason="looked")


def test_a_third_person_reviews_it_once_it_is_over(stage):
    glass = broken(something_serious())
    reviewer = an_actor("operator")
    with pytest.raises(WrongMoment, match="in force"):
        a_review(glass, reviewer)
    break_glass.end(glass.pk, by=reviewer, reason="through")

    for involved in (glass.asked_by, glass.confirmed_by):
        with pytest.raises(NotAllowed) as refusal:
            a_review(glass, actors.for_person(involved))
        assert refusal.value.code == "REVIEWER_INVOLVED"
    for by in (an_actor("auditor"), actors.host()):
        with pytest.raises(NotAllowed):
            a_review(glass, by)
    with pytest.raises(Refusal, match="what you have found"):
        break_glass.review(glass.pk, " ", by=reviewer, reason="looked")
    a_review(glass, reviewer)

    glass.refresh_from_db()
    assert (glass.reviewed_by, glass.task.state) == (reviewer.person, TaskState.DONE)
    with pytest.raises(WrongMoment):
        a_review(glass, an_actor("qa"))


def test_its_task_is_neither_finished_nor_dropped_by_itself(stage):
    glass = broken(something_serious())

    for act in (Act.FINISH, Act.DROP):
        with pytest.raises(NotAllowed) as refusal:
            tasks.move(glass.task_id, act, by=an_actor("operator"), reason="done")
        assert refusal.value.code == "REVIEW_REQUIRED"


def test_a_late_review_freezes_expansion_until_it_is_written(stage):
    incident = something_serious()
    glass = broken(incident)
    with time_machine.travel(clock.now() + REVIEW_WITHIN + HOUR):
        frozen = refused(stage)
        with pytest.raises(WrongMoment) as no_more:
            asked(incident)

        assert (frozen.code, frozen.facts["expires_at"]) == ("FROZEN", None)
        assert f"the review of break-glass {glass.pk} is late" in str(frozen)
        assert no_more.value.code == "REVIEW_LATE"
        held = stages.hold(stage.pk, by=an_actor("operator"), reason="careful")
        with pytest.raises(WrongMoment, match="is late"):
            stages.request_resume(held.pk, by=an_actor("engineer"), reason="on")
        a_review(glass, an_actor("qa"))
        stages.request_resume(held.pk, by=an_actor("engineer"), reason="on")


def test_a_late_review_never_stands_in_the_way_of_safety(stage):
    broken(something_serious())

    with time_machine.travel(clock.now() + REVIEW_WITHIN + HOUR):
        stages.hold(stage.pk, by=an_actor("operator"), reason="careful")
        assert switch.engage(KEY, by=an_actor("operator"), reason="off").is_engaged


def test_the_database_holds_it_too(stage):
    glass = broken(something_serious())

    for statement in (
        "UPDATE drills_breakglass SET confirmed_by_id = asked_by_id",
        "UPDATE drills_breakglass SET expires_at = begun_at + interval '5 hours'",
        "UPDATE drills_breakglass SET precautions = '{switch}'",
        "UPDATE drills_breakglass SET review_due_at = now()",
        "UPDATE drills_breakglass SET reviewed_at = now(),"
        " reviewed_by_id = asked_by_id, finding = 'fine'",
        "DELETE FROM drills_breakglass",
    ):
        with (
            pytest.raises(DatabaseError),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)
    glass.refresh_from_db()
    assert glass.reviewed_at is None


# Pages


def test_it_is_asked_for_confirmed_shown_everywhere_ended_and_reviewed(client, stage):
    incident = something_serious()
    signed_in(client, "engineer")
    client.post(
        reverse("admin:drills_incident_break_glass", args=[incident.pk]),
        {"precautions": ["incidents"], "minutes": "30", "reason": "people are harmed"},
    )
    request = Approval.objects.get(act=break_glass.BREAK)
    signed_in(client, "architect")
    confirm = reverse("admin:portal_approval_confirm", args=[request.pk])
    told = client.get(confirm).content.decode()
    assert "although a serious incident is open" in told
    assert "Glass is broken" not in told
    client.post(
        confirm, {"reason": "they are", "password": "correct horse battery staple"}
    )

    glass = BreakGlass.objects.get()
    for page in ("admin:index", "admin:portal_person_changelist"):
        assert "Glass is broken" in client.get(reverse(page)).content.decode()
    own = client.get(reverse("admin:drills_breakglass_change", args=[glass.pk]))
    assert "in force" in own.content.decode()
    client.post(
        reverse("admin:drills_breakglass_end", args=[glass.pk]), {"reason": "through"}
    )
    assert "Glass is broken" not in client.get(reverse("admin:index")).content.decode()

    signed_in(client, "operator")
    needs = client.get(reverse("admin:index")).content.decode()
    assert "Review the broken glass" in needs
    client.post(
        reverse("admin:drills_breakglass_review", args=[glass.pk]),
        {"finding": "Right, and late.", "reason": "looked"},
    )
    glass.refresh_from_db()
    assert glass.finding == "Right, and late."


def test_lists_ask_the_database_as_often_for_many(
    client, stage, django_assert_max_num_queries
):
    for _ in range(4):
        glass = broken(something_serious())
        break_glass.end(glass.pk, by=an_actor("operator"), reason="through")
    signed_in(client, "auditor")

    with django_assert_max_num_queries(14):
        client.get(reverse("admin:drills_breakglass_changelist"))
