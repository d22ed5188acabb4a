"""Directives: asked of runs, sent until acknowledged, overdue when they are not."""

from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

import uuid_utils
from django.db import transaction

from portal import clock
from portal.domain.roles import May
from portal.errors import NotFound, WrongMoment
from portal.models import Actor
from portal.services import bell, durability
from portal.services.access import require
from portal.services.ledger import record
from rollout.domain.directives import (
    DUE_AFTER_S,
    REROUTED,
    Act,
    DirectiveKind,
    DirectiveState,
    after,
    kind_of,
)
from rollout.domain.runs import FINAL, RunKind
from rollout.domain.runs import Act as RunAct
from rollout.domain.verbs import Verb
from rollout.models import Directive, Run
from rollout.services import endings, proofs, runs


@transaction.atomic
def issue(
    rollout_key: str, run_id: str, kind: str, *, by: Actor, reason: str
) -> Directive:
    """Ask something of a run; it takes the place of what was asked before.

    Asking for the same again changes nothing. `reroute` ends the run for the portal
    at once (decision 13); the others take effect when the run reports that they have.
    """
    require(by, May.DIRECT_RUN, rollout=rollout_key)
    wanted = kind_of(kind)
    run = runs.locked(runs.find(rollout_key, run_id).pk)
    if run.kind == RunKind.IMPORTED:
        raise WrongMoment("An imported run listens to nobody.", possible=[])
    if run.status in FINAL:
        raise WrongMoment(
            f"This run has {run.status}; nothing can be asked of it any more.",
            status=run.status,
            possible=[],
        )
    open_now = run.directives.filter(state=DirectiveState.ISSUED).first()
    if open_now is not None:
        if open_now.kind == wanted:
            return open_now
        _end(open_now, Act.SUPERSEDE, by=by, reason=reason)
    now = clock.now()
    directive = Directive(
        id=UUID(str(uuid_utils.uuid7())),
        run=run,
        kind=wanted,
        reason=reason,
        issued_at=now,
        issued_by=by,
        due_at=now + timedelta(seconds=DUE_AFTER_S),
    )
    directive.save_as(by, reason=reason)
    if wanted == DirectiveKind.REROUTE:
        endings.end(run, RunAct.REROUTE, cause=REROUTED, by=by, reason=reason)
        record(Verb.RUN_REROUTED, run, by=by, reason=reason)
    bell.ring(bell.EDGE)
    record(
        Verb.DIRECTIVE_ISSUED,
        directive,
        by=by,
        reason=reason,
        run_id=run.run_id,
        directive=wanted,
        due_at=directive.due_at,
    )
    return directive


@transaction.atomic
def acknowledge(
    rollout_key: str,
    run_id: str,
    directive_id: str,
    *,
    revision: int | None,
    by: Actor,
    reason: str,
) -> Directive:
    """The run has followed; `revision` is that of the manifest that says so.

    Acknowledging twice changes nothing. Raises `NotFound` for another run's
    directive and `Conflict` (DIRECTIVE_STALE) for one that is over.
    """
    require(by, May.READ_DIRECTIVES, rollout=rollout_key)
    run = runs.locked(runs.find(rollout_key, run_id).pk)
    directive = _of(run, directive_id)
    if directive.state == DirectiveState.ACKNOWLEDGED:
        return directive
    directive.revision = revision
    proofs.look_for(directive)
    _end(directive, Act.ACKNOWLEDGE, by=by, reason=reason)
    bell.ring(bell.EDGE)
    record(
        Verb.DIRECTIVE_ACKNOWLEDGED,
        directive,
        by=by,
        reason=reason,
        run_id=run.run_id,
        directive=directive.kind,
        revision=revision,
        proof=directive.proof,
    )
    proofs.tell_of_contradiction(directive, by=by)
    return directive


def pending(rollout_key: str, run_id: str) -> list[Directive]:
    """What a run is asked now."""
    run = runs.find(rollout_key, run_id)
    return _lasting(
        run.directives.filter(state=DirectiveState.ISSUED).select_related("run")
    )


def all_pending(rollout_key: str) -> list[Directive]:
    """What all runs of a rollout are asked now, the longest waiting first."""
    return _lasting(
        Directive.objects.filter(
            run__rollout__key=rollout_key, state=DirectiveState.ISSUED
        )
        .select_related("run")
        .order_by("due_at")
    )


def _lasting(asked: Iterable[Directive]) -> list[Directive]:
    """These, on the disk: what a run has followed cannot be unasked."""
    found = list(asked)
    if found:
        durability.flush()
    return found


def _of(run: Run, directive_id: str) -> Directive:
    try:
        wanted = UUID(str(directive_id))
    except ValueError:
        wanted = None
    found = run.directives.filter(pk=wanted).first() if wanted else None
    if found is None:
        raise NotFound(f"This run has no directive {directive_id}.")
    return found


def _end(directive: Directive, act: Act, *, by: Actor, reason: str) -> None:
    directive.state = after(DirectiveState(directive.state), act)
    directive.ended_at = clock.now()
    directive.save_as(by, reason=reason)
