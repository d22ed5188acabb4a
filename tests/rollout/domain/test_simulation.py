"""The same plan is the same story, and every document has its shape."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollout.domain import schemas
from rollout.domain.gates import judge
from rollout.domain.runs import TRANSITIONS, RunStage
from rollout.domain.simulation import (
    Act,
    Advance,
    Event,
    Fault,
    Gate,
    Hang,
    Manifest,
    Plan,
    Run,
    story,
)

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
FLAGS = {"PAI_DR_CLI_ENABLED": True, "PAI_DR_CLI_RUNS_ROOT": "~/runs"}

plans = st.builds(
    Plan,
    run_id=st.just("run-1"),
    seed=st.text(max_size=5),
    waves=st.tuples(st.integers(1, 6), st.integers(0, 6)),
    pass_rates=st.dictionaries(st.sampled_from("ABCDEF"), st.floats(0, 1)),
    fault=st.none() | st.sampled_from(Fault),
    stage_timeout_s=st.none() | st.integers(1, 600),
)


def a_run(plan: Plan) -> Run:
    return Run(plan, FLAGS, BEGAN)


def documents(run: Run):
    """Everything that a run writes on its way, in order."""
    while not run.is_over:
        step = run.take()
        match step:
            case Manifest() | Advance():
                yield "manifest", run.manifest()
            case Gate():
                yield "gates", run.gates_document()
            case Event():
                yield "event", run.event(step)


def told(plan: Plan) -> str:
    return json.dumps(list(documents(a_run(plan))))


@settings(max_examples=60)
@given(plans)
def test_every_document_has_its_shape_and_every_revision_follows(plan):
    last = {"manifest": 0, "gates": 0, "event": 0}
    for kind, document in documents(a_run(plan)):
        schemas.check(getattr(schemas, kind.upper()), document)
        number = document["seq" if kind == "event" else "revision"]
        assert number == last[kind] + 1
        last[kind] = number


@settings(max_examples=60)
@given(plans)
def test_the_same_plan_is_the_same_story(plan):
    assert story(plan) == story(plan)
    assert told(plan) == told(plan)


@settings(max_examples=60)
@given(plans, st.data())
def test_a_run_that_was_killed_anywhere_writes_on_as_if_nothing_had_been(plan, data):
    whole = list(documents(a_run(plan)))
    killed = a_run(plan)
    at = data.draw(st.integers(0, len(killed.steps)))
    for _ in range(at):
        killed.take()
    last = killed.manifest(), killed.gates_document()

    again = a_run(plan)
    for _ in range(at):
        again.take()

    assert (again.manifest(), again.gates_document()) == last
    rest = list(documents(again))
    assert rest == whole[len(whole) - len(rest) :]


@settings(max_examples=60)
@given(plans)
def test_a_run_goes_only_where_it_may(plan):
    here = RunStage.INIT
    for step in story(plan):
        if isinstance(step, Advance):
            assert (here, step.onward) in TRANSITIONS
            here = step.onward


def test_all_stages_and_gates_are_seen():
    seen = set()
    for seed in range(20):
        for step in story(Plan("run-1", str(seed))):
            if isinstance(step, Advance):
                seen.add(str(step.onward))
            if isinstance(step, Gate):
                seen.add(step.letter)
    assert seen >= {str(stage) for stage in RunStage if stage != RunStage.INIT}
    assert seen >= set("ABCDEF")


@pytest.mark.parametrize(
    ("fault", "letter"), [(Fault.GATE_B_FAIL, "B"), (Fault.CITATIONS_BLOCKED, "C")]
)
def test_a_doomed_gate_fails_for_good(fault, letter):
    run = a_run(Plan("run-1", "s", fault=fault))
    list(documents(run))

    judged = judge(run.gates_document(), run.manifest())

    assert judged[letter].is_confirmed_failure
    assert run.status == "running"


def test_a_gate_that_recovers_is_never_confirmed():
    for seed in range(200):
        run = a_run(Plan("run-1", str(seed)))
        while not run.is_over:
            run.take()
            judged = judge(run.gates_document(), run.manifest())
            assert not any(gate.is_confirmed_failure for gate in judged.values())


def test_the_other_faults():
    ends = {
        fault: list(documents(a_run(Plan("run-1", "s", fault=fault))))[-1][1]
        for fault in (Fault.PROVIDER_OUTAGE, Fault.REVIVE)
    }
    assert ends[Fault.PROVIDER_OUTAGE]["status"] == "failed"
    assert ends[Fault.REVIVE]["status"] == "running"
    assert isinstance(story(Plan("run-1", "s", fault=Fault.HANG))[-1], Hang)


def test_what_comes_from_outside_is_a_revision_of_its_own():
    run = a_run(Plan("run-1", "s"))
    for _ in range(5):
        run.take()
    before = run.manifest_revision

    run.happens(Act.PAUSE)
    assert (run.manifest()["status"], run.manifest_revision) == ("paused", before + 1)
    run.happens(Act.RESUME)
    assert run.manifest()["status"] == "running"
