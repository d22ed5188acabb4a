"""Moving on to the next stage: asked by one person, confirmed by another, or planned.

Everything is looked at again at the moment it is applied: the stage, its evidence,
every readiness check, the switch. A plan that promotes by itself was approved by two.
"""

from django.db import transaction

from portal.domain.roles import May
from portal.errors import Invalid, WrongMoment
from portal.models import Actor, Approval
from portal.services import approvals
from portal.services.access import require
from portal.services.ledger import record
from portal.services.reading import read_once
from rollout.domain.judgements import Verdict
from rollout.domain.readiness import Check, Light, missing
from rollout.domain.stages import Act, StagePlan, StageState, after
from rollout.domain.verbs import Verb
from rollout.models import Attempt, Stage
from rollout.services import evidence, freezes, readiness, snapshots, stages

PROMOTE = "rollout.stage.promote"


def request_promotion(
    stage_id: int, *, by: Actor, reason: str, to: str = ""
) -> Approval:
    """Ask to go on to the next stage, or `to` a later one beyond optional ones."""
    payload = {"to": to} if to else {}
    return approvals.request(PROMOTE, stage_id, by=by, reason=reason, payload=payload)


@transaction.atomic
def promote_by_plan(stage_id: int, *, by: Actor, reason: str) -> Stage:
    """Go on because the plan says that proven evidence suffices."""
    stage = stages.locked(stage_id)
    require(by, May.HOLD, rollout=stage.rollout.key)
    if not _goes_by_plan(stage):
        raise WrongMoment(
            "This stage is promoted by people.",
            code="APPROVAL_REQUIRED",
            possible=["request promotion"],
        )
    _check(stage, {}, is_by_plan=True)
    _promote(stage, {}, by=by, reason=reason, is_by_plan=True)
    return stage


def is_due(stage: Stage) -> bool:
    """Whether the plan promotes a stage now whose evidence suffices.

    Until then it stays promotable: its coverage widens, or people go on with it.
    """
    return (
        stage.state == StageState.PROMOTABLE
        and _goes_by_plan(stage)
        and not lacking(stage)
    )


def _goes_by_plan(stage: Stage) -> bool:
    """Whether nobody is asked; what was rolled back is entered again by people only."""
    if not StagePlan.from_json(stage.plan).promotes_by_itself:
        return False
    return all(each.state != StageState.ROLLED_BACK for each in targets(stage)[:1])


@read_once
def targets(stage: Stage) -> list[Stage]:
    """Where a promotion can lead: the next stage, and what optional ones hide.

    What is set aside is not led to; only where it is optional, past it.
    """
    found = []
    for later in stage.rollout.stages.filter(position__gt=stage.position):
        if later.state != StageState.DISABLED:
            found.append(later)
        if not StagePlan.from_json(later.plan).is_optional:
            break
    return found


def lacking(stage: Stage) -> list[str]:
    """What a promotion still lacks, each a sentence; empty when it could be."""
    return missing([shown(stage), *readiness.checks(stage), way_on(stage)])


def lacking_for_people(stage: Stage) -> list[str]:
    """The same, for two people who may have broken the glass."""
    asked = readiness.checks_for_people(stage)
    return missing([shown(stage), *asked, way_on(stage)])


def way_on(stage: Stage) -> Check:
    """There is a later stage to go to."""
    if found := targets(stage):
        names = " or ".join(each.name for each in found)
        return Check(name="Next stage", light=Light.GREEN, says=f"it is {names}")
    return Check(name="Next stage", light=Light.RED, says="there is no later one")


def shown(stage: Stage) -> Check:
    """The stage has reached its last step of coverage, and its evidence its bar."""
    plan = StagePlan.from_json(stage.plan)
    attempt = stages.open_attempt(stage)
    if attempt is None:
        return _evidence(Light.RED, "the stage is not open")
    if stage.coverage < plan.coverage_steps[-1]:
        steps = " → ".join(f"{step:g} %" for step in plan.coverage_steps)
        return Check(
            name="Coverage",
            light=Light.RED,
            says=f"it is {float(stage.coverage):g} % of {steps}",
            remedy="Change the coverage",
            link=f"/admin/rollout/stage/{stage.pk}/act/coverage/",
        )
    return proven(stage)


