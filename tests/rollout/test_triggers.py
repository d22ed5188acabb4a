"""What goes wrong in a canary makes triggers fire, once, and the strongest acts."""

from datetime import timedelta

import pytest
import time_machine

from portal import clock
from portal.errors import NotAllowed
from portal.models import Heartbeat, LedgerEntry
from portal.services import actors
from rollout.domain.bucketing import bucket
from rollout.domain.changes import ChangeState
from rollout.domain.freezes import Scope
from rollout.domain.runs import RunKind
from rollout.domain.stages import OnHardGateFailure, StageState
from rollout.domain.verbs import Verb
from rollout.models import (
    Freeze,
    Rollback,
    Rollout,
    RolloutKind,
    Run,
    Stage,
    Switch,
    Symptom,
    TriggerFiring,
)
from rollout.services import (
    artifacts,
    changes,
    consequences,
    documents,
    evaluations,
    proposals,
    rollbacks,
    stages,
    triggers,
    watchdog,
)
from rollout.services.consequences import Cause
from rollout.services.decisions import decide_for
from tests.builders import an_actor
from tests.rollout.builders import (
    ASKED,
    KEY,
    a_finished_run,
    a_running_stage,
    a_service,
    an_open_stage,
    approved_and_applied,
    finished_runs,
)
from tests.rollout.documents import a_manifest, raw, some_gates, spent

pytestmark = pytest.mark.django_db

WEB = {"sensitivity": "normal", "forces_no_web": False}
OUTAGE = {"kind": "provider_outage", "message": "the model provider answered 503"}


@pytest.fixture
def stage():
    """A stage that counts hard failures, without the web."""
    return an_open_stage()


@pytest.fixture
def told():
    """The firings that were announced, say to the incident tools."""
    heard = []

    def listen(cause, run, *, by, **facts):
        if cause == Cause.TRIGGER_FIRED:
            heard.append((facts["firing"].trigger.key, run and run.run_id))

    consequences.register(listen)
    yield heard
    consequences._registered.remove(listen)


@pytest.fixture
def settle(carry_out_jobs):
    """Carries out jobs until none is due; the firings so far, in their order."""

    def until_none_is_due() -> list[tuple[str, str, str]]:
        while carry_out_jobs():
            pass
        return fired()

    return until_none_is_due


def fired() -> list[tuple[str, str, str]]:
    rows = TriggerFiring.objects.order_by("pk")
    return list(rows.values_list("trigger__key", "action", "outcome"))


def state() -> str:
    return Stage.objects.get(position=1).state


def edit(key: str, **fields) -> None:
    """Edit a trigger as people do: by a change, approved where that is needed."""
    patch = [
        {"op": "replace", "path": f"/triggers/{key}/{name}", "value": value}
        for name, value in fields.items()
    ]
    change = changes.propose(
        KEY, proposals.patch(patch), by=an_actor("engineer"), reason="test"
    )
    if change.state != ChangeState.APPLIED:
        approved_and_applied(change)


def admitted(run_id: str, **asked: str) -> None:
    decide_for(KEY, {"run_id": run_id, **ASKED, **asked}, by=a_reporter(), reason="")


def a_reporter():
    return a_service()[0]


def manifest(run_id: str, **changes) -> None:
    document = raw(a_manifest(run_id, **changes))
    documents.receive_manifest(KEY, run_id, document, by=a_reporter(), reason="")


def gates(run_id: str, **what) -> None:
    document = raw(some_gates(run_id, **what))
    documents.receive_gates(KEY, run_id, document, by=a_reporter(), reason="")


def store(run_id: str, path: str, content: object) -> None:
    artifacts.store(KEY, run_id, path, [raw(content)], by=a_reporter(), reason="")


def an_outage(run_id: str) -> None:
    admitted(run_id)
    manifest(run_id, status="failed", failures=[OUTAGE])


def blocked(run_id: str, count: int = 3) -> None:
    items = [{"status": "blocked", "url": f"https://x.org/{n}"} for n in range(count)]
    store(run_id, "citations/blocked-urls.json", {"items": items})


def exposed(run_id: str) -> None:
    admitted(run_id)
    manifest(run_id, query={"text": "?", "sensitivity": "normal"})


