"""Drills: who may, when one begins, what stops it, and what makes it count."""

from datetime import timedelta

import pytest
import time_machine
from django.db import DatabaseError, connection, transaction

from drills.domain.drills import VALID_FOR, Outcome, State, Validity
from drills.domain.incidents import Act, Kind, Severity
from drills.domain.scenarios import Scenario
from drills.models import Drill, DrillLever, DrillSchedule
from drills.services import (
    conducting,
    drills,
    durations,
    hand_logs,
    obstacles,
    schedules,
    standing,
    twins,
)
from drills.services.hand_logs import Upload
from portal import clock
from portal.domain.roles import Role
from portal.errors import Conflict, Invalid, NotAllowed, WrongMoment
from portal.models import ApiToken, LedgerEntry
from portal.services import actors
from rollout.domain import freezes as frozen
from rollout.domain.freezes import Scope
from rollout.domain.readiness import Light
from rollout.domain.runs import RunKind
from rollout.models import Evaluation, Run, Stage, Switch
from rollout.services import evaluations, freezes, readiness, rollouts, snapshots
from rollout.services.decisions import decide_for
from rollout.services.scans import scan as scan_content
from tests.builders import an_actor, the_last_line
from tests.drills.builders import an_incident, move
from tests.drills.drilling import (
    CONTENT,
    a_conducted_drill,
    an_observed_drill,
    every_scenario_is_fresh,
    the_live_one,
)
from tests.rollout.builders import ASKED, KEY, a_running_stage, a_service

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rows")]
PAUSE = Scenario.PAUSE_RESUME


@pytest.fixture
def stage(rows) -> Stage:
    return a_running_stage()


def start(name: str = PAUSE, **said: object) -> Drill:
    said.setdefault("by", an_actor("operator"))
    return drills.start(KEY, name, reason="Practice.", **said)


def code_of(call) -> str:
    with pytest.raises((Conflict, Invalid, NotAllowed, WrongMoment)) as refused:
        call()
    return refused.value.code


# Beginning


def test_the_ones_in_the_table_conduct_drills_and_nobody_else(stage):
    for role in Role:
        conductor = an_actor(role)
        if role in (Role.QA, Role.ENGINEER, Role.OPERATOR):
            drill = start(by=conductor)
            drills.stop(drill.pk, by=conductor, reason="enough")
        else:
            with pytest.raises(NotAllowed):
                start(by=conductor)


def test_a_drill_is_for_the_open_stage_and_its_present_configuration(stage):
    drill = start()

    assert (drill.stage, drill.state) == (stage, State.WAITING)
    assert drill.fingerprint == twins.fingerprint_of(stage)
    assert next(step["name"] for step in drill.plan) == "open_twin"
    assert the_last_line()[1] == "drills.drill.asked"


def test_one_drill_of_a_rollout_at_a_time(stage):
    first = start()

    assert code_of(start) == "DRILL_RUNNING"
    drills.stop(first.pk, by=an_actor("qa"), reason="enough")
    assert start(Scenario.FORCED_TIMEOUT).state == State.WAITING


def test_nothing_that_is_not_known_is_practised(stage):
    assert code_of(lambda: start("earthquake")) == "SCHEMA_VALIDATION_FAILED"


def test_no_drill_begins_during_a_serious_real_incident(stage):
    for kind, severity, is_in_the_way in (
        (Kind.REAL, Severity.HIGH, True),
        (Kind.REAL, Severity.MIDDLE, False),
        (Kind.DRILL, Severity.CRITICAL, False),
    ):
        incident = an_incident(severity=severity, kind=kind)
        if is_in_the_way:
            assert code_of(start) == "DRILL_OBSTRUCTED"
        else:
            drills.stop(start().pk, by=an_actor("qa"), reason="enough")
        move(incident, Act.CANCEL)


