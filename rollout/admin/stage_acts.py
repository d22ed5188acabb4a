"""What can be done with a stage: start, promote, hold, and going back."""

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldBooleanSwitchWidget

from portal.admin.acts import Act, Done, ReasonForm, Shown
from portal.admin.approvals import takes_two
from portal.domain.roles import May
from portal.errors import WrongMoment
from portal.models import Actor
from rollout.admin.rollbacks import page_of
from rollout.domain import stages as domain
from rollout.domain.freezes import AFTER_ROLLBACK
from rollout.domain.judgements import percent
from rollout.domain.stages import StagePlan, StageState
from rollout.models import OPEN_STATES, Artifact, Stage
from rollout.services import promotions, readiness, rollbacks, stages


class HoldForm(ReasonForm):
    admits = forms.BooleanField(
        label="Go on admitting runs",
        required=False,
        initial=True,
        widget=UnfoldBooleanSwitchWidget(),
        help_text="Off: every new run gets the standard workflow (STAGE_PAUSED).",
    )
    field_order = ["admits", "reason"]


class PromotionForm(ReasonForm):
    """Where to, if there is a choice."""

    to = forms.ChoiceField(
        label="To",
        widget=UnfoldAdminSelectWidget(),
        help_text="An optional stage can be passed over.",
    )
    field_order = ["to", "reason"]

    def __init__(self, *args: Any, subject: Stage, **kwargs: Any) -> None:
        super().__init__(*args, subject=subject, **kwargs)
        self.pointers = {"/to": "to"}
        found = promotions.targets(subject)
        self.fields["to"].choices = [(each.key, str(each)) for each in found]
        if len(found) < 2:
            del self.fields["to"]


def plan_in_words(stage: Stage) -> list[str]:
    """Who is admitted, with what, and how it is judged."""
    plan = StagePlan.from_json(stage.plan)
    caps = ", ".join(f"{key} at most {cap}" for key, cap in plan.caps.items())
    return [
        f"Admits the teams {', '.join(plan.teams)}; "
        f"query classes {', '.join(plan.query_classes)}; "
        f"modes {', '.join(plan.modes)}.",
        f"Caps: {caps or 'none'}.",
        "The web is off." if plan.forces_no_web else "The web is on.",
        *_judging_in_words(plan),
    ]


def _judging_in_words(plan: StagePlan) -> list[str]:
    gates = ", ".join(plan.judged_gates) or "none"
    if plan.is_judged_by_person or plan.promote_bar is None:
        bar = f"A person judges the gates {gates}."
    else:
        each = f", each query class {percent(plan.class_bar)}" if plan.class_bar else ""
        bar = (
            f"Goes on when each of the gates {gates} is shown to pass at least "
            f"{percent(plan.promote_bar)}{each}, within {plan.max_runs} runs."
        )
    found = [bar]
    if plan.floor is not None:
        found.append(
            f"Goes back when a gate is shown to pass less than {percent(plan.floor)}."
        )
    if plan.on_hard_gate_failure == domain.OnHardGateFailure.ROLL_BACK:
        found.append("Goes back at the first hard gate that fails for good.")
    return found


def _can(stage: Stage, act: domain.Act) -> bool:
    return (StageState(stage.state), act) in domain.MOVES


def _request_start(stage: Stage, actor: Actor, said: dict[str, Any]) -> str:
    stages.request_start(stage.pk, by=actor, reason=said["reason"])
    return "Asked for the start; another person confirms it under Approvals."


def _request_resume(stage: Stage, actor: Actor, said: dict[str, Any]) -> str:
    stages.request_resume(stage.pk, by=actor, reason=said["reason"])
    return "Asked to end the hold; another person confirms it under Approvals."


def _request_promotion(stage: Stage, actor: Actor, said: dict[str, Any]) -> str:
    promotions.request_promotion(
        stage.pk, by=actor, reason=said["reason"], to=said.get("to", "")
    )
    return "Asked for the promotion; another person confirms it under Approvals."