def conflicts(run_id: str, count: int) -> None:
    admitted(run_id)
    for number in range(count + 1):
        manifest(run_id, mode="standard", query=a_query(str(number)))


def a_query(text: str) -> dict[str, str]:
    return {"text": text, "sensitivity": "no_web"}


# Every kind, once


def test_a_hard_gate_that_failed_is_told_where_the_plan_counts(stage, settle, told):
    a_finished_run("bad", passed="A", failed="E")

    assert settle() == [("hard-gate-failed", "notify", "done")]
    assert told == [("hard-gate-failed", "bad")]
    assert state() == StageState.RUNNING


def test_a_hard_gate_that_failed_rolls_back_where_the_plan_says_so(told):
    an_open_stage(on_hard_gate_failure=OnHardGateFailure.ROLL_BACK)
    a_finished_run("bad", passed="A", failed="E")

    run = Run.objects.get()
    triggers.consider_run(run.pk, by=actors.system(), reason="test")

    assert fired() == [("hard-gate-failed", "roll_back", "done")]
    assert Rollback.objects.get().trigger == "hard-gate-failed"


def test_citations_that_fail_too_often_hold_the_stage(settle):
    an_open_stage(judged_gates=("A", "C"), **WEB)
    edit("citations-failing", at_least=2)
    for number, said in enumerate("PF"):
        run_id = f"run-{number}"
        admitted(run_id, sensitivity="normal")
        verdict = {"passed": "ABC"} if said == "P" else {"passed": "AB", "failed": "C"}
        gates(run_id, **verdict)
        query = {"text": "?", "sensitivity": "normal"}
        manifest(run_id, query=query, status="failed", **spent("C", 1))

    assert ("citations-failing", "hold", "done") in settle()
    assert state() == StageState.HOLDING
    held = LedgerEntry.objects.get(verb=Verb.STAGE_HELD)
    assert held.reason == "Gate C has failed in 1 of 2 runs; 10% may."


def test_outputs_that_cannot_be_parsed_hold_the_stage(stage, settle):
    admitted("bad")
    counts = {"validated_count": 7, "failed_count": 3}
    gates("bad", passed="A", failed="B", metrics=counts)
    manifest("bad", **spent("B", 1))
    assert settle() == []  # it is tried again: nothing has failed for good

    manifest("bad", revision=2, **spent("B", 2))

    assert ("outputs-unparseable", "hold", "done") in settle()
    assert state() == StageState.HOLDING


def test_a_silent_hang_rolls_back(stage, settle):
    admitted("silent")
    with time_machine.travel(clock.now() + timedelta(minutes=11), tick=True):
        Heartbeat.objects.filter(name=watchdog.NAME).update(at=clock.now())
        watchdog.sweep()

        assert ("silent-hang", "roll_back", "done") in settle()

    assert state() == StageState.ROLLED_BACK
    assert Rollback.objects.get().trigger == "silent-hang"
    assert Rollback.objects.get().reason == "A run has hung in init."


def test_two_provider_failures_in_a_row_hold_the_stage(stage, settle):
    an_outage("one")
    assert settle() == []

    an_outage("two")

    assert settle() == [("provider-failing", "hold", "done")]
    assert state() == StageState.HOLDING


def test_two_failing_ticks_of_one_run_are_two_in_a_row(stage, settle):
    admitted("one")
    for tick in (1, 2):
        error = {"code": "PROVIDER_UNAVAILABLE", "message": ""}
        halt = {"tick_index": tick, "error": error}
        store("one", f"operator/halt/tick-000{tick}.json", halt)

    assert settle() == [("provider-failing", "hold", "done")]


def test_a_run_that_went_well_between_them_ends_the_row(stage, settle):
    an_outage("one")
    a_finished_run("fine")
    an_outage("two")

    assert settle() == []


def test_blocked_sources_hold_the_stage(stage, settle, told):
    admitted("one")
    blocked("one", count=2)
    assert settle() == []

    blocked("one", count=3)

    assert settle() == [("sources-blocked", "hold", "done")]
    assert state() == StageState.HOLDING
    assert told == [("sources-blocked", "one")]
    symptom = Symptom.objects.first()
    assert symptom.source == "citations/blocked-urls.json version 2"
    assert LedgerEntry.objects.filter(verb=Verb.SYMPTOM_NOTICED).count() == 2


