"""What keeps drills from being conducted: the lever, a real incident, a freeze."""

from django.db import transaction

from drills.domain.incidents import ACTIVE, BLOCKING, Kind
from drills.domain.verbs import Verb
from drills.models import Drill, DrillLever, Incident
from portal import clock
from portal.domain.roles import May
from portal.errors import WrongMoment
from portal.models import Actor
from portal.services.access import require
from portal.services.ledger import record
from rollout.models import Rollout
from rollout.services import freezes

LEVER = 1


def lever() -> DrillLever | None:
    """The safety lever, if anybody has ever moved it."""
    return DrillLever.objects.select_related("moved_by").filter(pk=LEVER).first()


def of(rollout: Rollout) -> str:
    """Why no drill of this rollout goes on now; empty when nothing is in the way."""
    pulled = lever()
    if pulled is not None and pulled.is_pulled:
        return f"The safety lever is pulled: {pulled.reason}"
    serious = Incident.objects.filter(
        rollout=rollout,
        is_over=False,
        kind=Kind.REAL,
        severity__in=BLOCKING,
        state__in=list(ACTIVE),
    )
    if (incident := serious.order_by("severity", "-pk").first()) is not None:
        return f"A real incident of severity {incident.severity} is open: {incident}."
    if frozen := freezes.on(rollout.pk):
        return f"The rollout is frozen by {frozen[0].owner}: {frozen[0].reason}"
    return ""


def check(rollout: Rollout) -> None:
    """Refuse (DRILL_OBSTRUCTED) while something is in the way of drills."""
    if why := of(rollout):
        raise WrongMoment(
            f"No drill begins now. {why}", code="DRILL_OBSTRUCTED", possible=[]
        )


@transaction.atomic
def pull(*, by: Actor, reason: str) -> DrillLever:
    """Stop all drills at once, and let none begin; one person suffices."""
    require(by, May.HOLD)
    return _move(True, by=by, reason=reason)


@transaction.atomic
def release(*, by: Actor, reason: str) -> DrillLever:
    """Let drills begin again; those that were stopped stay so."""
    require(by, May.CONDUCT_DRILL)
    return _move(False, by=by, reason=reason)


def _move(is_pulled: bool, *, by: Actor, reason: str) -> DrillLever:
    found = DrillLever.objects.select_for_update(no_key=True).filter(pk=LEVER).first()
    moved = found or DrillLever(pk=LEVER)
    if moved.is_pulled == is_pulled:
        if found is None:
            raise WrongMoment("The lever is not pulled.", possible=["pull"])
        return moved
    moved.is_pulled, moved.reason = is_pulled, reason
    moved.moved_at, moved.moved_by = clock.now(), by
    moved.save_as(by, reason=reason)
    under_way = Drill.objects.filter(ended_at=None).values_list("pk", flat=True)
    record(
        Verb.DRILL_LEVER_PULLED if is_pulled else Verb.DRILL_LEVER_RELEASED,
        moved,
        by=by,
        reason=reason,
        under_way=list(under_way[:100]),
    )
    return moved
