"""Stages: starting, holding, resuming, narrowing and widening, setting aside."""

from decimal import Decimal, InvalidOperation

from django.db import transaction

from portal import clock
from portal.domain.roles import May
from portal.errors import Invalid, NotFound, WrongMoment
from portal.models import Actor, Approval
from portal.services import approvals
from portal.services.access import require
from portal.services.ledger import record
from portal.services.reading import read_once
from rollout.domain import snapshots as compiled
from rollout.domain.bucketing import percentage_of, share_of
from rollout.domain.stages import Act, StagePlan, StageState, after
from rollout.domain.verbs import Verb
from rollout.models import Attempt, Change, Stage
from rollout.services import (
    changes,
    evidence,
    freezes,
    proposals,
    rollouts,
    snapshots,
)

START = "rollout.stage.start"
RESUME = "rollout.stage.resume"
ENABLE = "rollout.stage.enable"


def find(rollout_key: str, stage_key: str) -> Stage:
    """The stage of that key, or a refusal."""
    rollout = rollouts.find(rollout_key)
    stage = rollout.stages.filter(key=stage_key).first()
    if stage is None:
        known = ", ".join(rollout.stages.values_list("key", flat=True))
        raise NotFound(f"There is no stage {stage_key!r}. There are: {known}.")
    return stage


def request_start(stage_id: int, *, by: Actor, reason: str) -> Approval:
    """Ask to start a stage; another person confirms in the admin."""
    return approvals.request(START, stage_id, by=by, reason=reason)


def request_resume(stage_id: int, *, by: Actor, reason: str) -> Approval:
    """Ask to end a hold; another person confirms in the admin."""
    return approvals.request(RESUME, stage_id, by=by, reason=reason)


def request_enable(stage_id: int, *, by: Actor, reason: str) -> Approval:
    """Ask to use a stage again; another person confirms in the admin."""
    return approvals.request(ENABLE, stage_id, by=by, reason=reason)


@transaction.atomic
def disable(stage_id: int, *, by: Actor, reason: str) -> Stage:
    """Set a stage aside that is not open: it is not started, and nobody gets to it.

    Unless it is optional, no promotion passes over it either.
    """
    stage = locked(stage_id)
    require(by, May.HOLD, rollout=stage.rollout.key)
    if stage.state == StageState.DISABLED:
        return stage
    stage.state = after(StageState(stage.state), Act.DISABLE)
    stage.save_as(by, reason=reason)
    record(Verb.STAGE_DISABLED, stage, by=by, reason=reason)
    return stage


@transaction.atomic
def hold(
    stage_id: int, *, by: Actor, reason: str, keeps_admitting: bool = True
) -> Stage:
    """Stop promotion and widening at once; without `keeps_admitting`, admission too."""
    stage = locked(stage_id)
    require(by, May.HOLD, rollout=stage.rollout.key)
    if stage.state == StageState.HOLDING and stage.is_admitting == keeps_admitting:
        return stage
    was_admitting = stage.is_admitting
    stage.state = after(StageState(stage.state), Act.HOLD)
    stage.is_admitting = was_admitting and keeps_admitting  # a hold never re-admits
    stage.save_as(by, reason=reason)
    snapshot = snapshots.publish(stage.rollout, by=by, reason=reason)
    record(
        Verb.STAGE_HELD,
        stage,
        by=by,
        reason=reason,
        is_admitting=stage.is_admitting,
        snapshot=snapshot.digest,
    )
    return stage


def set_coverage(stage_id: int, coverage: object, *, by: Actor, reason: str) -> Change:
    """Propose another coverage: narrowing counts at once, widening takes approval."""
    stage = Stage.objects.select_related("rollout").filter(pk=stage_id).first()
    if stage is None:
        raise NotFound(f"There is no stage {stage_id}.")
    wanted = _percentage(coverage)
    path = f"/stages/{stage.key}/coverage"
    value = percentage_of(share_of(wanted))
    return changes.propose(
        stage.rollout.key,
        proposals.patch([{"op": "replace", "path": path, "value": value}]),
        by=by,
        reason=reason,
        grant=May.HOLD if wanted < stage.coverage else May.PROPOSE_CHANGE,
    )


def _percentage(value: object) -> Decimal:
    try:
        wanted = Decimal(str(value)).quantize(Decimal("0.01"))
    except InvalidOperation:
        wanted = Decimal(-1)
    if not 0 <= wanted <= 100:
        raise Invalid(
            "Coverage is a percentage from 0 to 100.",
            errors=[{"pointer": "/coverage", "detail": "is from 0 to 100"}],
        )
    return wanted


def locked(stage_id: int | str) -> Stage:
    """The stage's row, locked, the rollout's first, as everywhere."""
    found = Stage.objects.filter(pk=stage_id).values_list("rollout_id").first()
    if found is None:
        raise NotFound(f"There is no stage {stage_id}.")
    rollout = rollouts.locked(found[0])
    stage = Stage.objects.select_for_update(no_key=True).get(pk=stage_id)
    stage.rollout = rollout
    return stage