def test_a_run_with_more_of_the_web_restores_freezes_and_reports(stage, settle):
    exposed("loose")

    assert settle() == [("web-exposed", "roll_back", "done")]
    assert state() == StageState.ROLLED_BACK
    scopes = set(Freeze.objects.values_list("scope", flat=True))
    assert scopes == {Scope.CHANGES, Scope.EXPANSION}
    report = TriggerFiring.objects.get()
    said = "A run reports the sensitivity normal; it was let in as no_web."
    assert report.facts["web_exposure"] == report.says == said


def test_conflicts_that_persist_hold_the_stage(stage, settle):
    conflicts("two-minds", 2)
    manifest("two-minds", query=a_query("2"))  # the same again is no other conflict
    assert settle() == []

    manifest("two-minds", query=a_query("3"))

    assert settle() == [("conflicts-persist", "hold", "done")]


def test_a_failed_verification_pauses_expansion(stage, told):
    act = {"by": actors.system(), "reason": "test"}
    triggers.consider_verification(KEY, "17", "The fallback path is broken.", **act)
    triggers.consider_verification(KEY, "17", "The fallback path is broken.", **act)

    assert fired() == [("verification-failed", "hold", "done")]
    assert state() == StageState.HOLDING
    assert told == [("verification-failed", None)]


def test_evidence_against_the_stage_has_rolled_back_and_is_told(stage, settle, told):
    finished_runs("bad", "F" * 8)

    assert ("statistics", "roll_back", "already") in settle()
    assert Rollback.objects.get().trigger == "statistics"
    assert ("statistics", None) in told
    about = TriggerFiring.objects.get(trigger__key="statistics").evaluation
    assert about.verdict == "roll_back"


def test_the_statistics_trigger_can_go_further(stage, settle):
    edit("statistics", action="switch_off")
    finished_runs("bad", "F" * 8)

    assert ("statistics", "switch_off", "done") in settle()
    assert Switch.objects.get().is_engaged


def test_a_share_that_is_off_has_held_and_is_told(settle, told):
    an_open_stage(coverage_steps=(50, 100))
    service = a_reporter()
    for number in range(400):
        run_id = f"run-{number}"
        asked = {"run_id": run_id, **ASKED, "targetingKey": run_id}
        if bucket_of(run_id) < 5_000:
            decide_for(KEY, asked, by=service, reason="")
        if Run.objects.count() >= 40:
            break
    with time_machine.travel(clock.now() + timedelta(seconds=10), tick=True):
        stage = Stage.objects.get(position=1)
        evaluations.evaluate(stage.pk, by=actors.system(), reason="test")

        assert settle() == [("sample-ratio", "hold", "already")]

    assert told == [("sample-ratio", None)]
    assert state() == StageState.HOLDING


# Once, one at a time, and not at all


def test_looking_again_fires_nothing_again(stage, settle):
    exposed("loose")
    settle()
    run = Run.objects.get()

    assert triggers.consider_run(run.pk, by=actors.system(), reason="again") == []
    manifest("loose", revision=2, query={"text": "?", "sensitivity": "normal"})
    assert settle() == [("web-exposed", "roll_back", "done")]
    assert Rollback.objects.count() == 1


def test_a_dry_run_says_what_it_would_do_and_does_nothing(stage, settle, told):
    edit("web-exposed", is_dry_run=True)
    exposed("loose")

    assert settle() == [("web-exposed", "roll_back", "dry_run")]
    assert (state(), told) == (StageState.RUNNING, [])
    assert not Freeze.objects.exists()


def test_a_trigger_rests_after_it_has_fired(stage, settle, told):
    edit("hard-gate-failed", cooldown_s=60)
    start = clock.now()
    for number, seconds in enumerate((0, 59, 61)):
        then = start + timedelta(seconds=seconds)
        with time_machine.travel(then, tick=False):
            a_finished_run(f"run-{number}", passed="A", failed="E")
            settle()

    outcomes = [outcome for _, _, outcome in fired()]
    assert outcomes == ["done", "cooling_down", "done"]
    assert len(told) == 2


