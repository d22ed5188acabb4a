"""Requests about stages, told to whoever confirms them."""

from typing import Any

from portal.admin.acts import Shown
from portal.admin.approvals import Explained, explain
from portal.models import Approval
from rollout.admin.evaluations import weakest_of
from rollout.admin.stage_acts import (
    effects_of_promoting,
    first_share,
    plan_in_words,
    say_in,
)
from rollout.models import Stage
from rollout.services import evidence, promotions, readiness, stages


def _stage_of(approval: Approval) -> Stage:
    return Stage.objects.select_related("rollout__switch").get(pk=approval.subject_id)


def _promotion(approval: Approval) -> list[str]:
    return effects_of_promoting(_stage_of(approval), to=approval.payload.get("to", ""))


def _about_promotion(approval: Approval) -> Shown | None:
    """The checks and the evidence on which the promotion rests, as they are now."""
    stage = _stage_of(approval)
    return Shown("rollout/promotion.html", {**say_in(stage), **_evidence(stage)})


def _evidence(stage: Stage) -> dict[str, Any]:
    attempt = stages.open_attempt(stage)
    evaluation = evidence.latest(attempt) if attempt else None
    return {
        "attempt": attempt,
        "evaluation": evaluation,
        "charts": weakest_of(evaluation) if evaluation else [],
    }


def _start(approval: Approval) -> list[str]:
    stage = _stage_of(approval)
    return [
        f"{stage.name} begins a new attempt, with a coverage of "
        f"{first_share(stage)} %.",
        *plan_in_words(stage),
    ]


def _resume(approval: Approval) -> list[str]:
    stage = _stage_of(approval)
    held = readiness.on_hold(stage)
    return [
        f"{stage.name} goes on with a coverage of {float(stage.coverage):g} %, "
        "and its evidence goes on counting.",
        *([f"Now {held.says}"] if held else []),
    ]


def _about_resume(approval: Approval) -> Shown:
    """Why it is held, and what speaks against going on, as it is now."""
    stage = _stage_of(approval)
    lacking = [each for each in say_in(stage)["checks"] if not each.is_met]
    held = readiness.on_hold(stage)
    checks = [held, *lacking] if held else lacking
    shown = {"checks": checks, **_evidence(stage)}
    return Shown("rollout/resuming.html", shown)


def _enable(approval: Approval) -> list[str]:
    return [f"{_stage_of(approval).name} is ready to be started; it is not open yet."]


explain(promotions.PROMOTE, Explained(_promotion, _about_promotion))
explain(stages.START, Explained(_start))
explain(stages.RESUME, Explained(_resume, _about_resume))
explain(stages.ENABLE, Explained(_enable))
