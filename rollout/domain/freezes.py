"""Freezes: what may not be done for a while, whoever asks."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from portal.errors import Invalid, WrongMoment

AFTER_ROLLBACK = timedelta(hours=24)
LONGEST = timedelta(days=30)


class Scope(StrEnum):
    """What a freeze stops; going towards safety is never stopped."""

    EXPANSION = "expansion"  # starting, resuming, promoting, widening
    CHANGES = "changes"  # that, and every change that takes approval


@dataclass(frozen=True, slots=True)
class Frozen:
    """A freeze that is on."""

    scope: Scope
    reason: str
    owner: str
    expires_at: datetime | None  # None: it is over when its cause is
    link: str = "/admin/rollout/freeze/"


def check_expiry(expires_at: datetime, *, now: datetime) -> None:
    """Refuse a freeze that is over before it begins, or that lasts too long."""
    if now < expires_at <= now + LONGEST:
        return
    raise Invalid(
        f"A freeze ends at a time to come, within {LONGEST.days} days.",
        errors=[{"pointer": "/expires_at", "detail": "is a time to come"}],
    )


def check_unfrozen(freezes: Iterable[Frozen], *, stops: Scope) -> None:
    """Refuse what a freeze stops: expansion by any, other changes by theirs."""
    for freeze in freezes:
        if stops == Scope.EXPANSION or freeze.scope == Scope.CHANGES:
            until = freeze.expires_at
            ends = f" until {until:%d %b %H:%M} UTC" if until else ""
            raise WrongMoment(
                f"Frozen by {freeze.owner}{ends}: {freeze.reason}",
                code="FROZEN",
                scope=str(freeze.scope),
                expires_at=until.isoformat() if until else None,
                possible=["lift the freeze"] if until else ["remove its cause"],
            )
