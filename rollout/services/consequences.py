"""What else happens when something went wrong: registered by later apps.

An act that finds a cause announces it here, in its own transaction; whoever
registered for it (the incident tools, say) takes part in that transaction. The
triggers of the run's rollout are considered afterwards, by a job: what they do locks
the rollout, which no ingest does.
"""

from collections.abc import Callable
from enum import StrEnum

from portal.models import Actor
from portal.services.jobs import enqueue
from rollout.domain.runs import RunKind
from rollout.models import Run, TriggerFiring

CONSIDER_JOB = "rollout.jobs.consider_triggers"


class Cause(StrEnum):
    """What can go wrong with a run, or be done about it."""

    HARD_GATE_FAILED = "hard_gate_failed"
    FINAL_RUN_REVIVED = "final_run_revived"
    TIMED_OUT = "timed_out"
    DIRECTIVE_OVERDUE = "directive_overdue"
    DIRECTIVE_CONTRADICTED = "directive_contradicted"
    REVISION_CONFLICT = "revision_conflict"
    GATE_INPUTS_DRIFT = "gate_inputs_drift"
    PROVIDER_FAILED = "provider_failed"
    SOURCES_BLOCKED = "sources_blocked"
    WEB_EXPOSED = "web_exposed"
    TRIGGER_FIRED = "trigger_fired"


Consequence = Callable[..., None]
_registered: list[Consequence] = []


def register(consequence: Consequence) -> None:
    """Have `consequence(cause, run, by=..., **facts)` called for every cause.

    A trigger that fired comes with `firing`; its `run` is None where it fired about
    something else.
    """
    _registered.append(consequence)


def announce(cause: Cause, run: Run, *, by: Actor, **facts: object) -> None:
    """Tell whoever registered, within the transaction that found the cause."""
    _tell(cause, run, by=by, **facts)
    ask_to_consider(run)


def announce_firing(firing: TriggerFiring, *, by: Actor) -> None:
    """Tell whoever registered that a trigger has fired."""
    _tell(Cause.TRIGGER_FIRED, firing.run, by=by, firing=firing)


def ask_to_consider(run: Run, *, once: str = "") -> None:
    """Have the triggers considered soon, if this run counts at all."""
    if run.kind != RunKind.IMPORTED and run.attempt_id is not None:
        enqueue(CONSIDER_JOB, once=once, run_id=run.pk)


def _tell(cause: Cause, run: Run | None, *, by: Actor, **facts: object) -> None:
    for consequence in _registered:
        consequence(cause, run, by=by, **facts)
