"""Flags: finding one, and changing its default."""

from typing import Any

from portal.errors import Invalid, NotFound
from portal.models import Actor
from rollout.domain.flags import ENABLED, FlagSpec, FlagType, canonical_key
from rollout.models import Change, Flag
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