def proven(stage: Stage) -> Check:
    """The evidence of the stage shows its bar, whatever its coverage is."""
    plan = StagePlan.from_json(stage.plan)
    attempt = stages.open_attempt(stage)
    if attempt is None:
        return _evidence(Light.RED, "the stage is not open")
    if plan.is_judged_by_person or plan.promote_bar is None:
        return _evidence(Light.GREEN, "a person judges it; there is no bar to reach")
    evaluation = evidence.latest(attempt)
    if evaluation is None:
        return _evidence(Light.RED, "nothing was evaluated yet")
    proves = evaluation.verdict in (Verdict.PROMOTE, Verdict.AWAIT_APPROVAL)
    return Check(
        name="Evidence",
        light=Light.GREEN if proves else Light.RED,
        says="it shows the bar" if proves else evaluation.sentence,
        since=evaluation.evaluated_at,
        remedy="Read the judgement",
        link=f"/admin/rollout/evaluation/{evaluation.pk}/change/",
    )


def _evidence(light: Light, says: str) -> Check:
    return Check(name="Evidence", light=light, says=says)


def _check(stage: Stage, payload: dict, *, is_by_plan: bool = False) -> None:
    freezes.check_unfrozen(stage.rollout_id)
    attempt = stages.open_attempt(stage)
    _check_state(stage, attempt)
    evaluation = evidence.latest(attempt) if attempt else None
    if evaluation is not None and not _is_judged_by_person(stage):
        evidence.check_own(evaluation, attempt)
    if found := (lacking if is_by_plan else lacking_for_people)(stage):
        raise WrongMoment(
            "This stage cannot be promoted yet. " + " ".join(found),
            code="NOT_READY",
            lacking=found,
            possible=["hold", "roll back"],
        )
    _target(stage, payload)


def _check_state(stage: Stage, attempt: Attempt | None) -> None:
    """Refuse what is not promotable: with what its evidence lacks, if that is why."""
    try:
        after(_promotable(stage), Act.PROMOTE)
    except WrongMoment as refusal:
        shown_so_far = evidence.latest(attempt) if attempt else None
        if stage.state != StageState.RUNNING or shown_so_far is None:
            raise
        raise WrongMoment(
            f"{refusal} {shown_so_far.sentence}",
            **refusal.facts,
            evaluation=shown_so_far.digest,
        ) from None


def _is_judged_by_person(stage: Stage) -> bool:
    plan = StagePlan.from_json(stage.plan)
    return plan.is_judged_by_person or plan.promote_bar is None


def _promotable(stage: Stage) -> StageState:
    """A stage that a person judges is promotable because a person says so."""
    state = StageState(stage.state)
    if state == StageState.RUNNING and _is_judged_by_person(stage):
        return after(state, Act.FIND_PROMOTABLE)
    return state


def _target(stage: Stage, payload: dict) -> Stage:
    possible = targets(stage)
    wanted = payload.get("to") or (possible[0].key if possible else "")
    for each in possible:
        if each.key == wanted:
            return each
    raise Invalid(
        f"A promotion of {stage.key} leads to "
        f"{' or '.join(each.key for each in possible) or 'nowhere'}.",
        errors=[{"pointer": "/to", "detail": "is no stage that comes next"}],
    )


def _promote(
    stage: Stage, payload: dict, *, by: Actor, reason: str, is_by_plan: bool = False
) -> None:
    target = stages.locked(_target(stage, payload).pk)
    if StageState(stage.state) != _promotable(stage):
        stage.state = _promotable(stage)
        stage.save_as(by, reason=reason)
    stage.state = after(StageState(stage.state), Act.PROMOTE)
    stage.save_as(by, reason=reason)
    attempt = stages.end_attempt(stage, by=by, reason=reason)
    if StageState(target.state) == StageState.DRAFT:
        target.state = after(StageState.DRAFT, Act.MAKE_READY)
        target.save_as(by, reason=reason)
    target.coverage = StagePlan.from_json(target.plan).coverage_steps[0]
    begun = stages.begin(target, Act.START, by=by, reason=reason)
    evaluation = evidence.latest(attempt)
    snapshot = snapshots.publish(stage.rollout, by=by, reason=reason)
    record(
        Verb.STAGE_PROMOTED,
        stage,
        by=by,
        reason=reason,
        to=target.key,
        attempt=begun.number,
        is_by_plan=is_by_plan,
        evaluation=evaluation.digest if evaluation else None,
        snapshot=snapshot.digest,
    )


def _apply(stage: Stage, payload: dict, *, by: Actor, reason: str) -> None:
    _promote(stage, payload, by=by, reason=reason)


promote = stages.two_person(PROMOTE, "Promote a stage", _check, _apply)
