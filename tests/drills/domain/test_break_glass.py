from datetime import UTC, datetime, timedelta

import pytest

from drills.domain.break_glass import (
    LONGEST,
    Precaution,
    check_asked,
    check_incident,
    check_reviewer,
    is_in_force,
)
from drills.domain.incidents import OVER, Kind, State
from portal.errors import Invalid, NotAllowed, WrongMoment

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_what_is_passed_over_is_named_once():
    asked = ["verification", "incidents", "verification"]

    assert check_asked(asked, HOUR) == [Precaution.INCIDENTS, Precaution.VERIFICATION]


@pytest.mark.parametrize(
    "name", ["switch", "freeze", "drills", "on_call", "failures", "", "INCIDENTS"]
)
def test_nothing_else_is_ever_passed_over(name):
    with pytest.raises(Invalid, match="nothing else"):
        check_asked([name], HOUR)


def test_it_names_something_and_ends():
    with pytest.raises(Invalid):
        check_asked([], HOUR)
    for lasts in (timedelta(0), -HOUR, LONGEST + timedelta(seconds=1)):
        with pytest.raises(Invalid, match="at most 4 hours"):
            check_asked(["incidents"], lasts)
    check_asked(["incidents"], LONGEST)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("kind", Kind)
def test_only_something_real_that_is_not_over_is_an_emergency(kind, state):
    if kind == Kind.REAL and state not in OVER:
        check_incident(kind, state)
        return
    with pytest.raises(WrongMoment) as refusal:
        check_incident(kind, state)
    assert refusal.value.code == "NO_EMERGENCY"


def test_a_third_person_reviews_it():
    check_reviewer(3, broken_by=[1, 2])
    for reviewer in (1, 2, None):
        with pytest.raises(NotAllowed):
            check_reviewer(reviewer, broken_by=[1, 2])


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, True),
        ({"now": NOON + HOUR}, False),
        ({"ended_at": NOON}, False),
        ({"is_over": True}, False),
    ],
)
def test_it_ends_with_its_time_with_its_incident_or_by_somebody(changed, expected):
    facts = {"expires_at": NOON + HOUR, "ended_at": None, "is_over": False, "now": NOON}

    assert is_in_force(**facts | changed) == expected
