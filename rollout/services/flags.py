"""Flags: finding one, and changing its default."""

from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery
from django.db.models.functions import Greatest

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


def with_use(flags: QuerySet[Flag]) -> QuerySet[Flag]:
    """Flags with `asked_at`, when they were last asked for, and `known_since`."""
    uses = FlagUse.objects.filter(rollout=OuterRef("rollout"), key=OuterRef("key"))
    made = Flag.history.filter(id=OuterRef("pk"), history_type="+")
    return flags.annotate(
        asked_at=Subquery(
            uses.values(at=Greatest("last_asked_at", "last_bulk_at"))[:1]
        ),
        known_since=Subquery(made.values("history_date")[:1]),
    )


def stale_because(flag: Flag) -> list[str]:
    """Why a flag (`with_use`) could go, each a sentence; empty if it could not."""
    if not flag.is_live:
        return []
    facts = FlagFacts(
        key=flag.key,
        owner=flag.owner,
        expires_on=flag.expires_on,
        asked_at=flag.asked_at,
        known_since=flag.known_since,
    )
    return list(reasons(facts, now=clock.now()))


def stale(rollout_key: str) -> list[tuple[Flag, list[str]]]:
    """The flags of a rollout that could go, and why."""
    rollout = rollouts.find(rollout_key)
    live = with_use(rollout.flags.filter(is_live=True))
    return [(flag, why) for flag in live if (why := stale_because(flag))]


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
