"""What goes wrong opens an incident by itself, once, with the right row."""

from datetime import timedelta

import pytest
import time_machine
from django.db import transaction

from drills.domain.incidents import REOPENS_WITHIN, Act, Kind, Severity, State
from drills.domain.timeline import MOST_DISTINCT, OTHERS, EntryKind
from drills.models import Incident, Sighting
from drills.services import lookout, opening
from drills.services.sightings import notice
from portal import clock
from portal.models import Job, LedgerEntry
from portal.services import actors
from rollout.domain.runs import RunKind
from rollout.models import RolloutKind, Run, TriggerFiring
from rollout.services import artifacts, documents, readiness, triggers
from rollout.services.consequences import Cause, announce
from tests.builders import an_actor
from tests.drills.builders import a_run, in_state, move, taken
from tests.rollout.builders import (
    KEY,
    a_finished_run,
    a_service,
    an_open_stage,
)
from tests.rollout.documents import a_manifest, raw, some_gates, spent
from tests.rollout.test_triggers import admitted, blocked

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rows")]


@pytest.fixture
def run(db):
    an_open_stage()
    return a_run()


def went_wrong(cause: str, run: Run, **facts: object) -> None:
    announce(cause, run, by=actors.system(), **facts)


@pytest.fixture
def settle(carry_out_jobs):
    """Lets the relay and the workers do what follows, until nothing does."""

    def settle() -> None:
        while lookout.sweep() + carry_out_jobs():
            pass

    return settle


def the_incident() -> Incident:
    return Incident.objects.get()


# One incident, with its row


@pytest.mark.parametrize(
    ("cause", "facts", "row", "severity"),
    [
        (Cause.HARD_GATE_FAILED, {"gate": "B"}, "wave-output-invalid", 3),
        (Cause.HARD_GATE_FAILED, {"gate": "C"}, "citation-integrity", 3),
        (Cause.HARD_GATE_FAILED, {"gate": "D"}, "summary-or-synthesis", 3),
        (Cause.HARD_GATE_FAILED, {"gate": "E"}, "summary-or-synthesis", 3),
        (Cause.HARD_GATE_FAILED, {"gate": "F"}, "web-exposure", 1),
        (Cause.FINAL_RUN_REVIVED, {}, "run-revived", 2),
        (Cause.TIMED_OUT, {"stage": "wave1"}, "silent-hang", 2),
        (Cause.REVISION_CONFLICT, {"document": "gates"}, "revision-conflict", 3),
        (Cause.GATE_INPUTS_DRIFT, {"gates": ["B"]}, "gate-inputs-drift", 3),
        (Cause.PROVIDER_FAILED, {}, "provider-outage", 2),
        (Cause.SOURCES_BLOCKED, {}, "sources-blocked", 3),
        (Cause.WEB_EXPOSED, {}, "web-exposure", 1),
    ],
)
def test_every_cause_opens_one_incident_with_its_row(run, cause, facts, row, severity):
    for _ in range(3):
        went_wrong(cause, run, **facts)

    assert len(taken()) == 1

    found = the_incident()
    assert (found.row.key, found.severity) == (row, severity)
    assert (found.kind, found.state, found.seen) == (Kind.REAL, State.OPEN, 3)
    assert found.steps == found.row.diagnosis
    assert found.stage == run.attempt.stage
    assert [each.subject_name for each in found.links.all()] == ["run-1"]


@pytest.mark.parametrize("cause", [*Cause, "agent_silent", "finding_blocked"])
def test_what_no_row_knows_opens_an_incident_all_the_same(run, cause):
    if cause == Cause.TRIGGER_FIRED:
        return  # it comes with a firing, and is a sign of what made it fire
    went_wrong(cause, run, gate="A")

    taken()

    assert the_incident().title


def test_an_incident_is_opened_in_the_ledger_by_the_system(run):
    went_wrong(Cause.TIMED_OUT, run)

    taken()

    line = LedgerEntry.objects.order_by("-seq")[0]
    assert (line.actor_name, line.verb) == ("system", "drills.incident.opened")
    assert '"row":"silent-hang"' in line.body


def test_other_gates_stages_and_configurations_are_other_incidents(run):
    for gate in "BC":
        went_wrong(Cause.HARD_GATE_FAILED, run, gate=gate)
    run.fingerprint = "sha256:another"
    went_wrong(Cause.HARD_GATE_FAILED, run, gate="B")

    taken()

    assert Incident.objects.count() == 3


