from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.errors import WrongMoment
from rollout.domain.runs import (
    FINAL,
    MOVES,
    OPEN,
    TIMEOUTS_S,
    TRANSITIONS,
    Act,
    AdvanceFacts,
    RefusalCode,
    RunStage,
    RunStatus,
    advance,
    after,
)

S = RunStage
EVERYTHING = AdvanceFacts(
    status=RunStatus.RUNNING,
    stage=S.INIT,
    is_switch_engaged=False,
    is_disabled_by_manifest=False,
    paths=frozenset(
        {
            "perspectives.json",
            "wave-1/p1.md",
            "wave-2/g1.md",
            "wave-review.json",
            "pivot.json",
            "citations/citations.jsonl",
            "summaries/summary-pack.json",
            "synthesis/final-synthesis.md",
        }
    ),
    gates=dict.fromkeys("ABCDEF", "pass"),
    wave2_required=True,
    wave2_gaps=1,
    max_wave1_agents=2,
    max_wave2_agents=2,
    review_decision="CHANGES_REQUIRED",
    review_iterations=0,
    max_review_iterations=2,
)


def ask(here: RunStage, onward: RunStage, **changes):
    facts = replace(EVERYTHING, stage=here)
    return advance(replace(facts, **changes), here=here, onward=onward)


@pytest.mark.parametrize("act", Act)
@pytest.mark.parametrize("status", RunStatus)
def test_a_final_run_never_comes_back(status, act):
    if (status, act) in MOVES:
        assert status in OPEN or MOVES[status, act] == status
        return

    with pytest.raises(WrongMoment):
        after(status, act)


@given(st.lists(st.sampled_from(list(Act)), max_size=30))
def test_every_run_ends_at_most_once(acts):
    status, ended_as = RunStatus.CREATED, None

    for act in acts:
        try:
            status = after(status, act)
        except WrongMoment:
            continue
        if status in FINAL and ended_as is None:
            ended_as = status
        assert ended_as is None or status == ended_as


@pytest.mark.parametrize(("here", "onward"), TRANSITIONS)
def test_a_run_that_has_everything_may_go_on(here, onward):
    changes = {"wave2_required": False} if onward == S.CITATIONS else {}

    assert ask(here, onward, **changes).is_allowed


@pytest.mark.parametrize(
    ("here", "onward", "changes", "code"),
    [
        (S.INIT, S.WAVE1, {"is_switch_engaged": True}, RefusalCode.DISABLED),
        (S.INIT, S.WAVE1, {"is_disabled_by_manifest": True}, RefusalCode.DISABLED),
        (S.INIT, S.WAVE1, {"status": RunStatus.FAILED}, RefusalCode.RUN_FINAL),
        (S.INIT, S.WAVE1, {"stage": S.PIVOT}, RefusalCode.STAGE_MISMATCH),
        (S.INIT, S.REVIEW, {}, RefusalCode.REQUESTED_NEXT_NOT_ALLOWED),
        (S.INIT, S.WAVE1, {"paths": frozenset()}, RefusalCode.MISSING_ARTIFACT),
        (S.WAVE1, S.PIVOT, {"paths": frozenset()}, RefusalCode.MISSING_ARTIFACT),
        (S.WAVE1, S.PIVOT, {"gates": {"B": "fail"}}, RefusalCode.GATE_BLOCKED),
        (S.WAVE1, S.PIVOT, {"gates": {"B": "drift"}}, RefusalCode.GATE_BLOCKED),
        (S.WAVE1, S.PIVOT, {"max_wave1_agents": 0}, RefusalCode.WAVE_CAP_EXCEEDED),
        (S.PIVOT, S.WAVE2, {"wave2_gaps": 3}, RefusalCode.WAVE_CAP_EXCEEDED),
        (S.PIVOT, S.WAVE2, {"wave2_gaps": None}, RefusalCode.WAVE_CAP_EXCEEDED),
        (
            S.PIVOT,
            S.WAVE2,
            {"wave2_required": False},
            RefusalCode.REQUESTED_NEXT_NOT_ALLOWED,
        ),
        (
            S.PIVOT,
            S.CITATIONS,
            {"wave2_required": None},
            RefusalCode.REQUESTED_NEXT_NOT_ALLOWED,
        ),
        (S.WAVE2, S.CITATIONS, {"paths": frozenset()}, RefusalCode.MISSING_ARTIFACT),
        (S.CITATIONS, S.SUMMARIES, {"gates": {}}, RefusalCode.GATE_BLOCKED),
        (S.SUMMARIES, S.SYNTHESIS, {"gates": {"D": "fail"}}, RefusalCode.GATE_BLOCKED),
        (S.SYNTHESIS, S.REVIEW, {"paths": frozenset()}, RefusalCode.MISSING_ARTIFACT),
        (
            S.REVIEW,
            S.SYNTHESIS,
            {"review_iterations": 2},
            RefusalCode.REVIEW_CAP_EXCEEDED,
        ),
        (
            S.REVIEW,
            S.SYNTHESIS,
            {"review_decision": "PASS"},
            RefusalCode.REQUESTED_NEXT_NOT_ALLOWED,
        ),
        (S.REVIEW, S.FINALIZE, {"gates": {"E": "pass"}}, RefusalCode.GATE_BLOCKED),
    ],
)
def test_a_no_says_precisely_why(here, onward, changes, code):
    answer = ask(here, onward, **changes)

    assert not answer.is_allowed
    assert answer.code == code
    broken = next(each for each in answer.preconditions if not each.holds)
    assert broken.code == code


@given(st.sampled_from(list(S)), st.sampled_from(list(S)), st.booleans())
def test_with_the_switch_engaged_nobody_goes_on(here, onward, is_disabled):
    answer = ask(
        here, onward, is_switch_engaged=True, is_disabled_by_manifest=is_disabled
    )

    assert answer.code == RefusalCode.DISABLED


def test_every_stage_has_a_time_limit():
    assert set(TIMEOUTS_S) == set(RunStage)
