"""The jobs of this app: thin, with ids in, and safe to run twice."""

from portal.domain.jobs import Queue
from portal.services import actors
from portal.services.jobs import define, held
from portal.services.schedule import every
from rollout.services import (
    broadcasts,
    changes,
    contents,
    evaluations,
    fallback,
    kill_file,
    overdue,
    rollbacks,
    scans,
    triggers,
    watch,
    watchdog,
)
from rollout.services.consequences import CONSIDER_JOB
from rollout.services.documents import CONFIRM_JOB, FALL_BACK_JOB
from rollout.services.endings import EVALUATE_JOB

define(FALL_BACK_JOB, queue=Queue.SAFETY)
define(CONFIRM_JOB, queue=Queue.SAFETY)
define(changes.APPLY_JOB, queue=Queue.ROLLOUT)
define(changes.EXPIRE_JOB, queue=Queue.ROLLOUT)
define(watchdog.TIME_OUT_JOB, queue=Queue.SAFETY)
define(broadcasts.BATCH_JOB, queue=Queue.SAFETY)
define(overdue.OVERDUE_JOB, queue=Queue.SAFETY)
define(EVALUATE_JOB, queue=Queue.ROLLOUT)
define(rollbacks.FOLLOW_UP_JOB, queue=Queue.SAFETY)
define(rollbacks.RECONCILE_JOB, queue=Queue.SAFETY)
define(CONSIDER_JOB, queue=Queue.SAFETY)
define(triggers.CONSIDER_EVALUATION_JOB, queue=Queue.SAFETY)
define(watch.WATCH_JOB, queue=Queue.ROLLOUT)
define(contents.CHECK_JOB, queue=Queue.ROLLOUT)
# Reading takes seconds. Nothing that decides waits in this queue, and what is delivered
# from it stands behind a bounded number of scans.
define(scans.SCAN_JOB, queue=Queue.DELIVERY, is_lasting=True)
every(watchdog.EVERY, watchdog.NAME, watchdog.sweep)
every(overdue.EVERY, overdue.NAME, overdue.sweep)
every(evaluations.EVERY, evaluations.NAME, evaluations.sweep)
every(kill_file.EVERY, kill_file.NAME, kill_file.reconcile)
every(watch.EVERY, watch.NAME, watch.sweep)
every(contents.EVERY, contents.NAME, contents.sweep)
every(scans.EVERY, scans.NAME, scans.sweep)


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


def time_out(run_id: int) -> None:
    """Safe to run twice: it does nothing once the run has reported or ended."""
    watchdog.time_out(
        run_id, by=actors.system(), reason="No progress in time; the run has hung."
    )


def tell_of_overdue_directive(directive_id: str) -> None:
    """Safe to run twice: a directive is told of once, and not once it was followed."""
    overdue.tell_of_overdue(
        directive_id, by=actors.system(), reason="Nobody has followed it in time."
    )


def direct_batch(broadcast_id: int) -> None:
    """Safe to run twice: a broadcast remembers the last run that it has reached."""
    broadcasts.go_on(
        broadcast_id, by=actors.system(), reason="The next runs of the scope."
    )


def apply_scheduled_change(change_id: int) -> None:
    """Safe to run twice: a change is applied once, and only while it is scheduled."""
    changes.apply_scheduled(
        change_id, by=actors.system(), reason="Its scheduled time has come."
    )


def expire_change(change_id: int) -> None:
    """Safe to run twice: what has ended, or was given more time, stays as it is."""
    changes.expire(change_id, by=actors.system(), reason="Its time is over.")


def evaluate_stage(stage_id: int) -> None:
    """Safe to run twice: a judgement that says nothing new is not kept."""
    evaluations.evaluate(
        stage_id, by=actors.system(), reason="Runs have ended, or time has passed."
    )


def follow_up_rollback(rollback_id: int) -> None:
    """Safe to run twice: a run that has ended is asked nothing more."""
    rollbacks.direct_affected(
        rollback_id, by=actors.system(), reason="The stage was rolled back."
    )


def reconcile_rollback(rollback_id: int) -> None:
    """Safe to run twice: a rollback is reconciled once."""
    rollbacks.reconcile_rollback(
        rollback_id, by=actors.system(), reason="The rollback is done."
    )


def consider_triggers(run_id: int) -> None:
    """Safe to run twice: a trigger fires at most once about a run."""
    triggers.consider_run(
        run_id, by=actors.system(), reason="Something went wrong with a run."
    )


def consider_triggers_of_evaluation(evaluation_id: int) -> None:
    """Safe to run twice: a trigger fires at most once about an evaluation."""
    triggers.consider_evaluation(
        evaluation_id, by=actors.system(), reason="The evidence is against the stage."
    )


def watch_stage(stage_id: int) -> None:
    """Safe to run twice: a watch remembers the last run that it has seen."""
    watch.look(stage_id, by=actors.system(), reason="More runs than the plan has.")


def check_contents() -> None:
    """Safe to run twice: what was read a moment ago is not due."""
    contents.check_slice(by=actors.system(), reason="It is time to read it again.")


def scan_artifact(digest: str) -> None:
    """Safe to run twice: a content has one final scan by each version of the rules."""
    scans.scan(
        digest,
        by=actors.system(),
        reason="These bytes are new, or the rules.",
        step=held,
    )