def test_what_is_undone_with_its_cause_leaves_no_sign(run):
    point = transaction.savepoint()
    went_wrong(Cause.TIMED_OUT, run)

    transaction.savepoint_rollback(point)

    assert not Sighting.objects.exists()


# Drills, and what tells of the past


def test_a_drill_opens_an_incident_of_its_own_kind(run):
    went_wrong(Cause.TIMED_OUT, run)
    run.rollout.kind = RolloutKind.DRILL
    went_wrong(Cause.TIMED_OUT, run)

    taken()

    kinds = Incident.objects.values_list("kind", flat=True)
    assert sorted(kinds) == [Kind.DRILL, Kind.REAL]


def test_imported_runs_open_nothing(run):
    run.kind = RunKind.IMPORTED

    went_wrong(Cause.HARD_GATE_FAILED, run, gate="B")

    assert not Sighting.objects.exists()


# Triggers, and what explains what


def test_a_trigger_joins_the_incident_of_its_cause(settle):
    an_open_stage(sensitivity="normal", forces_no_web=False)
    admitted("run-1")
    blocked("run-1")

    settle()

    assert TriggerFiring.objects.get().trigger.key == "sources-blocked"
    found = the_incident()
    assert (found.row.key, found.seen) == ("sources-blocked", 2)
    linked = set(found.links.values_list("subject_type", flat=True))
    assert linked == {"rollout.run", "rollout.artifact"}


def test_what_follows_from_blocked_sources_is_no_second_incident(run):
    admitted("run-2")
    blocked("run-2")
    other = Run.objects.get(run_id="run-2")

    went_wrong(Cause.HARD_GATE_FAILED, other, gate="C")
    taken()

    assert the_incident().row.key == "sources-blocked"
    went_wrong(Cause.HARD_GATE_FAILED, run, gate="C")
    taken()
    assert Incident.objects.count() == 2


def test_a_trigger_that_rolls_back_makes_it_serious(settle):
    stage = an_open_stage(on_hard_gate_failure="roll_back")
    a_finished_run("run-1", passed="ACDEF", failed="B")

    settle()

    found = the_incident()
    assert (found.row.key, found.severity) == ("wave-output-invalid", Severity.HIGH)
    assert found.links.filter(subject_type="rollout.rollback").count() == 1
    assert [c.name for c in readiness.checks(stage) if "incident" in c.says] == [
        "No serious incident"
    ]


def test_a_verification_that_failed_opens_an_incident():
    an_open_stage()
    act = {"by": actors.system(), "reason": "test"}

    triggers.consider_verification(KEY, "17", "The flag check failed.", **act)
    taken()

    found = the_incident()
    assert (found.row.key, found.cause) == ("flag-contract", "verification_failed")


# Coming back


def test_what_comes_back_soon_is_the_same_incident_again(run):
    operator = an_actor("operator")
    went_wrong(Cause.TIMED_OUT, run)
    taken()
    incident = in_state(the_incident(), State.RESOLVED, by=operator)

    went_wrong(Cause.TIMED_OUT, run)
    taken()

    found = the_incident()
    assert (found.pk, found.state, found.reopened) == (incident.pk, State.OPEN, 1)


@pytest.mark.parametrize("ending", [State.CLOSED, State.CANCELLED])
def test_after_its_end_a_new_one_names_the_one_before(run, ending):
    operator = an_actor("operator")
    went_wrong(Cause.SOURCES_BLOCKED, run)
    taken()
    before = in_state(the_incident(), ending, by=operator)

    went_wrong(Cause.SOURCES_BLOCKED, run)
    taken()

    assert Incident.objects.get(state=State.OPEN).previous == before


def test_what_comes_back_late_is_a_new_incident(run):
    went_wrong(Cause.SOURCES_BLOCKED, run)
    taken()
    before = in_state(the_incident(), State.RESOLVED)
    later = clock.now() + REOPENS_WITHIN + timedelta(minutes=1)

    with time_machine.travel(later, tick=False):
        went_wrong(Cause.SOURCES_BLOCKED, run)
        taken()

    assert Incident.objects.get(state=State.OPEN).previous == before


def test_two_of_one_subject_are_never_active_together(run):
    operator = an_actor("operator")
    went_wrong(Cause.SOURCES_BLOCKED, run)
    taken()
    before = in_state(the_incident(), State.RESOLVED, by=operator)
    later = clock.now() + REOPENS_WITHIN + timedelta(minutes=1)

    with time_machine.travel(later, tick=False):
        went_wrong(Cause.SOURCES_BLOCKED, run)
        taken()
        with pytest.raises(Exception, match="active by now") as refused:
            move(before, Act.REOPEN, by=operator)

    assert refused.value.facts["incident"] == Incident.objects.latest("pk").pk


