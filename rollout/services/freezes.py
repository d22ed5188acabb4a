"""Freezes, and who is on call."""

from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef

from portal import clock
from portal.domain.roles import May, roles_that
from portal.errors import NotAllowed, NotFound
from portal.models import Actor, RoleGrant
from portal.services.access import may, require
from portal.services.ledger import record
from portal.services.reading import read_once
from rollout.domain import freezes as domain
from rollout.domain.freezes import Frozen, Scope
from rollout.domain.verbs import Verb
from rollout.models import Freeze, OnCall, Rollout
from rollout.services import rollouts

ON_CALL_FOR = timedelta(hours=24)
MOST_ON_CALL = 20
# What else freezes a rollout, by its id; later apps add theirs.
_sources: list[Callable[[int], list[Frozen]]] = []


def also_frozen(source: Callable[[int], list[Frozen]]) -> None:
    """Have something else freeze rollouts; no act lifts that, its cause has to go."""
    _sources.append(source)


@transaction.atomic
def freeze(
    rollout_key: str,
    scope: Scope,
    expires_at: datetime,
    *,
    by: Actor,
    reason: str,
) -> Freeze:
    """Stop expansion, or all changes that take approval, until then."""
    require(by, May.HOLD, rollout=rollout_key)
    now = clock.now()
    domain.check_expiry(expires_at, now=now)
    made = begin(
        rollouts.find(rollout_key), scope, expires_at, now=now, by=by, reason=reason
    )
    record(Verb.FREEZE_BEGUN, made, by=by, reason=reason, scope=scope, until=expires_at)
    return made


def begin(
    rollout: Rollout,
    scope: Scope,
    expires_at: datetime,
    *,
    now: datetime,
    by: Actor,
    reason: str,
) -> Freeze:
    """Write the row of a freeze; a part of acts that freeze."""
    made = Freeze(
        rollout=rollout,
        scope=scope,
        reason=reason,
        owner=by,
        begun_at=now,
        expires_at=expires_at,
    )
    made.save_as(by, reason=reason)
    return made


@transaction.atomic
def lift(freeze_id: int, *, by: Actor, reason: str) -> Freeze:
    """End a freeze early: its owner, or somebody who could confirm an expansion."""
    found = (
        Freeze.objects.select_for_update(of=["self"], no_key=True)
        .select_related("rollout", "owner")
        .filter(pk=freeze_id)
        .first()
    )
    if found is None:
        raise NotFound(f"There is no freeze {freeze_id}.")
    rollout = found.rollout.key
    require(by, May.HOLD, rollout=rollout)
    if by != found.owner and not may(by, May.CONFIRM_EXPOSURE, rollout=rollout):
        raise NotAllowed(
            "A freeze is lifted by its owner, or by an architect or QA.",
            code="NOT_THE_OWNER",
            owner=found.owner.name,
        )
    if found.lifted_at is None:
        found.lifted_at, found.lifted_by = clock.now(), by
        found.save_as(by, reason=reason)
        record(Verb.FREEZE_LIFTED, found, by=by, reason=reason)
    return found


@read_once
def on(rollout_id: int) -> list[Frozen]:
    """The freezes that are on now."""
    rows = Freeze.objects.filter(
        rollout_id=rollout_id, lifted_at=None, expires_at__gt=clock.now()
    ).select_related("owner")
    found = [
        Frozen(Scope(row.scope), row.reason, row.owner.name, row.expires_at)
        for row in rows
    ]
    return found + [each for source in _sources for each in source(rollout_id)]


def check_unfrozen(rollout_id: int, *, stops: Scope = Scope.EXPANSION) -> None:
    """Refuse what a freeze stops now."""
    domain.check_unfrozen(on(rollout_id), stops=stops)


@transaction.atomic
def confirm_on_call(rollout_key: str, *, by: Actor, reason: str) -> OnCall:
    """Say that one is on call for this rollout, for a day."""
    require(by, May.WORK_INCIDENT, rollout=rollout_key)
    if by.person_behind is None:
        raise NotAllowed("Only a person can be on call.", code="PERSON_REQUIRED")
    now = clock.now()
    confirmed = OnCall(
        rollout=rollouts.find(rollout_key),
        person=by.person_behind,
        confirmed_by=by,
        confirmed_at=now,
        until=now + ON_CALL_FOR,
    )
    confirmed.save()
    record(
        Verb.ON_CALL_CONFIRMED, confirmed, by=by, reason=reason, until=confirmed.until
    )
    return confirmed


@read_once
def on_call_now(rollout_id: int) -> list[OnCall]:
    """Who is on call, each person once, whoever confirmed last first.

    Who has been deactivated, or may not work on incidents any more, is not.
    """
    able = RoleGrant.objects.filter(
        person=OuterRef("person"),
        revoked_at=None,
        role__in=roles_that(May.WORK_INCIDENT),
    )
    rows = OnCall.objects.filter(
        Exists(able),
        rollout_id=rollout_id,
        until__gt=clock.now(),
        person__is_active=True,
    ).select_related("person")
    found: dict[int, OnCall] = {}
    for row in rows.order_by("-until", "-pk")[:MOST_ON_CALL]:
        found.setdefault(row.person_id, row)
    return list(found.values())
