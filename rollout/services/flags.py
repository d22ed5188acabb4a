"""Flags: finding one, and changing its default."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from portal import clock
from portal.errors import Invalid, NotFound
from portal.models import Actor
from rollout.domain.flags import ENABLED, FlagSpec, FlagType, canonical_key
from rollout.domain.staleness import FlagFacts, reasons
from rollout.models import Change, Flag, FlagUse
from rollout.services import changes, proposals, rollouts


def find(rollout_key: str, key: str) -> Flag:
    """The flag of that key, or of an older name of it."""
    flag = (
        rollouts.find(rollout_key)
        .flags.filter(key=canonical_key(key), is_live=True)
        .first()
    )
    if flag is None:
        raise NotFound(f"There is no flag {key!r} in {rollout_key}.")
    return flag


@dataclass(frozen=True, slots=True)
class Stale:
    """A flag that could go, and why."""

    flag: Flag
    asked_at: datetime | None
    reasons: list[str]


def stale(rollout_key: str) -> list[Stale]:
    """The flags of a rollout that could go, in three queries."""
    rollout = rollouts.find(rollout_key)
    now = clock.now()
    used = {
        use.key: max(filter(None, (use.last_asked_at, use.last_bulk_at)), default=None)
        for use in FlagUse.objects.filter(rollout=rollout)
    }
    first = Flag.history.filter(rollout_id=rollout.pk, history_type="+")
    known_since = dict(first.values_list("id", "history_date"))
    found = []
    for flag in rollout.flags.filter(is_live=True):
        asked_at = used.get(flag.key)
        facts = FlagFacts(
            key=flag.key,
            owner=flag.owner,
            expires_on=flag.expires_on,
            asked_at=asked_at,
            known_since=known_since[flag.pk],
        )
        if why := list(reasons(facts, now=now)):
            found.append(Stale(flag, asked_at, why))
    return found


def spec_of(flag: Flag) -> FlagSpec:
    """The flag as the domain sees it."""
    return FlagSpec(
        key=flag.key,
        type=FlagType(flag.type),
        default=flag.default,
        minimum=flag.minimum,
        maximum=flag.maximum,
        options=tuple(flag.options),
        is_nullable=flag.is_nullable,
    )


def change_default(flag_id: int, value: Any, *, by: Actor, reason: str) -> Change:
    """Propose another default: it counts at once if that surely exposes less."""
    flag = Flag.objects.select_related("rollout").filter(pk=flag_id).first()
    if flag is None:
        raise NotFound(f"There is no flag {flag_id}.")
    if flag.key == ENABLED:
        raise Invalid(
            f"{ENABLED} is the decision itself: start a stage to let runs in, "
            "engage the switch to keep them out.",
            code="FLAG_IS_THE_DECISION",
            errors=[{"pointer": "/default", "detail": "is decided, not set"}],
        )
    spec_of(flag).check(value, pointer="/default")
    path = f"/flags/{flag.key}/default"
    return changes.propose(
        flag.rollout.key,
        proposals.patch([{"op": "replace", "path": path, "value": value}]),
        by=by,
        reason=reason,
    )
