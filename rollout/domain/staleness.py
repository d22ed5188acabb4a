"""Which flags could go: nobody asks, nobody answers for them, or their time is over."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from rollout.domain.flags import ENABLED

UNUSED_AFTER = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagFacts:
    """What is known of a flag and its use.

    `asked_at` is when it was last asked for, by name or with all others; `known_since`
    when it was made, for what is new cannot have been asked for yet.
    """

    key: str
    owner: str
    expires_on: date | None
    asked_at: datetime | None
    known_since: datetime


def reasons(flag: FlagFacts, *, now: datetime) -> Iterator[str]:
    """Why a flag is stale, each a sentence; none if it is not.

    The decision itself never is: without it there is no rollout.
    """
    if flag.key == ENABLED:
        return
    if flag.expires_on is not None and flag.expires_on < now.date():
        yield f"it expired on {flag.expires_on:%d %b %Y}"
    last = flag.asked_at or flag.known_since
    if now - last > UNUSED_AFTER:
        days = (now - last).days
        asked = (
            f"was last asked for {days} days ago"
            if flag.asked_at
            else (f"was never asked for in {days} days")
        )
        yield f"it {asked}"
    if not flag.owner:
        yield "nobody answers for it"
