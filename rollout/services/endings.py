"""How runs end; parts of the acts that hold the run's row."""

from portal import clock
from portal.models import Actor
from portal.services import bell
from portal.services.jobs import enqueue
from portal.services.ledger import record
from rollout.domain import directives
from rollout.domain.directives import FOR_OPEN_RUNS, STOPS, DirectiveState, Proof
from rollout.domain.runs import FINAL, Act, RunStatus, after
from rollout.domain.verbs import Verb
from rollout.models import Run
from rollout.services import timers

EVALUATE_JOB = "rollout.jobs.evaluate_stage"


def end(run: Run, act: Act, *, cause: str, by: Actor, reason: str) -> None:
    """The portal's own verdict on a run: its status, why, and when."""
    run.status = after(RunStatus(run.status), act)
    run.cause = cause
    run.finished_at = run.finished_at or clock.now()
    timers.keep(run, run.finished_at)
    run.save_as(by, reason=reason)
    close_directives(run, by=by, reason=reason)
    if run.attempt is not None:
        ask_to_judge(run.attempt.stage_id)


def ask_to_judge(stage_id: int) -> None:
    """Have a stage's evidence judged soon: once, however many runs have just ended."""
    enqueue(EVALUATE_JOB, once=f"evaluate {stage_id}", stage_id=stage_id)


def close_directives(run: Run, *, by: Actor, reason: str) -> None:
    """Close what a run that has ended need not follow any more.

    What the run itself reported as its end closes everything; after the portal's own
    verdict the run may still have to be told to stop.
    """
    knows_it = run.reported_status in FINAL
    for directive in run.directives.filter(state=DirectiveState.ISSUED):
        if not (knows_it or directive.kind in FOR_OPEN_RUNS):
            continue
        # Who was asked to stop, and says that it was cancelled, has followed.
        is_done = directive.kind in STOPS and run.reported_status == RunStatus.CANCELLED
        act = directives.Act.ACKNOWLEDGE if is_done else directives.Act.CLOSE
        directive.state = directives.after(DirectiveState(directive.state), act)
        directive.ended_at = clock.now()
        if is_done:
            directive.revision = run.manifest_revision
            directive.proof = Proof.SHOWN
        directive.save_as(by, reason=reason)
        bell.ring(bell.EDGE)
        record(
            Verb.DIRECTIVE_ACKNOWLEDGED if is_done else Verb.DIRECTIVE_CLOSED,
            directive,
            by=by,
            reason="The run has ended.",
            run_id=run.run_id,
            revision=directive.revision,
        )