def test_no_drill_begins_during_a_freeze(stage):
    now = clock.now()
    with transaction.atomic():
        freezes.begin(
            stage.rollout,
            Scope.CHANGES,
            now + frozen.AFTER_ROLLBACK,
            now=now,
            by=an_actor("operator"),
            reason="holidays",
        )

    assert code_of(start) == "DRILL_OBSTRUCTED"


def test_the_lever_stops_all_drills_and_lets_none_begin(stage):
    drill = start()
    architect = an_actor("architect")
    obstacles.pull(by=architect, reason="Something smells.")

    assert code_of(lambda: start(Scenario.FORCED_TIMEOUT)) == "DRILL_OBSTRUCTED"
    begun = conducting.begin(drill.pk, by=actors.system(), reason="test")
    assert begun.state == State.ABORTED
    assert "Something smells." in begun.reasons[0]
    with pytest.raises(NotAllowed):
        obstacles.release(by=architect, reason="It was the coffee.")
    obstacles.release(by=an_actor("operator"), reason="It was the coffee.")
    assert start().state == State.WAITING
    assert DrillLever.objects.count() == 1


def test_whoever_may_hold_may_stop_a_drill(stage):
    drill = start()
    with pytest.raises(NotAllowed):
        drills.stop(drill.pk, by=an_actor("auditor"), reason="please")

    stopped = drills.stop(drill.pk, by=an_actor("architect"), reason="Not now.")

    assert (stopped.state, stopped.reasons) == (State.ABORTED, ["Not now."])
    with pytest.raises(WrongMoment):
        drills.stop(drill.pk, by=an_actor("architect"), reason="Again.")


# The twin


def test_a_twin_decides_as_the_live_rollout_does_and_shares_nothing_with_it(stage):
    drill = start()
    before = Stage.objects.filter(rollout=stage.rollout).values_list("state", "plan")
    states = list(before)
    twin, _ = twins.open_for(drill.pk, by=actors.system(), reason="test")

    copy = twin.stages.get(key=stage.key)
    assert twins.fingerprint_of(copy) == drill.fingerprint
    assert (copy.state, copy.coverage) == ("running", 100)
    assert twin.salt != stage.rollout.salt
    assert list(before.all()) == states
    assert twin.triggers.count() == stage.rollout.triggers.count()


def test_what_happens_on_a_twin_is_no_evidence_and_opens_no_real_incident(stage):
    drill = start()
    twin, _ = twins.open_for(drill.pk, by=actors.system(), reason="test")
    service, _ = a_service(rollout=twin.key)
    decide_for(twin.key, {"run_id": "run-1", **ASKED}, by=service, reason="")

    run = Run.objects.get(run_id="run-1")
    assert run.kind == RunKind.DRILL
    evaluations.sweep()
    assert not Evaluation.objects.filter(stage__rollout=twin).exists()
    assert durations.of(Kind.REAL) == durations.of(Kind.REAL, KEY)


def test_closing_a_twin_ends_everything_of_it_and_nothing_else(stage):
    drill = start()
    twin, _ = twins.open_for(drill.pk, by=actors.system(), reason="test")
    service, _ = a_service(rollout=twin.key)
    decide_for(twin.key, {"run_id": "run-1", **ASKED}, by=service, reason="")
    twins.close(drill.pk, by=actors.system(), reason="test")

    assert twins.leftovers(twin) == []
    assert Run.objects.get(run_id="run-1").status == "cancelled"
    assert ApiToken.objects.get(name=f"drill {drill.pk}").revoked_at is not None
    stage.refresh_from_db()
    assert stage.state == "running"
    assert not Switch.objects.get(rollout=stage.rollout).is_engaged
    assert twins.close(drill.pk, by=actors.system(), reason="test") == []


def test_a_twin_has_no_drills_of_its_own(stage):
    drill = start()
    twin, _ = twins.open_for(drill.pk, by=actors.system(), reason="test")

    with pytest.raises(WrongMoment):
        drills.start(twin.key, PAUSE, by=an_actor("qa"), reason="why not")


# Observing and counting