def test_what_it_rested_about_makes_it_fire_at_the_next_look(stage, settle):
    edit("hard-gate-failed", cooldown_s=60)
    start = clock.now()
    for number in range(2):
        with time_machine.travel(start + timedelta(seconds=number), tick=False):
            a_finished_run(f"run-{number}", passed="A", failed="E")
            settle()
    run = Run.objects.get(run_id="run-1")

    for seconds in (30, 61, 62):
        with time_machine.travel(start + timedelta(seconds=seconds), tick=False):
            triggers.consider_run(run.pk, by=actors.system(), reason="again")

    outcomes = [outcome for _, _, outcome in fired()]
    assert outcomes == ["done", "cooling_down", "done"]


def test_the_strongest_acts_and_the_others_are_told(stage, carry_out_jobs, told):
    admitted("worst")
    blocked("worst")
    query = {"text": "?", "sensitivity": "normal"}
    manifest("worst", status="failed", failures=[OUTAGE, OUTAGE], query=query)

    run = Run.objects.get()
    triggers.consider_run(run.pk, by=actors.system(), reason="test")

    assert fired() == [
        ("web-exposed", "roll_back", "done"),
        ("provider-failing", "hold", "outranked"),
        ("sources-blocked", "hold", "outranked"),
    ]
    assert len(told) == 3
    assert not LedgerEntry.objects.filter(verb=Verb.STAGE_HELD).exists()


def test_a_stage_that_is_held_already_is_not_held_again(stage, settle):
    stages.hold(stage.pk, by=an_actor("operator"), reason="mine", keeps_admitting=False)
    triggers.consider_verification(
        KEY, "17", "It failed.", by=actors.system(), reason="test"
    )

    assert settle() == [("verification-failed", "hold", "already")]
    assert not Stage.objects.get(pk=stage.pk).is_admitting  # nobody is let in by a hold


def test_a_run_that_is_no_part_of_the_canary_fires_nothing(stage, settle):
    query = {"text": "?", "sensitivity": "normal"}
    bad = {"status": "failed", "failures": [OUTAGE, OUTAGE], "query": query}
    for kind in (RunKind.IMPORTED, RunKind.DRILL):
        document = raw(a_manifest(kind, **bad))
        documents.receive_manifest(
            KEY, kind, document, by=actors.system(), reason="", kind=kind
        )
    manifest("stranger", **bad)  # nobody let it in

    assert settle() == []
    assert Symptom.objects.count() == 6  # noticed all the same


def test_the_runs_of_a_drills_twin_have_the_twins_own_triggers_fire(stage, settle):
    twin = Rollout.objects.get()
    twin.kind = RolloutKind.DRILL
    twin.save_as(actors.host(), reason="test")
    exposed("loose")

    assert settle() == [("web-exposed", "roll_back", "done")]
    assert Run.objects.get().kind == "drill"


def test_nothing_fires_while_no_stage_is_open(settle):
    stage = a_running_stage()
    admitted("loose")
    rollbacks.roll_back(stage.pk, by=an_actor("operator"), reason="by hand")
    query = {"text": "?", "sensitivity": "normal"}
    manifest("loose", query=query)
    triggers.consider_verification(
        KEY, "17", "It failed.", by=actors.system(), reason="test"
    )

    assert settle() == []


def test_who_may_not_hold_has_nothing_considered(stage):
    with pytest.raises(NotAllowed):
        triggers.consider_verification(
            KEY, "17", "x", by=an_actor("auditor"), reason="test"
        )


def test_a_firing_names_the_trigger_as_it_was(stage, settle):
    a_finished_run("one", passed="A", failed="E")
    settle()
    edit("hard-gate-failed", description="Other words.")
    a_finished_run("two", passed="A", failed="E")
    settle()

    digests = TriggerFiring.objects.values_list("trigger_digest", flat=True)
    assert len(set(digests)) == 2
    for firing in TriggerFiring.objects.all():
        line = LedgerEntry.objects.get(
            verb=Verb.TRIGGER_FIRED, subject_id=str(firing.pk)
        )
        assert firing.trigger_digest in line.body


def bucket_of(unit: str) -> int:
    return bucket(Rollout.objects.get().salt, unit)
