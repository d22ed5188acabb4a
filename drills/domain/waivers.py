"""Waivers: a requirement that need not be met, for a while, for a reason."""

from datetime import timedelta

from drills.domain.release_gates import Requirement
from portal.errors import Invalid, NotAllowed

LONGEST = timedelta(days=30)
SHORTEST = timedelta(minutes=1)


def check(requirement: Requirement, lasts: timedelta) -> None:
    """Refuse to waive what has to be met, and to waive for too long."""
    if not requirement.is_waivable:
        raise NotAllowed(
            f"{requirement.title} cannot be waived; it has to be met.",
            code="NOT_WAIVABLE",
        )
    if not SHORTEST <= lasts <= LONGEST:
        raise Invalid(
            f"A waiver lasts at most {LONGEST.days} days, from now on.",
            errors=[{"pointer": "/until", "detail": "is too far away, or past"}],
        )
