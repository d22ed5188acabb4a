"""How long incidents take, and what their drafts and timelines say."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drills.domain.checklists import check_step
from drills.domain.durations import Lived, Span, quantile, summaries
from drills.domain.postmortems import Moment, Story, draft
from drills.domain.tasks import MOVES, Act, TaskState, after, check_due
from drills.domain.timeline import EntryKind, key
from portal.errors import Invalid, NotFound, WrongMoment

NOW = datetime(2026, 11, 17, 12, tzinfo=UTC)


def lived(detect: int, acknowledge: int | None = None) -> Lived:
    took = None if acknowledge is None else NOW + timedelta(seconds=acknowledge)
    return Lived(NOW - timedelta(seconds=detect), NOW, took, None, None)


def test_half_and_nine_in_ten_took_no_longer():
    found = summaries([lived(second, second) for second in range(1, 11)])

    for span in (Span.DETECT, Span.ACKNOWLEDGE):
        assert (found[span].n, found[span].median_s, found[span].p90_s) == (10, 5, 9)


def test_what_was_not_reached_does_not_count():
    found = summaries([lived(5), lived(7, 60)])

    assert found[Span.ACKNOWLEDGE].n == 1
    assert (found[Span.RESOLVE].n, found[Span.RESOLVE].median_s) == (0, None)
    assert summaries([])[Span.DETECT].p90_s is None


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1))
def test_a_quantile_is_one_of_the_values_that_enough_do_not_exceed(values, share):
    found = quantile(sorted(values), share)

    assert found in values
    assert sum(each <= found for each in values) >= share * len(values) - 1e-9


# Timeline


def test_machines_are_counted_within_a_chapter_and_people_never():
    sign = key(EntryKind.SIGN, "blocked", chapter=1)

    assert sign == key(EntryKind.SIGN, "blocked", chapter=1)
    assert sign != key(EntryKind.SIGN, "blocked", chapter=2)
    assert sign != key(EntryKind.REMINDER, "blocked", chapter=1)
    assert key(EntryKind.NOTE, "blocked", chapter=1) == ""


# Checklists and tasks


@pytest.mark.parametrize(("number", "steps"), [(0, 3), (4, 3), (-1, 3), (1, 0)])
def test_only_steps_that_are_there_are_recorded(number, steps):
    with pytest.raises(NotFound):
        check_step(number, steps)


@pytest.mark.parametrize("state", TaskState)
@pytest.mark.parametrize("act", Act)
def test_a_task_moves_or_says_what_is_possible(state, act):
    if (state, act) in MOVES:
        assert after(state, act) == MOVES[state, act]
        return
    with pytest.raises(WrongMoment) as refused:
        after(state, act)
    assert refused.value.facts["possible"]


@pytest.mark.parametrize("days", [0, -1, 366])
def test_a_task_is_due_at_a_time_to_come(days):
    check_due(NOW + timedelta(days=1), now=NOW)

    with pytest.raises(Invalid):
        check_due(NOW + timedelta(days=days), now=NOW)


# Drafts


def test_a_draft_has_every_fact_and_leaves_the_judgement_open():
    story = Story(
        number=7,
        title="Sources are blocked",
        severity=2,
        cause="sources blocked",
        symptom="403 everywhere",
        action="Hold the stage",
        links=("run: run-1",),
        spans={Span.DETECT: 4.0, Span.RESOLVE: None},
        timeline=(
            Moment(NOW, "system", "Blocked\n403", 9, NOW + timedelta(minutes=1)),
        ),
        steps=(("Read the file", "found: one host"),),
        tasks=("Ask the host (Olga)",),
    )

    text = draft(story)

    for fact in (
        "incident 7: Sources are blocked",
        "Severity 2. Cause: sources blocked.",
        "- run: run-1",
        "- to detect: 4 s",
        "- to resolve: not reached",
        "- 2026-11-17 12:00:00 UTC, system: Blocked 403 (9 times, until 12:01:00)",
        "- Read the file — found: one host",
        "Expected: 403 everywhere. Planned answer: Hold the stage",
        "- Ask the host (Olga)",
        "_Two or three sentences for somebody who was not there._",
    ):
        assert fact in text


def test_a_draft_of_nothing_says_that_there_is_nothing():
    empty = draft(
        Story(
            number=1,
            title="t",
            severity=4,
            cause="reported",
            symptom="",
            action="",
            links=(),
            spans={},
            timeline=(),
            steps=(),
            tasks=(),
        )
    )

    assert "No row of the matrix matched" in empty
    assert "None so far." in empty