def _base(stage: Stage) -> dict:
    return {
        "state": stage.state,
        "plan": stage.plan,
        "coverage": str(stage.coverage),
        "is_admitting": stage.is_admitting,
    }


def _check_start(stage: Stage, payload: dict) -> None:
    freezes.check_unfrozen(stage.rollout_id)
    after(StageState(stage.state), Act.START)
    other = (
        stage.rollout.stages.filter(state__in=compiled.OPEN_STATES)
        .exclude(pk=stage.pk)
        .first()
    )
    if other is not None:
        raise WrongMoment(
            f"Stage {other.key} is open; one stage of a rollout is open at a time.",
            open_stage=other.key,
        )


def _start(stage: Stage, payload: dict, *, by: Actor, reason: str) -> None:
    stage.coverage = min(stage.coverage, _first_step(stage))
    attempt = begin(stage, Act.START, by=by, reason=reason)
    snapshot = snapshots.publish(stage.rollout, by=by, reason=reason)
    record(
        Verb.STAGE_STARTED,
        stage,
        by=by,
        reason=reason,
        attempt=attempt.number,
        fingerprint=attempt.fingerprint,
        snapshot=snapshot.digest,
    )


def _first_step(stage: Stage) -> int:
    return StagePlan.from_json(stage.plan).coverage_steps[0]


@read_once
def open_attempt(stage: Stage) -> Attempt | None:
    """The attempt that is running, if one is."""
    attempt = stage.attempts.filter(ended_at=None).first()
    if attempt is not None:
        attempt.stage = stage
    return attempt


def begin(stage: Stage, act: Act, *, by: Actor, reason: str) -> Attempt:
    """Open a stage with a new attempt; a part of acts that open stages."""
    stage.state = after(StageState(stage.state), act)
    stage.is_admitting = True
    stage.save_as(by, reason=reason)
    last = stage.attempts.order_by("-number").first()
    fingerprint = compiled.fingerprint(
        snapshots.content_of(stage.rollout),
        stage_key=stage.key,
        system_version="unknown",
    )
    attempt = Attempt(
        stage=stage,
        number=last.number + 1 if last else 1,
        started_at=clock.now(),
        fingerprint=fingerprint,
    )
    attempt.save_as(by, reason=reason)
    return attempt


def end_attempt(stage: Stage, *, by: Actor, reason: str) -> Attempt:
    """End the attempt that is running; a part of acts that close stages."""
    attempt = stage.attempts.select_for_update(no_key=True).get(ended_at=None)
    attempt.stage = stage
    attempt.ended_at = clock.now()
    attempt.save_as(by, reason=reason)
    return attempt


def _check_resume(stage: Stage, payload: dict) -> None:
    freezes.check_unfrozen(stage.rollout_id)
    after(StageState(stage.state), Act.RESUME)
    attempt = open_attempt(stage)
    evaluation = evidence.latest(attempt) if attempt else None
    if evaluation is not None and evidence.is_ratio_off(evaluation):
        raise WrongMoment(
            "The share of units in the canary is not the one that its coverage says, "
            "and what has been counted stays: this attempt would be held again at "
            "once. Find what sends units astray, then roll back and start anew; a new "
            "attempt counts from its beginning.",
            code="SAMPLE_RATIO_OFF",
            state=stage.state,
            possible=["roll back"],
        )


def _resume(stage: Stage, payload: dict, *, by: Actor, reason: str) -> None:
    stage.state = after(StageState(stage.state), Act.RESUME)
    stage.is_admitting = True
    stage.save_as(by, reason=reason)
    snapshot = snapshots.publish(stage.rollout, by=by, reason=reason)
    record(Verb.STAGE_RESUMED, stage, by=by, reason=reason, snapshot=snapshot.digest)


def two_person(act: str, title: str, check, apply) -> approvals.Approvable:
    """An act on a stage that one person asks for and another confirms."""
    return approvals.Approvable(
        act=act,
        title=title,
        ask=May.REQUEST_EXPOSURE,
        confirm=May.CONFIRM_EXPOSURE,
        subject=locked,
        base=_base,
        check=check,
        apply=apply,
        rollout_of=lambda stage: stage.rollout.key,
    )


start = two_person(START, "Start a stage", _check_start, _start)
resume = two_person(RESUME, "End a hold", _check_resume, _resume)


def _check_enable(stage: Stage, payload: dict) -> None:
    after(StageState(stage.state), Act.ENABLE)


def _enable(stage: Stage, payload: dict, *, by: Actor, reason: str) -> None:
    stage.state = after(StageState(stage.state), Act.ENABLE)
    stage.save_as(by, reason=reason)
    record(Verb.STAGE_ENABLED, stage, by=by, reason=reason)


enable = two_person(ENABLE, "Use a stage again", _check_enable, _enable)
