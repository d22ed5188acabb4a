"""An incident from its opening to its closing."""

from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import product

import pytest
import time_machine
from django.db import IntegrityError, connection, transaction

from drills.domain.incidents import ACTIVE, MOVES, Act, Kind, Severity, State
from drills.domain.roles import IncidentRole
from drills.domain.verbs import Verb
from drills.models import Incident, TimelineEntry
from drills.services import handovers, incidents, opening, postmortems, tasks
from portal import clock
from portal.errors import (
    Conflict,
    Invalid,
    NotAllowed,
    NotFound,
    PreconditionFailed,
    WrongMoment,
)
from portal.models import LedgerEntry
from tests.builders import an_actor, the_last_line
from tests.drills.builders import a_postmortem, an_incident, in_state, move
from tests.rollout.builders import KEY, a_rollout

pytestmark = pytest.mark.django_db


@contextmanager
def undone():
    """Whatever is done within this is undone afterwards."""
    point = transaction.savepoint()
    try:
        yield
    finally:
        transaction.savepoint_rollback(point)


@pytest.fixture
def operator(db):
    return an_actor("operator", name="Olga")


def test_an_incident_is_worked_from_open_to_closed(operator):
    incident = an_incident(by=operator)

    incident = in_state(incident, State.CLOSED, by=operator)

    assert incident.is_over
    assert incident.commander == operator.person
    told = TimelineEntry.objects.filter(incident=incident).values_list("says")
    assert [says.partition(":")[0] for (says,) in told] == [
        *("Opened", "Acknowledged", "Mitigated", "Resolved", "Reviewed", "Closed")
    ]
    assert the_last_line() == ("Olga", Verb.INCIDENT_CLOSED, "done")
    assert incident.history.count() == 6


def test_only_legal_moves_are_made(operator):
    for state in State:
        incident = in_state(an_incident(by=operator), state, by=operator)
        legal = [str(act) for found, act in MOVES if found == state]
        for act in Act:
            with undone():
                if (state, act) in MOVES:
                    moved = move(incident, act, by=operator)
                    assert moved.state == MOVES[state, act]
                    continue
                lines = LedgerEntry.objects.count()
                with pytest.raises(WrongMoment) as refused:
                    move(incident, act, by=operator)
                assert refused.value.facts["possible"] == legal
                assert LedgerEntry.objects.count() == lines


def test_the_database_knows_the_same_moves(operator):
    reached = ("acknowledged_at", "mitigated_at", "resolved_at", "reviewed_at")
    reached = (*reached, "closed_at", "cancelled_at", "is_over", "state")
    sets = ", ".join(f"{name} = %s" for name in reached)
    there = {s: in_state(an_incident(by=operator), s, by=operator) for s in State}
    moves = {(state, onward) for (state, _), onward in MOVES.items()}

    for before, after in product(State, State):
        found = [getattr(there[after], name) for name in reached]
        values = [clock.now() if isinstance(v, datetime) else v for v in found]
        is_refused = False
        with undone(), connection.cursor() as cursor:
            # With all milestones of that state: nothing but the move can be wrong.
            sql = f"UPDATE drills_incident SET {sets} WHERE id = %s"
            try:
                with transaction.atomic():
                    cursor.execute(sql, [*values, there[before].pk])
            except IntegrityError as error:
                is_refused = "does not become" in str(error)
        assert is_refused == (before != after and (before, after) not in moves)