def test_it_counts_once_another_person_has_confirmed_it(stage):
    conductor = an_actor("operator")
    drill = a_conducted_drill(by=conductor)
    assert drill.state == State.PASSED
    assert standing.validity_of(drill)[0] == Validity.NOT_COUNTED

    def observe(by) -> Drill:
        return drills.observe(drill.pk, "", by=by, reason="I saw it.")

    assert code_of(lambda: observe(conductor)) == "OBSERVER_IS_CONDUCTOR"
    assert code_of(lambda: observe(an_actor("auditor"))) == "NOT_ALLOWED"
    observed = observe(an_actor("architect"))
    assert standing.validity_of(observed)[0] == Validity.VALID
    with pytest.raises(WrongMoment):
        observe(an_actor("qa"))


def test_what_failed_or_is_not_clean_is_not_confirmed(stage):
    failed = a_conducted_drill(outcome=Outcome.OTHERWISE)
    secret = b"key = AKIA" + b"IOSFODNN7ABCDEFG\n"
    dirty = a_conducted_drill(content=secret)

    assert failed.state == State.FAILED
    assert "So it was." in failed.reasons[0]
    for drill in (failed, dirty):
        refused = code_of(
            lambda drill=drill: drills.observe(
                drill.pk, "", by=an_actor("qa"), reason="hm"
            )
        )
        assert refused == "DRILL_LACKING"


def test_a_late_step_fails_a_drill(stage):
    assert a_conducted_drill(outcome=Outcome.LATE).state == State.FAILED


def test_a_stage_is_ready_while_all_four_are_fresh_and_red_afterwards(stage):
    def light() -> Light:
        return standing.drills_fresh(stage).light

    assert light() == Light.RED
    every_scenario_is_fresh(stage)
    assert light() == Light.GREEN
    assert "drills" in str([check.name.lower() for check in readiness.checks(stage)])

    now = clock.now()
    with time_machine.travel(now + VALID_FOR - timedelta(days=1), tick=False):
        assert light() == Light.AMBER
    with time_machine.travel(now + VALID_FOR + timedelta(seconds=5), tick=False):
        check = standing.drills_fresh(stage)
    assert check.light == Light.RED
    assert check.link.startswith("/admin/drills/drill/act/")


def test_another_plan_of_the_stage_invalidates_what_was_practised(stage):
    every_scenario_is_fresh(stage)
    said = {"by": actors.host(), "reason": "test"}
    stage.plan = {**stage.plan, "max_open_s": 60}
    stage.save_as(said["by"], reason=said["reason"])
    snapshots.publish(rollouts.locked(stage.rollout_id), **said)

    check = standing.drills_fresh(stage)
    assert check.light == Light.RED
    assert "configuration has changed" in check.says


def test_an_unconfirmed_drill_leads_to_its_page(stage):
    drill = a_conducted_drill()

    check = standing.drills_fresh(stage)

    assert check.remedy == "Confirm the drill as its observer"
    assert check.link == f"/admin/drills/drill/{drill.pk}/change/"


# By hand


def log(by=None, *uploads: Upload, is_as_expected: bool = True) -> Drill:
    began = clock.now() - timedelta(minutes=5)
    step = hand_logs.Logged(
        does="Paused it",
        expects="It pauses",
        actual="It paused",
        is_as_expected=is_as_expected,
        started_at=began,
        ended_at=began + timedelta(minutes=1),
    )
    return hand_logs.log(
        KEY,
        PAUSE,
        [step],
        uploads,
        started_at=began,
        ended_at=began + timedelta(minutes=2),
        by=by or an_actor("operator"),
        reason="By hand.",
    )


