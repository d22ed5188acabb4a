"""What else happens when something went wrong: registered by later apps.

An act that finds a cause announces it here, in its own transaction; whoever
registered for it (the incident tools, say) takes part in that transaction.
"""

from collections.abc import Callable
from enum import StrEnum

from portal.models import Actor
from rollout.models import Run


class Cause(StrEnum):
    """What can go wrong with a run."""

    HARD_GATE_FAILED = "hard_gate_failed"
    FINAL_RUN_REVIVED = "final_run_revived"
    TIMED_OUT = "timed_out"
    REVISION_CONFLICT = "revision_conflict"
    GATE_INPUTS_DRIFT = "gate_inputs_drift"


Consequence = Callable[..., None]
_registered: list[Consequence] = []


def register(consequence: Consequence) -> None:
    """Have `consequence(cause, run, by=..., **facts)` called for every cause."""
    _registered.append(consequence)


def announce(cause: Cause, run: Run, *, by: Actor, **facts: object) -> None:
    """Tell whoever registered, within the transaction that found the cause."""
    for consequence in _registered:
        consequence(cause, run, by=by, **facts)