@pytest.mark.parametrize(
    "change",
    [
        "kind = 'drill'",
        "fingerprint = 'another'",
        "opened_at = opened_at - interval '1 hour'",
        "severity = 5",
        "acknowledged_at = now()",
        "is_over = true",
        "state = 'acknowledged'",
        "state = 'acknowledged', acknowledged_at = opened_at - interval '1 second'",
        "state = 'nowhere'",
    ],
)
def test_the_database_refuses_what_cannot_be(change):
    incident = an_incident()

    with (
        pytest.raises(IntegrityError),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(
            f"UPDATE drills_incident SET {change} WHERE id = %s", [incident.pk]
        )


def test_nothing_of_it_is_ever_deleted_or_rewritten():
    incident = an_incident()

    for sql in (
        "DELETE FROM drills_timelineentry",
        "UPDATE drills_timelineentry SET says = 'nothing happened'",
        "UPDATE drills_timelineentry SET count = 7",
        "DELETE FROM drills_historicalincident",
    ):
        with (
            pytest.raises(IntegrityError),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(sql)
    assert incident.timeline.count() == 1


# Milestones


def test_a_milestone_can_be_said_later_but_not_before_the_one_ahead_of_it(operator):
    incident = an_incident(by=operator)
    move(incident, Act.ACKNOWLEDGE, by=operator)
    was_safe = clock.now()

    with time_machine.travel(was_safe + timedelta(hours=1), tick=False):
        for wrong in (was_safe - timedelta(days=1), clock.now() + timedelta(days=1)):
            with pytest.raises(Invalid) as refused:
                move(incident, Act.MITIGATE, by=operator, at=wrong)
            assert refused.value.code == "MILESTONE_OUT_OF_ORDER"
        found = move(incident, Act.MITIGATE, by=operator, at=was_safe)

    assert found.mitigated_at == was_safe


def test_what_leads_back_takes_the_milestones_away_and_counts(operator):
    incident = in_state(an_incident(by=operator), State.RESOLVED, by=operator)

    found = move(incident, Act.REOPEN, by=operator)

    assert (found.state, found.acknowledged_at, found.resolved_at) == (
        State.OPEN,
        None,
        None,
    )
    assert found.reopened == 1


# Who may, and who is known


@pytest.mark.parametrize("role", ["auditor", "administrator"])
def test_who_may_not_work_on_incidents_is_refused(role):
    incident = an_incident()

    with pytest.raises(NotAllowed):
        move(incident, Act.ACKNOWLEDGE, by=an_actor(role))
    assert Incident.objects.get().state == State.OPEN


def test_an_incident_that_is_not_there_is_not_found(operator):
    with pytest.raises(NotFound):
        incidents.move(17, Act.CLOSE, by=operator, reason="t")


def test_a_role_is_handed_over_and_the_timeline_names_both(operator):
    incident = in_state(an_incident(by=operator), State.ACKNOWLEDGED, by=operator)
    quentin = an_actor("qa", name="Quentin")

    found = handovers.hand_over(
        incident.pk, IncidentRole.COMMANDER, "quentin", by=operator, reason="My shift."
    )

    assert found.commander == quentin.person
    last = incident.timeline.order_by("-pk")[0]
    assert last.says == "Commander: Olga → Quentin. My shift."


@pytest.mark.parametrize("name", ["nobody", "audrey", "x" * 5000])
def test_a_role_goes_to_nobody_unknown_and_to_no_reader(operator, name):
    an_actor("auditor", name="Audrey")
    incident = an_incident(by=operator)

    with pytest.raises(Invalid) as refused:
        handovers.hand_over(
            incident.pk, IncidentRole.SCRIBE, name, by=operator, reason="t"
        )
    assert refused.value.facts["errors"][0]["pointer"] == "/person"


# Tasks and closing


def a_task(incident, operator, **said):
    due = clock.now() + timedelta(days=1)
    act = {"by": operator, "reason": "t"}
    owner = operator.person.username
    return tasks.give(incident.pk, "Ask the host", owner, due, **act, **said)


def test_an_open_required_task_keeps_an_incident_from_closing(operator):
    incident = in_state(an_incident(by=operator), State.REVIEWED, by=operator)
    task = a_task(incident, operator)
    a_task(incident, operator, is_required=False)

    with pytest.raises(WrongMoment) as refused:
        move(incident, Act.CLOSE, by=operator)
    tasks.move(task.pk, tasks.Act.FINISH, by=operator, reason="asked")

    assert refused.value.code == "TASKS_OPEN"
    assert refused.value.facts["tasks"] == ["Ask the host"]
    assert move(incident, Act.CLOSE, by=operator).state == State.CLOSED


def test_a_task_has_a_title_an_owner_and_a_date_to_come(operator):
    incident = an_incident(by=operator)
    due = clock.now() + timedelta(days=1)
    act = {"by": operator, "reason": "t"}

    for title, owner, when in (
        ("", "olga", due),
        ("x" * 201, "olga", due),
        ("Ask", "nobody", due),
        ("Ask", "olga", clock.now() - timedelta(seconds=1)),
        ("Ask", "olga", clock.now() + timedelta(days=366)),
    ):
        with pytest.raises(Invalid):
            tasks.give(incident.pk, title, owner, when, **act)
    assert not incident.tasks.exists()


def test_a_task_is_done_once_and_can_be_taken_up_again(operator):
    task = a_task(an_incident(by=operator), operator)
    act = {"by": operator, "reason": "t"}

    tasks.move(task.pk, tasks.Act.DROP, **act)
    with pytest.raises(WrongMoment):
        tasks.move(task.pk, tasks.Act.FINISH, **act)

    assert tasks.move(task.pk, tasks.Act.REOPEN, **act).ended_at is None


def test_what_is_over_takes_nothing_more(operator):
    incident = in_state(an_incident(by=operator), State.CANCELLED, by=operator)

    with pytest.raises(WrongMoment):
        incidents.note(incident.pk, "too late", by=operator, reason="t")
    with pytest.raises(WrongMoment):
        a_task(incident, operator)


# Postmortems


def test_a_serious_incident_is_reviewed_in_a_postmortem_that_a_person_wrote(operator):
    incident = an_incident(severity=Severity.HIGH, by=operator)
    in_state(incident, State.RESOLVED, by=operator)

    with pytest.raises(WrongMoment) as without:
        move(incident, Act.REVIEW, by=operator)
    postmortems.begin(incident.pk, by=operator, reason="t")
    with pytest.raises(WrongMoment):
        move(incident, Act.REVIEW, by=operator)
    postmortems.write(incident.pk, "It was the disk.", 1, by=operator, reason="t")

    assert without.value.code == "POSTMORTEM_MISSING"
    assert move(incident, Act.REVIEW, by=operator).state == State.REVIEWED


def test_a_draft_has_the_timeline_and_what_is_linked(operator):
    incident = an_incident(severity=Severity.HIGH, by=operator, row_key="")
    incidents.note(incident.pk, "The host answers 403.", by=operator, reason="t")
    a_task(incident, operator)

    made = postmortems.begin(incident.pk, by=operator, reason="t")

    for fact in (
        f"# Postmortem of incident {incident.pk}: {incident.title}",
        "Severity 2.",
        "Olga: The host answers 403.",
        "to acknowledge: not reached",
        "- Ask the host (Olga,",
    ):
        assert fact in made.text


def test_two_who_write_at_once_do_not_overwrite_each_other(operator):
    incident = an_incident(by=operator)
    a_postmortem(incident, by=operator)

    with pytest.raises(PreconditionFailed) as refused:
        postmortems.write(incident.pk, "Mine.", 1, by=operator, reason="t")

    assert refused.value.facts["revision"] == 2
    found = postmortems.of(incident)
    assert found.text == "What it was."
    assert [each.revision for each in found.history.order_by("revision")] == [1, 2]


@pytest.mark.parametrize("text", ["", "   ", "x" * 100_001])
def test_a_postmortem_says_something_and_ends(operator, text):
    incident = an_incident(by=operator)
    postmortems.begin(incident.pk, by=operator, reason="t")

    with pytest.raises(Invalid):
        postmortems.write(incident.pk, text, 1, by=operator, reason="t")


# By hand


def test_what_is_opened_by_hand_twice_is_refused_with_the_first(operator):
    a_rollout()
    said = {"by": operator, "reason": "seen"}
    first = opening.open_by_hand(KEY, "Disk full", Severity.LOW, **said)

    with pytest.raises(Conflict) as refused:
        opening.open_by_hand(KEY, "disk  FULL", Severity.HIGH, **said)
    drill = opening.open_by_hand(
        KEY, "Disk full", Severity.LOW, kind=Kind.DRILL, **said
    )

    assert refused.value.facts["incident"] == first.pk
    assert {drill.state, first.state} <= set(ACTIVE)


@pytest.mark.parametrize(
    ("title", "said"),
    [
        ("", {}),
        ("x" * 201, {}),
        ("Disk", {"began_at": clock.now() + timedelta(days=1)}),
        ("Disk", {"row_key": "no-such-row"}),
        ("Disk", {"stage_key": "no-such-stage"}),
    ],
)
def test_an_incident_needs_a_title_and_what_there_is(operator, title, said):
    a_rollout()

    with pytest.raises((Invalid, NotFound)):
        opening.open_by_hand(
            KEY, title, Severity.LOW, by=operator, reason="seen", **said
        )
    assert not Incident.objects.exists()


def test_secrets_in_notes_are_not_kept(operator):
    incident = an_incident(by=operator)

    incidents.note(
        incident.pk, "It sent password=hunter2hunter2", by=operator, reason="t"
    )

    said = incident.timeline.order_by("-pk")[0].says
    assert "hunter2" not in said
    assert "hunter2" not in LedgerEntry.objects.order_by("-seq")[0].body