def _request_enable(stage: Stage, actor: Actor, said: dict[str, Any]) -> str:
    stages.request_enable(stage.pk, by=actor, reason=said["reason"])
    return "Asked to use the stage again; another person confirms it under Approvals."


def _disable(stage: Stage, actor: Actor, said: dict[str, Any]) -> str:
    stages.disable(stage.pk, by=actor, reason=said["reason"])
    return f"{stage.name} is set aside."


def _hold(stage: Stage, actor: Actor, said: dict[str, Any]) -> str:
    before = stage.state, stage.is_admitting
    held = stages.hold(
        stage.pk, by=actor, reason=said["reason"], keeps_admitting=said["admits"]
    )
    if (held.state, held.is_admitting) == before:
        return "It was on hold already; nothing was written."
    if not said["admits"]:
        return "The stage is on hold; new runs get the standard workflow."
    if stage.rollout.switch.is_engaged:
        return "The stage is on hold; the switch lets nobody in."
    return "The stage is on hold; it goes on letting in runs."


def first_share(stage: Stage) -> str:
    """The coverage with which a stage would start, in percent."""
    first = StagePlan.from_json(stage.plan).coverage_steps[0]
    return f"{float(min(stage.coverage, first)):g}"


def _step_below(stage: Stage) -> float | None:
    steps = StagePlan.from_json(stage.plan).coverage_steps
    return max((step for step in steps if step < stage.coverage), default=None)


def _narrow(stage: Stage, actor: Actor, said: dict[str, Any]) -> str:
    step = _step_below(stage)
    if step is None:
        raise WrongMoment("This is the lowest step; hold the stage.", possible=["hold"])
    stages.set_coverage(stage.pk, step, by=actor, reason=said["reason"])
    return f"{stage.name} lets in {step:g} % now."


def _roll_back(stage: Stage, actor: Actor, said: dict[str, Any]) -> Done:
    done = rollbacks.roll_back(stage.pk, by=actor, reason=said["reason"])
    if done is None:
        raise WrongMoment(
            "This stage is not open any more; there is nothing to roll back.",
            possible=[],
        )
    return Done(f"{stage.name} was left; changes are frozen for now.", page_of(done))


def _cannot_promote(stage: Stage, actor: Actor) -> bool:
    is_on_the_way = stage.state in (StageState.RUNNING, StageState.PROMOTABLE)
    return not (is_on_the_way and promotions.targets(stage))


def _effects_of_asking(stage: Stage) -> list[str]:
    found = [
        *takes_two(promotions.PROMOTE, stage),
        f"Then {stage.name} ends; runs that are open go on.",
    ]
    for target in promotions.targets(stage):
        first = StagePlan.from_json(target.plan).coverage_steps[0]
        found.append(f"{target.name} would begin, with a coverage of {first:g} %.")
    return found


def effects_of_promoting(stage: Stage, *, to: str) -> list[str]:
    """What changes for whom when a stage is promoted there; `""` is the next one."""
    found = [each for each in promotions.targets(stage) if to in ("", each.key)]
    if not found:
        return [f"There is no way from {stage.name} to {to or 'a later stage'} now."]
    target, plan = found[0], StagePlan.from_json(found[0].plan)
    return [
        f"{stage.name} ends; runs that are open go on.",
        f"{target.name} begins, with a coverage of {plan.coverage_steps[0]:g} %.",
        *plan_in_words(target),
    ]


def _what_lacks(stage: Stage) -> Shown:
    return Shown("rollout/lacking.html", say_in(stage))


def say_in(stage: Stage) -> dict[str, Any]:
    """The checks that a promotion has to pass, and how many it does not."""
    checks = [promotions.shown(stage), *readiness.checks_for_people(stage)]
    lacking = sum(not check.is_met for check in checks)
    return {"checks": checks, "lacking": lacking}


