"""What can be done with a change request, and when."""

from datetime import UTC, datetime, timedelta

import pytest

from portal.errors import Conflict, Invalid, NotAllowed, WrongMoment
from rollout.domain.changes import (
    MOVES,
    PENDING,
    Act,
    ChangeState,
    after,
    check_agreed,
    check_base,
    check_due,
    check_unexpired,
)
from rollout.domain.exposure import Risk

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("state", ChangeState)
@pytest.mark.parametrize("act", Act)
def test_every_move_is_in_the_table_or_refused_with_what_is_possible(state, act):
    if (state, act) in MOVES:
        assert after(state, act) == MOVES[state, act]
        return
    with pytest.raises(WrongMoment) as refusal:
        after(state, act)
    assert all((state, Act(each)) in MOVES for each in refusal.value.facts["possible"])


def test_what_has_ended_never_moves_again():
    ended = set(ChangeState) - set(PENDING)

    assert not [state for state, _ in MOVES if state in ended]


def test_an_edit_always_leads_back_to_open():
    assert {after(state, Act.EDIT) for state in PENDING} == {ChangeState.OPEN}


@pytest.mark.parametrize("risk", [Risk.LOW, Risk.HIGH])
def test_a_risky_change_takes_another_person_who_may_still_approve(risk):
    check_agreed(risk, author=1, approver=2, is_still_entitled=True)
    with pytest.raises(WrongMoment, match="approve"):
        check_agreed(risk, author=1, approver=None, is_still_entitled=False)
    with pytest.raises(NotAllowed):
        check_agreed(risk, author=1, approver=1, is_still_entitled=True)
    with pytest.raises(NotAllowed):
        check_agreed(risk, author=None, approver=1, is_still_entitled=True)
    with pytest.raises(WrongMoment, match="anew"):
        check_agreed(risk, author=1, approver=2, is_still_entitled=False)


def test_a_safer_change_takes_nobody_else():
    check_agreed(Risk.SAFER, author=1, approver=None, is_still_entitled=False)


def test_a_base_that_has_moved_is_refused_with_the_conflicts():
    check_base(rests_on="a", found="a", moved=[])
    with pytest.raises(Conflict) as refusal:
        check_base(rests_on="a", found="b", moved=[{"path": "/flags/X/default"}])
    assert refusal.value.code == "CHANGE_BASE_MOVED"
    assert "/flags/X/default" in str(refusal.value)


def test_a_schedule_is_for_a_time_to_come_before_the_change_expires():
    end = NOW + timedelta(days=14)
    check_due(NOW + timedelta(hours=1), now=NOW, expires_at=end)
    for at in (NOW, NOW - timedelta(hours=1), end, end + timedelta(days=1)):
        with pytest.raises(Invalid):
            check_due(at, now=NOW, expires_at=end)


def test_a_change_expires():
    check_unexpired(NOW + timedelta(seconds=1), now=NOW)
    with pytest.raises(WrongMoment):
        check_unexpired(NOW, now=NOW)
