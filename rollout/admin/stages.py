"""The steps of the canary plan."""

import json
from typing import Any

from django import forms
from django.contrib import admin
from django.utils.html import format_html
from unfold.widgets import UnfoldBooleanSwitchWidget

from portal.admin.acts import Act, ReasonForm
from portal.admin.governed import GovernedAdmin
from portal.domain.roles import May
from portal.models import Actor
from rollout.admin import plan_forms
from rollout.domain import stages as domain
from rollout.domain.stages import StageState
from rollout.models import Attempt, Stage
from rollout.services import stages


class HoldForm(ReasonForm):
    admits = forms.BooleanField(
        label="Go on admitting runs",
        required=False,
        initial=True,
        widget=UnfoldBooleanSwitchWidget(),
        help_text="Off: every new run gets the standard workflow (STAGE_PAUSED).",
    )
    field_order = ["admits", "reason"]


def _can(stage: Stage, act: domain.Act) -> bool:
    return (StageState(stage.state), act) in domain.MOVES


def _request_start(stage: Stage, actor: Actor, said: dict[str, Any]) -> str:
    stages.request_start(stage.pk, by=actor, reason=said["reason"])
    return "Asked for the start; another person confirms it under Approvals."


def _request_resume(stage: Stage, actor: Actor, said: dict[str, Any]) -> str:
    stages.request_resume(stage.pk, by=actor, reason=said["reason"])
    return "Asked to end the hold; another person confirms it under Approvals."


def _hold(stage: Stage, actor: Actor, said: dict[str, Any]) -> str:
    stages.hold(
        stage.pk, by=actor, reason=said["reason"], keeps_admitting=said["admits"]
    )
    return "The stage is on hold."


def _plan_in_words(stage: Stage) -> list[str]:
    plan = domain.StagePlan.from_json(stage.plan)
    caps = ", ".join(f"{key} at most {cap}" for key, cap in plan.caps.items())
    return [
        f"Admits the teams {', '.join(plan.teams)}; "
        f"query classes {', '.join(plan.query_classes)}; "
        f"modes {', '.join(plan.modes)}.",
        f"Caps: {caps or 'none'}.",
        "The web is off." if plan.forces_no_web else "The web is on.",
        f"Coverage begins at {stage.coverage} %.",
    ]


@admin.register(Stage)
class StageAdmin(GovernedAdmin):
    """Only one stage of a rollout is open at a time."""

    list_display = ["position", "name", "state", "is_admitting", "coverage", "rollout"]
    list_display_links = ["name"]
    list_filter = ["state", "rollout"]
    search_fields = ["key", "name"]
    list_select_related = ["rollout"]
    fields = [
        "rollout",
        "position",
        "key",
        "name",
        "state",
        "is_admitting",
        "coverage",
        "in_words",
        "plan_json",
    ]
    readonly_fields = ["in_words", "plan_json"]
    acts = (
        Act(
            name="request_start",
            title="Ask for the start",
            may=May.REQUEST_EXPOSURE,
            perform=_request_start,
            hidden=lambda stage, actor: not _can(stage, domain.Act.START),
            effects=lambda stage: [
                "Nothing changes until another person has confirmed it.",
                *_plan_in_words(stage),
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
            name="request_resume",
            title="Ask to end the hold",
            may=May.REQUEST_EXPOSURE,
            perform=_request_resume,
            hidden=lambda stage, actor: not _can(stage, domain.Act.RESUME),
            effects=lambda stage: [
                "Nothing changes until another person has confirmed it."
            ],
        ),
        *plan_forms.ACTS,
    )

    @admin.display(description="plan")
    def in_words(self, stage: Stage) -> str:
        lines = _plan_in_words(stage)
        return format_html("{}", " ".join(lines))

    @admin.display(description="plan as data")
    def plan_json(self, stage: Stage) -> str:
        return format_html("<pre>{}</pre>", json.dumps(stage.plan, indent=2))


@admin.register(Attempt)
class AttemptAdmin(GovernedAdmin):
    """Each pass through a stage; never reused, never reset."""

    list_display = ["stage", "number", "started_at", "ended_at", "fingerprint"]
    list_filter = ["stage"]
    search_fields = ["fingerprint", "stage__key"]
    list_select_related = ["stage"]
