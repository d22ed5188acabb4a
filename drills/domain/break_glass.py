"""Break-glass towards exposure: two people pass over a precaution, for a while.

Only precautions whose cure takes longer than an emergency allows are here. What proves
that a stage is fit (its evidence, its drills), who is awake (on call), what people have
stopped on purpose (the switch, a freeze), and failures that nobody has looked at are
never passed over.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum

from drills.domain.incidents import OVER, Kind, State
from portal.errors import Invalid, NotAllowed, WrongMoment

LONGEST = timedelta(hours=4)
USUAL = timedelta(hours=1)
REVIEW_WITHIN = timedelta(hours=24)


class Precaution(StrEnum):
    """What can be passed over; the names are those of the readiness checks."""

    INCIDENTS = "incidents"  # no serious incident is open
    VERIFICATION = "verification"  # the last verification run is green and fresh


SAYS = {
    Precaution.INCIDENTS: "a serious incident is open",
    Precaution.VERIFICATION: "verification is red, or too old",
}


def check_asked(precautions: Iterable[str], lasts: timedelta) -> list[Precaution]:
    """What is to be passed over, or a refusal that says what may be."""
    wanted = sorted(set(precautions))
    unknown = [each for each in wanted if each not in set(Precaution)]
    if unknown or not wanted:
        raise Invalid(
            "Break-glass passes over " + " or ".join(Precaution) + ", nothing else.",
            errors=[{"pointer": "/precautions", "detail": "is no such precaution"}],
        )
    if not timedelta(0) < lasts <= LONGEST:
        hours = int(LONGEST.total_seconds() / 3600)
        raise Invalid(
            f"Glass is broken for at most {hours} hours.",
            errors=[{"pointer": "/minutes", "detail": "is too short or too long"}],
        )
    return [Precaution(each) for each in wanted]


def check_incident(kind: Kind, state: State) -> None:
    """Refuse unless something real is the matter, now."""
    if kind != Kind.REAL or state in OVER:
        raise WrongMoment(
            "Glass is broken because of a real incident that is not over.",
            code="NO_EMERGENCY",
            possible=["open an incident"],
        )


def check_reviewer(reviewer: int | None, *, broken_by: Iterable[int]) -> None:
    """Whoever broke the glass does not judge whether it was right."""
    if reviewer is None:
        raise NotAllowed("Only a person can review this.", code="PERSON_REQUIRED")
    if reviewer in set(broken_by):
        raise NotAllowed(
            "You have broken this glass yourself; a third person reviews it.",
            code="REVIEWER_INVOLVED",
        )


def is_in_force(
    *, expires_at: datetime, ended_at: datetime | None, is_over: bool, now: datetime
) -> bool:
    """Whether it passes anything over now."""
    return ended_at is None and now < expires_at and not is_over
