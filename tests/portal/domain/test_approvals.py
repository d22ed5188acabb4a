from datetime import UTC, datetime, timedelta

import pytest

from portal.domain.approvals import (
    MOVES,
    Act,
    ApprovalState,
    after,
    check_another_person,
    check_unchanged,
    has_lapsed,
)
from portal.errors import NotAllowed, WrongMoment

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("act", Act)
@pytest.mark.parametrize("state", ApprovalState)
def test_only_a_pending_request_can_be_decided(state, act):
    if (state, act) in MOVES:
        assert after(state, act) != state
        return

    with pytest.raises(WrongMoment):
        after(state, act)


def test_nobody_confirms_their_own_request():
    with pytest.raises(NotAllowed) as refusal:
        check_another_person(requester=1, approver=1)

    assert refusal.value.code == "CANNOT_CONFIRM_OWN_REQUEST"


def test_a_machine_confirms_nothing():
    with pytest.raises(NotAllowed):
        check_another_person(requester=1, approver=None)


def test_another_person_may_confirm():
    check_another_person(requester=1, approver=2)


def test_a_request_is_stale_once_its_ground_has_moved():
    with pytest.raises(WrongMoment) as refusal:
        check_unchanged(asked="sha256:a", found="sha256:b")

    assert refusal.value.code == "APPROVAL_STALE"


def test_a_request_lapses_at_the_moment_it_expires():
    assert has_lapsed(NOON, now=NOON)
    assert not has_lapsed(NOON, now=NOON - timedelta(microseconds=1))