# Storms


def test_a_storm_is_one_incident_with_a_timeline_to_read(run):
    for number in range(3):
        for _ in range(100):
            went_wrong(Cause.PROVIDER_FAILED, run)
        lookout.sweep()
        taken()
        assert number < 3

    found = the_incident()
    assert found.seen == 300
    (sign,) = found.timeline.filter(kind=EntryKind.SIGN)
    assert sign.count == 300
    assert not Sighting.objects.exists()
    opened = LedgerEntry.objects.filter(verb__startswith="drills.incident")
    assert opened.count() == 1


def test_many_wordings_are_not_as_many_lines(run):
    class Said:
        def __init__(self, number: int) -> None:
            self.says = f"HTTP 503, request {number}"

    for number in range(MOST_DISTINCT + 30):
        went_wrong(Cause.PROVIDER_FAILED, run, symptom=Said(number))
    taken()

    signs = the_incident().timeline.filter(kind=EntryKind.SIGN)
    assert signs.count() == MOST_DISTINCT + 1
    assert signs.get(says=OTHERS).count == 30


def test_signs_after_a_move_stand_in_their_own_line(run):
    went_wrong(Cause.PROVIDER_FAILED, run)
    taken()
    move(the_incident(), Act.ACKNOWLEDGE)
    went_wrong(Cause.PROVIDER_FAILED, run)
    taken()

    kinds = the_incident().timeline.order_by("pk").values_list("kind", flat=True)
    assert list(kinds) == ["move", "sign", "move", "sign"]


def test_a_sweep_asks_once_for_each_subject(run):
    for gate in "BC":
        went_wrong(Cause.HARD_GATE_FAILED, run, gate=gate)
        went_wrong(Cause.HARD_GATE_FAILED, run, gate=gate)

    lookout.sweep()
    lookout.sweep()

    assert Job.objects.filter(kind="drills.jobs.take_signs").count() == 2


def test_taking_twice_adds_nothing(run):
    went_wrong(Cause.TIMED_OUT, run)
    (found,) = taken()

    act = {"by": actors.system(), "reason": "t"}
    assert opening.take_signs(found.fingerprint, **act) is None
    assert the_incident().seen == 1


def test_noticing_costs_the_same_however_much_is_waiting(
    run, django_assert_max_num_queries
):
    for _ in range(50):
        went_wrong(Cause.PROVIDER_FAILED, run)

    with django_assert_max_num_queries(2):
        notice(Cause.PROVIDER_FAILED, run, by=actors.system())


# From the documents of a run


def test_a_hang_is_as_old_as_the_last_progress(run):
    run.stage_since = clock.now() - timedelta(minutes=10)

    went_wrong(Cause.TIMED_OUT, run)
    taken()

    found = the_incident()
    assert found.opened_at - found.began_at >= timedelta(minutes=10)


def test_a_revival_and_a_conflict_come_from_what_is_reported(run):
    service, _ = a_service()
    act = {"by": service, "reason": "t"}
    manifest = a_manifest(status="completed", revision=1)
    documents.receive_manifest(KEY, "run-1", raw(manifest), **act)
    documents.receive_manifest(
        KEY, "run-1", raw(a_manifest(status="running", revision=2)), **act
    )
    gates = some_gates()
    documents.receive_gates(KEY, "run-1", raw(gates), **act)
    other = raw(some_gates(passed="A"))
    documents.receive_gates(KEY, "run-1", other, **act)
    taken()

    rows = Incident.objects.values_list("row__key", flat=True)
    assert sorted(rows) == ["revision-conflict", "run-revived"]


def test_a_gate_that_fails_for_good_comes_from_a_fallback(run, settle):
    service, _ = a_service()
    act = {"by": service, "reason": "t"}
    artifacts.store(KEY, "run-1", "logs/audit.jsonl", [b"{}"], **act)
    documents.receive_manifest(KEY, "run-1", raw(a_manifest(**spent())), **act)
    documents.receive_gates(KEY, "run-1", raw(some_gates(failed="B")), **act)
    settle()

    found = the_incident()
    assert (found.cause, found.gate) == ("hard_gate_failed", "B")
    assert found.row.key == "wave-output-invalid"