def test_a_drill_by_hand_counts_with_artifacts_a_clean_scan_and_an_observer(stage):
    drill = log()
    observer = an_actor("qa")

    def observe() -> Drill:
        return drills.observe(drill.pk, "I sat there.", by=observer, reason="seen")

    assert drill.state == State.PASSED
    assert code_of(observe) == "DRILL_LACKING"
    (kept,) = hand_logs.attach(
        drill.pk, [Upload("run/report.md", [CONTENT])], by=an_actor("qa"), reason="it"
    )
    assert code_of(observe) == "DRILL_LACKING"  # not scanned yet
    scan_content(kept.digest, by=actors.system(), reason="test")
    assert standing.validity_of(observe())[0] == Validity.VALID
    with pytest.raises(WrongMoment):
        hand_logs.attach(drill.pk, [Upload("b", [b"b"])], by=an_actor("qa"), reason="")


def test_a_drill_by_hand_in_which_something_went_otherwise_has_failed(stage):
    assert log(is_as_expected=False).state == State.FAILED


# Plans


def test_people_are_reminded_of_what_is_due_once_a_day(stage):
    plan = schedules.plan(KEY, PAUSE, 7, by=an_actor("qa"), reason="weekly")

    def meet() -> int:
        schedules.meet(plan.pk, by=actors.system(), reason="due")
        return LedgerEntry.objects.filter(verb="drills.schedule.found_due").count()

    assert meet() == 1
    assert meet() == 1
    with time_machine.travel(clock.now() + timedelta(hours=25), tick=False):
        assert meet() == 2
        an_observed_drill()
        assert schedules.is_met(DrillSchedule.objects.get())
    with time_machine.travel(clock.now() + timedelta(days=2, hours=3), tick=False):
        assert meet() == 2  # somebody has conducted it
        assert DrillSchedule.objects.get().next_at > clock.now() + timedelta(days=5)


def test_what_starts_by_itself_does_when_it_is_due_and_nothing_is_in_the_way(stage):
    plan = schedules.plan(
        KEY, PAUSE, 7, by=an_actor("qa"), reason="weekly", starts_by_itself=True
    )
    obstacles.pull(by=an_actor("qa"), reason="Not now.")
    schedules.meet(plan.pk, by=actors.system(), reason="due")
    assert not Drill.objects.exists()

    obstacles.release(by=an_actor("qa"), reason="Now.")
    with time_machine.travel(clock.now() + timedelta(hours=2), tick=False):
        schedules.meet(plan.pk, by=actors.system(), reason="due")
    assert Drill.objects.get().scenario == PAUSE


# In the database


def test_the_database_keeps_verdicts_steps_and_observers(stage):
    drill = an_observed_drill()

    for sql in (
        "UPDATE drills_drill SET state = 'running', ended_at = NULL",
        "UPDATE drills_drill SET observer_id = conductor_id",
        "UPDATE drills_drill SET fingerprint = 'other'",
        "DELETE FROM drills_drill",
        "UPDATE drills_drillstep SET outcome = 'late'",
        "DELETE FROM drills_drillcapture",
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            connection.cursor().execute(sql)
    assert Drill.objects.get().pk == drill.pk


# The worker


def test_a_process_that_cannot_begin_fails_the_drill_and_all_is_put_back(
    stage, settings, carry_out_jobs
):
    settings.DRILL_COMMAND = ["/bin/false"]
    drill = start()
    carry_out_jobs()
    drill.refresh_from_db()

    assert drill.state == State.FAILED
    assert "The process has ended" in drill.reasons[0]
    names = list(drill.steps.values_list("name", flat=True))
    assert names == ["open_twin", "begin_run", "end_process", "close_twin"]
    assert twins.leftovers(drill.twin) == []


def test_what_a_dead_worker_left_is_put_back_and_the_drill_is_aborted(
    stage, carry_out_jobs
):
    drill = start()
    conducting.begin(drill.pk, by=actors.system(), reason="test")
    twins.open_for(drill.pk, by=actors.system(), reason="test")
    carry_out_jobs()
    drill.refresh_from_db()

    assert (drill.state, drill.reasons) == (State.ABORTED, [conducting.WORKER_DIED])
    assert twins.leftovers(drill.twin) == []
    assert the_live_one().switch.state == "released"
