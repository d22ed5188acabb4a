"""Asking the same of every open run in a scope, in batches.

A batch locks its runs, in the order of their numbers, before anything is written: from
the first line in the ledger on, everybody else's acts wait for its commit, and whoever
holds one of its runs would wait for that line. So a batch is small, and ten thousand
runs are two hundred short transactions instead of one that stops the portal.
"""

from collections.abc import Mapping

from django.db import transaction
from django.db.models import QuerySet

from portal import clock
from portal.domain.roles import May
from portal.errors import Invalid, NotFound
from portal.models import Actor
from portal.services.access import require
from portal.services.jobs import enqueue
from portal.services.ledger import record
from rollout.domain import directives as domain
from rollout.domain.runs import RunKind, RunStage
from rollout.domain.verbs import Verb
from rollout.models import Broadcast, Directive, Rollout, Run
from rollout.services import directives, rollouts

SCOPES = {"team": "decision__context__asked__team", "stage": "stage"}
BATCH = 50
BATCH_JOB = "rollout.jobs.direct_batch"


@transaction.atomic
def ask_all(
    rollout_key: str, kind: str, scope: Mapping[str, str], *, by: Actor, reason: str
) -> tuple[Broadcast, list[Directive]]:
    """Ask the same of every open run in a scope: a `team`, a run `stage`, or all.

    The first batch is asked at once, and returned; a job goes on with the others. Runs
    that come later are not meant.
    """
    require(by, May.DIRECT_RUN, rollout=rollout_key)
    rollout = rollouts.find(rollout_key)
    wanted = domain.kind_of(kind)
    last = runs_in(rollout, scope).order_by("-pk").values_list("pk", flat=True).first()
    broadcast = Broadcast(
        rollout=rollout,
        kind=wanted,
        scope=dict(scope),
        reason=reason,
        asked_at=clock.now(),
        asked_by=by,
        upto=last or 0,
    )
    batch = _lock_next(broadcast)
    broadcast.save_as(by, reason=reason)
    issued = _direct(broadcast, batch, by=by)
    record(
        Verb.RUNS_ASKED,
        broadcast,
        by=by,
        reason=reason,
        directive=wanted,
        scope=dict(scope),
        upto=broadcast.upto,
    )
    return broadcast, issued


@transaction.atomic
def go_on(broadcast_id: int, *, by: Actor, reason: str) -> int:
    """Ask the next batch, for the reason that was given; how many runs it had."""
    broadcast = (
        Broadcast.objects.select_for_update(of=["self"], no_key=True)
        .select_related("rollout", "asked_by")
        .filter(pk=broadcast_id)
        .first()
    )
    if broadcast is None:
        raise NotFound(f"There is no broadcast {broadcast_id}.")
    require(by, May.DIRECT_RUN, rollout=broadcast.rollout.key)
    if broadcast.done_at is not None:
        return 0
    issued = _direct(broadcast, _lock_next(broadcast), by=by)
    record(
        Verb.RUNS_ASKED_ON,
        broadcast,
        by=by,
        reason=reason,
        directed=broadcast.directed,
        is_done=broadcast.done_at is not None,
    )
    return len(issued)


def find(broadcast_id: int, rollout_key: str) -> Broadcast:
    """The broadcast of a rollout, or a refusal."""
    found = Broadcast.objects.select_related("rollout", "asked_by").filter(
        pk=broadcast_id, rollout__key=rollout_key
    )
    if (broadcast := found.first()) is None:
        raise NotFound(f"There is no broadcast {broadcast_id} in {rollout_key}.")
    return broadcast


def runs_in(rollout: Rollout, scope: Mapping[str, str]) -> QuerySet[Run]:
    """The open runs of a scope; `Invalid` for a scope that cannot be."""
    unknown = sorted(set(scope) - set(SCOPES))
    if unknown:
        raise Invalid(
            f"A scope names {' or '.join(SCOPES)}; {', '.join(unknown)} is neither.",
            errors=[{"pointer": f"/scope/{unknown[0]}", "detail": "is not known"}],
        )
    if scope.get("stage") not in (None, *RunStage):
        raise Invalid(
            f"A run stage is {', '.join(RunStage)}.",
            errors=[{"pointer": "/scope/stage", "detail": "is no run stage"}],
        )
    found = Run.objects.filter(
        rollout=rollout,
        finished_at=None,
        **{SCOPES[name]: value for name, value in scope.items()},
    )
    return found.exclude(kind=RunKind.IMPORTED)


def _lock_next(broadcast: Broadcast) -> list[Run]:
    rest = runs_in(broadcast.rollout, broadcast.scope).filter(
        pk__gt=broadcast.reached, pk__lte=broadcast.upto
    )
    locked = rest.select_for_update(of=["self"], no_key=True).order_by("pk")
    return list(locked[:BATCH])


def _direct(broadcast: Broadcast, batch: list[Run], *, by: Actor) -> list[Directive]:
    issued = [
        directives.issue(
            broadcast.rollout.key,
            run.run_id,
            broadcast.kind,
            by=by,
            reason=broadcast.reason,
        )
        for run in batch
    ]
    broadcast.directed += len(issued)
    if len(batch) < BATCH:
        broadcast.done_at = clock.now()
    else:
        broadcast.reached = batch[-1].pk
        enqueue(
            BATCH_JOB,
            once=f"broadcast {broadcast.pk} {broadcast.reached}",
            broadcast_id=broadcast.pk,
        )
    broadcast.save_as(by, reason=broadcast.reason)
    return issued
