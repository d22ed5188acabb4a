"""Delegations are short and to somebody else: plain rules."""

from datetime import timedelta

import pytest

from drills.domain.delegations import check
from portal.errors import Invalid, NotAllowed


@pytest.mark.parametrize("days", [-1, 0, 14.01, 400])
def test_a_delegation_is_short(days):
    with pytest.raises(Invalid):
        check(giver=1, receiver=2, lasts=timedelta(days=days))


def test_a_delegation_is_to_somebody_else():
    with pytest.raises(NotAllowed):
        check(giver=1, receiver=1, lasts=timedelta(days=1))
