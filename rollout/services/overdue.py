"""Directives that no run has followed in time: told of once each."""

from datetime import timedelta

from django.db import transaction

from portal import clock
from portal.domain.roles import May
from portal.errors import NotFound
from portal.models import Actor
from portal.services import heartbeats
from portal.services.access import require
from portal.services.jobs import enqueue
from portal.services.ledger import record
from rollout.domain.directives import DirectiveState
from rollout.domain.verbs import Verb
from rollout.models import Directive
from rollout.services import runs, watchdog
from rollout.services.consequences import Cause, announce

NAME = "overdue directives"
EVERY = timedelta(seconds=5)
OVERDUE_JOB = "rollout.jobs.tell_of_overdue_directive"
MOST_AT_ONCE = 500


def sweep() -> int:
    """Ask to tell of every directive that is overdue and not told of yet.

    While the portal was away nobody could acknowledge; so after a gap runs may speak
    first, as they may to the watchdog. How many there were.
    """
    heartbeats.beat(NAME)
    now = clock.now()
    if watchdog.lets_runs_speak(now):
        return 0
    found = Directive.objects.filter(
        state=DirectiveState.ISSUED, overdue_at=None, due_at__lt=now
    )
    overdue = list(found.order_by("due_at").values_list("pk", flat=True)[:MOST_AT_ONCE])
    for pk in overdue:
        enqueue(OVERDUE_JOB, once=f"overdue {pk}", directive_id=str(pk))
    return len(overdue)


@transaction.atomic
def tell_of_overdue(directive_id: str, *, by: Actor, reason: str) -> bool:
    """Tell that a directive is overdue, once; False if it has been followed, or told.

    It stays issued, and is sent on.
    """
    directive = Directive.objects.filter(pk=directive_id).first()
    if directive is None:
        raise NotFound(f"There is no directive {directive_id}.")
    run = runs.locked(directive.run_id)
    require(by, May.DIRECT_RUN, rollout=run.rollout.key)
    directive.refresh_from_db()
    now = clock.now()
    is_open = directive.state == DirectiveState.ISSUED
    if not is_open or directive.overdue_at is not None or directive.due_at >= now:
        return False
    directive.overdue_at = now
    directive.save_as(by, reason=reason)
    announce(Cause.DIRECTIVE_OVERDUE, run, by=by, directive=directive)
    record(
        Verb.DIRECTIVE_OVERDUE,
        directive,
        by=by,
        reason=reason,
        run_id=run.run_id,
        directive=directive.kind,
        due_at=directive.due_at,
    )
    return True
