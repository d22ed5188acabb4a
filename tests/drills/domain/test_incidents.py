"""The life of an incident: every state, every act, and whatever order."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

from drills.domain.incidents import (
    ACTIVE,
    BACKWARDS,
    MILESTONES,
    MOVES,
    OVER,
    REOPENS_WITHIN,
    Act,
    Kind,
    Milestones,
    Severity,
    State,
    Subject,
    after,
    check_closable,
    check_reviewable,
    comes_back,
    possible,
)
from drills.domain.timers import TARGETS, WAITS_FOR, TimerKind, due, next_reminder
from portal.errors import Invalid, WrongMoment

NOW = datetime(2026, 11, 17, 12, tzinfo=UTC)
TABLE = """
                ack  unack  mitigate  resolve  review  close  cancel  reopen
open            ack    -        -        -        -      -     can      -
acknowledged     -   open      mit       -        -      -     can      -
mitigated        -     -        -       res       -      -     can    open
resolved         -     -        -        -       rev     -      -     open
reviewed         -     -        -        -        -     clo     -     open
closed           -     -        -        -        -      -      -       -
cancelled        -     -        -        -        -      -      -       -
"""
SHORT = {
    "ack": State.ACKNOWLEDGED,
    "mit": State.MITIGATED,
    "res": State.RESOLVED,
    "rev": State.REVIEWED,
    "clo": State.CLOSED,
    "can": State.CANCELLED,
    "open": State.OPEN,
}


def test_the_table_is_the_one_that_people_know():
    written = {}
    for line in TABLE.strip().splitlines()[1:]:
        state, *cells = line.split()
        for act, cell in zip(Act, cells, strict=True):
            if cell != "-":
                written[State(state), act] = SHORT[cell]

    assert written == MOVES


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("act", Act)
def test_every_act_in_every_state_moves_or_says_what_is_possible(state, act):
    if (state, act) in MOVES:
        assert after(state, act) == MOVES[state, act]
        return
    with pytest.raises(WrongMoment) as refused:
        after(state, act)
    assert refused.value.facts == {"state": state, "possible": possible(state)}


def test_what_is_over_stays_over():
    for state in OVER:
        assert possible(state) == []
    assert not set(ACTIVE) & set(OVER)


class Life(RuleBasedStateMachine):
    """Acts in any order, at any time, the clock going on."""

    @initialize()
    def begin(self) -> None:
        self.state, self.now = State.OPEN, NOW
        self.reached = Milestones(opened_at=NOW)

    @rule(act=st.sampled_from(Act), later=st.integers(0, 10_000))
    def act(self, act: Act, later: int) -> None:
        self.now += timedelta(seconds=later)
        if (self.state, act) not in MOVES:
            with pytest.raises(WrongMoment):
                after(self.state, act)
            return
        self.state = after(self.state, act)
        self.reached = self.reached.moved(act, self.now, now=self.now)

    @rule(act=st.sampled_from(list(MILESTONES)), off=st.integers(1, 10_000))
    def act_out_of_order(self, act: Act, off: int) -> None:
        for wrong in (
            self.reached.latest - timedelta(seconds=off),
            self.now + timedelta(seconds=off),
        ):
            with pytest.raises(Invalid):
                self.reached.moved(act, wrong, now=self.now)

    @invariant()
    def it_has_the_milestones_of_its_state_in_order(self) -> None:
        forward = [field for _, field in MILESTONES.values() if field != "cancelled_at"]
        at = [getattr(self.reached, field) for field in forward]
        known = [each for each in at if each is not None]
        assert at[: len(known)] == known == sorted(known)
        assert not known or known[0] >= self.reached.opened_at
        if self.state != State.CANCELLED:
            order = (State.OPEN, *(state for state, _ in MILESTONES.values()))
            assert len(known) == order.index(self.state)
        assert (self.reached.cancelled_at is not None) == (
            self.state == State.CANCELLED
        )


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


@given(act=st.sampled_from(BACKWARDS))
def test_what_leads_back_leaves_the_opening_alone(act):
    reached = Milestones(opened_at=NOW, acknowledged_at=NOW, mitigated_at=NOW)

    assert reached.moved(act, NOW, now=NOW) == Milestones(opened_at=NOW)


# Subjects


SUBJECT = Subject(
    rollout="r", kind=Kind.REAL, cause="c", gate="B", stage="s", configuration="f"
)


@pytest.mark.parametrize(
    "other",
    [
        {"rollout": "x"},
        {"kind": Kind.DRILL},
        {"cause": "x"},
        {"gate": "C"},
        {"stage": "x"},
        {"configuration": "x"},
        {"topic": "x"},
    ],
)
def test_everything_of_a_subject_tells_it_apart(other):
    said = {
        "rollout": "r",
        "kind": Kind.REAL,
        "cause": "c",
        "gate": "B",
        "stage": "s",
        "configuration": "f",
    }

    assert Subject(**said).fingerprint == SUBJECT.fingerprint
    assert Subject(**{**said, **other}).fingerprint != SUBJECT.fingerprint


@pytest.mark.parametrize("state", State)
def test_only_what_was_resolved_a_short_while_ago_comes_back(state):
    soon, late = NOW + REOPENS_WITHIN, NOW + REOPENS_WITHIN + timedelta(seconds=1)

    returns = state in (State.MITIGATED, State.RESOLVED, State.REVIEWED)
    assert comes_back(state, NOW, now=soon) == returns
    assert not comes_back(state, NOW, now=late)
    assert not comes_back(state, None, now=NOW)


# Closing


@pytest.mark.parametrize("severity", Severity)
@pytest.mark.parametrize("kind", Kind)
def test_serious_ones_need_a_postmortem(severity, kind):
    check_reviewable(severity, kind, has_written_postmortem=True)
    if severity <= 2 and kind != Kind.TEST:
        with pytest.raises(WrongMoment, match="postmortem"):
            check_reviewable(severity, kind, has_written_postmortem=False)
    else:
        check_reviewable(severity, kind, has_written_postmortem=False)


def test_open_tasks_are_named():
    check_closable([])

    with pytest.raises(WrongMoment, match="Ask the host; Fix it"):
        check_closable(["Ask the host", "Fix it"])


# Timers


@pytest.mark.parametrize("state", State)
def test_a_state_waits_for_what_is_not_reached_yet(state):
    waits = WAITS_FOR[state]

    assert (TimerKind.ACKNOWLEDGE in waits) == (state == State.OPEN)
    assert (TimerKind.ACTIVITY in waits) == (state == State.ACKNOWLEDGED)
    assert (TimerKind.RESOLVE in waits) == (state in ACTIVE)


def test_what_is_worse_is_due_sooner():
    for kind in TimerKind:
        dues = [due(kind, severity, since=NOW) for severity in Severity]
        assert dues == sorted(set(dues))
    assert set(TARGETS) == set(Severity)


@given(severity=st.sampled_from(Severity), reminders=st.integers(0, 10_000))
def test_reminders_come_ever_later_and_at_least_daily(severity, reminders):
    this = next_reminder(severity, reminders, now=NOW)
    following = next_reminder(severity, reminders + 1, now=NOW)

    assert NOW < this <= following <= NOW + timedelta(hours=24)
