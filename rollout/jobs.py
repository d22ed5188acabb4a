"""The jobs of this app: thin, with ids in, and safe to run twice."""

from portal.domain.jobs import Queue
from portal.services import actors
from portal.services.jobs import define
from rollout.services import fallback
from rollout.services.runs import CONFIRM_JOB, FALL_BACK_JOB

define(FALL_BACK_JOB, queue=Queue.SAFETY)
define(CONFIRM_JOB, queue=Queue.SAFETY)


def fall_back(run_id: int) -> None:
    """Safe to run twice: a run has at most one fallback offer."""
    fallback.fall_back_confirmed(
        run_id, by=actors.system(), reason="A hard gate has failed for good."
    )


def confirm_gate_failure(run_id: int, gates_revision: int) -> None:
    """Safe to run twice: it does nothing once newer gates came or the run ended."""
    fallback.confirm_overdue(
        run_id,
        gates_revision,
        by=actors.system(),
        reason="A hard gate has failed and no newer gates came in time.",
    )
