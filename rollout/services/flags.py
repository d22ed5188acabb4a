"""Changing a flag: towards safety at once, towards exposure by two people."""

from typing import Any

from django.db import transaction

from portal.domain.roles import May
from portal.errors import Invalid, NotFound
from portal.models import Actor, Approval
from portal.services import approvals
from portal.services.access import require
from portal.services.ledger import record
from rollout.domain.flags import (
    ENABLED,
    FlagSpec,
    FlagType,
    canonical_key,
    is_towards_safety,
)
from rollout.domain.verbs import Verb
from rollout.models import Flag
from rollout.services import rollouts, snapshots

CHANGE = "rollout.flag.change"


def find(rollout_key: str, key: str) -> Flag:
    """The flag of that key, or of an older name of it."""
    flag = rollouts.find(rollout_key).flags.filter(key=canonical_key(key)).first()
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


@transaction.atomic
def change_default(
    flag_id: int, value: Any, *, by: Actor, reason: str
) -> Flag | Approval:
    """Change a flag's default: at once if that exposes less, else by two people."""
    flag = _locked(flag_id)
    require(by, May.PROPOSE_CHANGE, rollout=flag.rollout.key)
    _check(flag, {"default": value})
    if value == flag.default:
        return flag
    if not is_towards_safety(flag.key, flag.default, value):
        return approvals.request(
            CHANGE, flag_id, by=by, reason=reason, payload={"default": value}
        )
    old = _set(flag, value, by=by, reason=reason)
    record(Verb.FLAG_CHANGED, flag, by=by, reason=reason, before=old, after=value)
    return flag


def _set(flag: Flag, value: Any, *, by: Actor, reason: str) -> Any:
    old, flag.default = flag.default, value
    flag.save_as(by, reason=reason)
    snapshots.publish(flag.rollout, by=by, reason=reason)
    return old


def _locked(flag_id: int | str) -> Flag:
    found = Flag.objects.filter(pk=flag_id).values_list("rollout_id").first()
    if found is None:
        raise NotFound(f"There is no flag {flag_id}.")
    rollout = rollouts.locked(found[0])
    flag = Flag.objects.select_for_update(no_key=True).get(pk=flag_id)
    flag.rollout = rollout
    return flag


def _check(flag: Flag, payload: dict) -> None:
    if flag.key == ENABLED:
        raise Invalid(
            f"{ENABLED} is the decision itself: start a stage to let runs in, "
            "engage the switch to keep them out.",
            code="FLAG_IS_THE_DECISION",
            errors=[{"pointer": "/default", "detail": "is decided, not set"}],
        )
    spec_of(flag).check(payload["default"], pointer="/default")


def _change(flag: Flag, payload: dict, *, by: Actor, reason: str) -> None:
    old = _set(flag, payload["default"], by=by, reason=reason)
    record(
        Verb.FLAG_CHANGED,
        flag,
        by=by,
        reason=reason,
        before=old,
        after=payload["default"],
    )


change = approvals.Approvable(
    act=CHANGE,
    title="Change a flag",
    ask=May.PROPOSE_CHANGE,
    confirm=May.APPROVE_CHANGE,
    subject=_locked,
    base=lambda flag: {"default": flag.default},
    check=_check,
    apply=_change,
    rollout_of=lambda flag: flag.rollout.key,
)