def _effects_of_rolling_back(stage: Stage) -> list[str]:
    attempt = stages.open_attempt(stage)
    if attempt is None:
        return ["The stage is not open; there is nothing to roll back."]
    target = rollbacks.target_of(stage)
    open_runs = attempt.runs.filter(finished_at=None).count()
    artifacts = Artifact.objects.filter(run__attempt=attempt).count()
    standard = stage.rollout.fallback_workflow
    where = (
        f"{stage.name} is left at once, and {target.name} begins a new attempt."
        if target
        else f"{stage.name} is left at once, and no stage is open afterwards: Option C "
        f"is off, every new run gets the {standard} workflow."
    )
    hours = int(AFTER_ROLLBACK.total_seconds() / 3600)
    return [
        where,
        f"Open runs that are cancelled and sent to the {standard} workflow: "
        f"{open_runs}.",
        f"Nothing is exposed to more for {hours} hours: starting, resuming, promoting "
        "and widening are frozen until then, or until an architect or QA lifts that.",
        f"Everything that runs wrote stays, all {artifacts} artifacts among it; it is "
        "listed with digests now and compared byte for byte afterwards.",
    ]


ACTS = (
    Act(
        name="request_promotion",
        title="Ask for the promotion",
        may=May.REQUEST_EXPOSURE,
        perform=_request_promotion,
        form=PromotionForm,
        hidden=_cannot_promote,
        about=_what_lacks,
        barred=lambda stage: bool(say_in(stage)["lacking"]),
        effects=_effects_of_asking,
    ),
    Act(
        name="request_start",
        title="Ask for the start",
        may=May.REQUEST_EXPOSURE,
        perform=_request_start,
        hidden=lambda stage, actor: not _can(stage, domain.Act.START),
        effects=lambda stage: [
            *takes_two(stages.START, stage),
            f"Coverage begins at {first_share(stage)} %.",
            *plan_in_words(stage),
        ],
    ),
    Act(
        name="request_resume",
        title="Ask to end the hold",
        may=May.REQUEST_EXPOSURE,
        perform=_request_resume,
        hidden=lambda stage, actor: not _can(stage, domain.Act.RESUME),
        effects=lambda stage: [
            *takes_two(stages.RESUME, stage),
            f"Then {stage.name} can be widened and promoted again; its evidence goes "
            "on counting.",
        ],
    ),
    Act(
        name="hold",
        title="Hold",
        may=May.HOLD,
        perform=_hold,
        form=HoldForm,
        is_dangerous=True,
        hidden=lambda stage, actor: not _can(stage, domain.Act.HOLD),
        effects=lambda stage: [
            "Promotion and widening stop at once.",
            "Runs that are open go on.",
        ],
    ),
    Act(
        name="disable",
        title="Set aside",
        may=May.HOLD,
        perform=_disable,
        hidden=lambda stage, actor: not _can(stage, domain.Act.DISABLE),
        effects=lambda stage: [
            "It is not started, and no promotion leads to it.",
            "No promotion passes over it, unless its plan says that it is optional.",
            "Two people put it back.",
        ],
    ),
    Act(
        name="request_enable",
        title="Ask to use it again",
        may=May.REQUEST_EXPOSURE,
        perform=_request_enable,
        hidden=lambda stage, actor: not _can(stage, domain.Act.ENABLE),
        effects=lambda stage: [
            *takes_two(stages.ENABLE, stage),
            "Then it is ready to be started.",
        ],
    ),
    Act(
        name="narrow",
        title="Narrow by one step",
        may=May.HOLD,
        perform=_narrow,
        hidden=lambda stage, actor: (
            stage.state not in OPEN_STATES or _step_below(stage) is None
        ),
        at_once="Narrowed by one step.",
    ),
    Act(
        name="roll_back",
        title="Roll back",
        may=May.ROLL_BACK,
        perform=_roll_back,
        is_dangerous=True,
        hidden=lambda stage, actor: not _can(stage, domain.Act.ROLL_BACK),
        effects=_effects_of_rolling_back,
    ),
)
