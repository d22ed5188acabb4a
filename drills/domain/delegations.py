"""Delegations: one person signs for another, for a short while."""

from datetime import timedelta

from portal.errors import Invalid, NotAllowed

LONGEST = timedelta(days=14)


def check(*, giver: int, receiver: int, lasts: timedelta) -> None:
    """Refuse a delegation to oneself, into the past, or for too long."""
    if giver == receiver:
        raise NotAllowed(
            "A delegation is to another person.", code="CANNOT_DELEGATE_TO_ONESELF"
        )
    if not timedelta(0) < lasts <= LONGEST:
        raise Invalid(
            f"A delegation lasts at most {LONGEST.days} days, from now on.",
            errors=[{"pointer": "/until", "detail": "is too far away, or past"}],
        )
