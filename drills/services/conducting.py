"""Conducting: the part of the worker, step by step, and back again in any case.

A drill is carried out once. If its worker dies, whoever gets the job next does not go
on: it puts back what was changed, and the verdict is that the drill was aborted.
"""

import time

import structlog
from django.db import transaction

from drills.domain import drills as domain
from drills.domain.drills import Act, Done, Outcome, State
from drills.domain.scenarios import PLANS, Phase, Scenario, Step
from drills.domain.verbs import Verb
from drills.models import Drill, DrillStep
from drills.services import methods, obstacles, steady_states, twins
from drills.services.processes import Process, state_directory
from drills.services.rehearsals import Rehearsal, Seen, Stopped
from portal import clock
from portal.domain.redaction import redact, redact_value
from portal.domain.roles import May
from portal.errors import Refusal
from portal.models import Actor
from portal.services import actors
from portal.services.access import require
from portal.services.jobs import StaleClaim, held
from portal.services.ledger import record

log = structlog.get_logger(__name__)

STEPS = steady_states.STEPS | methods.STEPS
VERBS = {
    Act.PASS: Verb.DRILL_PASSED,
    Act.FAIL: Verb.DRILL_FAILED,
    Act.ABORT: Verb.DRILL_ABORTED,
}
WORKER_DIED = "Its worker died; what it had changed was put back."


def conduct(drill_id: int) -> None:
    """Carry out a drill that waits, or put back one that somebody left behind."""
    by = actors.system()
    found = Drill.objects.select_related("conductor").get(pk=drill_id)
    reason = f"Drill {found.pk} ({found.scenario}), conducted by {found.conductor}."
    if found.state in domain.VERDICTS:
        return
    if found.state == State.RUNNING:
        _put_back(_left_behind(found, by, reason))
        with held():
            conclude(drill_id, by=by, reason=reason, stopped=WORKER_DIED)
        return
    with held():
        drill = begin(drill_id, by=by, reason=reason)
    if drill.state != State.RUNNING:
        return
    rehearsal = Rehearsal(drill, PLANS[Scenario(drill.scenario)], by, reason)
    stopped = ""
    try:
        _carry_out(rehearsal)
    except Stopped as why:
        stopped = str(why)
    except BaseException:
        # Nothing may be written any more, or nothing can; whoever has the job next
        # puts the rest back.
        if rehearsal.process is not None:
            rehearsal.process.kill()
        raise
    _put_back(rehearsal)
    with held():
        conclude(drill_id, by=by, reason=reason, stopped=stopped)


def _left_behind(drill: Drill, by: Actor, reason: str) -> Rehearsal:
    found = Drill.objects.select_related("rollout", "stage", "twin").get(pk=drill.pk)
    plan = PLANS[Scenario(found.scenario)]
    gone = Process((), "", state_directory(found.pk))
    return Rehearsal(found, plan, by, reason, twin=found.twin, process=gone)


def _carry_out(rehearsal: Rehearsal) -> None:
    """The steps in their order; once one goes otherwise, only what still tells more."""
    plan = rehearsal.plan
    for step in plan.of(Phase.BEFORE):
        if not _do(rehearsal, step):
            return  # without the steady state nothing is tried
    for step in plan.of(Phase.METHOD):
        if not _do(rehearsal, step):
            break
    for step in plan.of(Phase.AFTER):
        _do(rehearsal, step)


def _put_back(rehearsal: Rehearsal) -> None:
    for step in rehearsal.plan.of(Phase.ROLLBACK):
        _do(rehearsal, step)


def _do(rehearsal: Rehearsal, step: Step) -> bool:
    """Carry out one step and write down what it has shown; whether to go on."""
    if step.phase != Phase.ROLLBACK:
        rehearsal.looked_at = 0.0
        rehearsal.check_stop()
    started_at, began = clock.now(), time.monotonic()
    try:
        seen = STEPS[step.name](rehearsal, step)
    except (Stopped, StaleClaim):
        raise
    except Refusal as refusal:
        seen = Seen(False, f"Refused: {refusal} ({refusal.code})")
    except Exception as error:  # whatever breaks in a step is what the step has shown
        log.exception("drill_step_broke", drill=rehearsal.drill.pk, step=step.name)
        seen = Seen(False, f"It broke: {type(error).__name__}: {error}"[:1000])
    took_s = time.monotonic() - began
    outcome = Outcome.AS_EXPECTED if seen.is_as_expected else Outcome.OTHERWISE
    if seen.is_as_expected and took_s > step.target_s:
        outcome = Outcome.LATE
    row = DrillStep(
        drill_id=rehearsal.drill.pk,
        number=rehearsal.plan.steps.index(step) + 1,
        name=step.name,
        phase=step.phase,
        does=step.does,
        expects=step.expects,
        actual=redact(seen.actual),
        outcome=outcome,
        facts=redact_value(seen.facts),
        target_s=step.target_s,
        took_s=round(took_s, 3),
        started_at=started_at,
        ended_at=clock.now(),
    )
    with held():
        note(row, by=rehearsal.by, reason=rehearsal.reason)
    return seen.is_as_expected


@transaction.atomic
def begin(drill_id: int, *, by: Actor, reason: str) -> Drill:
    """Begin a drill that waits; one that cannot begin any more is aborted."""
    require(by, May.CONDUCT_DRILL)
    drill = twins.locked(drill_id)
    why_not = drill.stop_reason or obstacles.of(drill.rollout)
    act = Act.ABORT if why_not else Act.BEGIN
    drill.state = domain.after(State(drill.state), act)
    now = clock.now()
    if why_not:
        drill.ended_at, drill.reasons = now, [why_not]
    else:
        drill.started_at = now
    drill.save_as(by, reason=reason)
    verb = Verb.DRILL_ABORTED if why_not else Verb.DRILL_BEGUN
    record(verb, drill, by=by, reason=why_not or reason, scenario=drill.scenario)
    return drill


@transaction.atomic
def note(step: DrillStep, *, by: Actor, reason: str) -> None:
    """Keep what a step has shown; a step that was put back before is not told twice."""
    require(by, May.CONDUCT_DRILL)
    if DrillStep.objects.filter(drill=step.drill_id, number=step.number).exists():
        return
    step.save()
    record(
        Verb.DRILL_STEPPED,
        step,
        by=by,
        reason=reason,
        drill=step.drill_id,
        step=step.name,
        outcome=step.outcome,
        actual=step.actual,
        took_s=step.took_s,
    )


@transaction.atomic
def conclude(drill_id: int, *, by: Actor, reason: str, stopped: str = "") -> Drill:
    """Give the verdict, which is the machine's; it counts only once it is observed."""
    require(by, May.CONDUCT_DRILL)
    drill = twins.locked(drill_id)
    steps = list(drill.steps.all())
    done = [Done(each.does, Outcome(each.outcome), each.actual) for each in steps]
    act, against = domain.verdict(done, planned=len(drill.plan))
    if stopped:
        act, against = Act.ABORT, [stopped]
    drill.state = domain.after(State(drill.state), act)
    drill.reasons = against
    drill.ended_at = clock.now()
    drill.save_as(by, reason=reason)
    record(
        VERBS[act],
        drill,
        by=by,
        reason=" ".join(against)[:500] or reason,
        scenario=drill.scenario,
        stage=drill.stage.key,
        fingerprint=drill.fingerprint,
        environment=drill.environment,
        reasons=against,
        steps={str(each.number): each.outcome for each in steps},
    )
    return drill
