"""Falling back to the standard workflow, and sending requests there."""

from typing import Any

from django import forms
from django.contrib import admin
from unfold.widgets import UnfoldAdminTextInputWidget

from portal.admin.acts import Act, ReasonForm
from portal.admin.governed import GovernedAdmin
from portal.domain.roles import May
from portal.models import Actor
from rollout.domain.fallback import Means
from rollout.domain.gates import GateStatus
from rollout.domain.runs import RunStatus
from rollout.models import FallbackOffer, Routing, Run
from rollout.services import fallback

TAKEN = "The standard workflow takes over."  # the reason of the one click


class FallBackForm(ReasonForm):
    given = forms.CharField(
        label="Reason in the summary",
        required=False,
        max_length=500,
        widget=UnfoldAdminTextInputWidget(),
        help_text="Stands in logs/fallback-summary.md; empty: the gate's own notes.",
    )
    field_order = ["given", "reason"]


def _fall_back(run: Run, actor: Actor, said: dict[str, Any]) -> str:
    offer = fallback.offer_fallback(
        run.rollout.key,
        run.run_id,
        by=actor,
        reason=said["reason"],
        given=said["given"],
    )
    return f"{run.run_id} falls back to the standard workflow (gate {offer.gate_id})."


def _cannot_fall_back(run: Run, actor: Actor) -> bool:
    has_failed_gate = any(g["status"] == GateStatus.FAIL for g in run.gates.values())
    is_over = run.status in (RunStatus.COMPLETED, RunStatus.CANCELLED) or run.cause
    return bool(not has_failed_gate or is_over)


def _take(run: Run, actor: Actor, said: dict[str, Any]) -> str:
    routing, is_news = fallback.take(
        run.rollout.key,
        run.run_id,
        means=Means.ADMIN,
        by=actor,
        reason=said["reason"],
    )
    if not is_news:
        return f"{routing.taken_by} had taken this offer already."
    return f"The request of {run.run_id} goes to the {routing.workflow} workflow."


def _effects_of_taking(run: Run) -> list[str]:
    return [
        f"It is written down that the request of {run.run_id} goes to the "
        f"{run.rollout.fallback_workflow} workflow.",
        "Whoever asks for a decision on this run is told the same.",
    ]


RUN_ACTS = (
    Act(
        name="fall_back",
        title="Fall back",
        may=May.FALL_BACK,
        perform=_fall_back,
        form=FallBackForm,
        is_dangerous=True,
        hidden=_cannot_fall_back,
        effects=lambda run: [
            f"{run.run_id} is marked failed and gets the "
            f"{run.rollout.fallback_workflow} workflow.",
            "The summary is written as logs/fallback-summary.md, secrets removed.",
            f"All {run.artifacts.count()} artifacts stay as they are.",
        ],
    ),
    Act(
        name="take_fallback",
        title="Take the fallback",
        may=May.TAKE_FALLBACK,
        perform=_take,
        hidden=lambda run, actor: not run.awaits_fallback,
        effects=_effects_of_taking,
        at_once=TAKEN,
    ),
)


@admin.register(FallbackOffer)
class FallbackOfferAdmin(GovernedAdmin):
    """The way back to the standard workflow, once per run."""

    list_display = ["run", "gate_id", "reason", "made_by", "offered_at", "taken_by"]
    list_filter = ["gate_id", "is_adopted"]
    search_fields = ["run__run_id", "reason"]
    empty_says = "No hard gate has failed for good, so no run has offered to fall back."
    list_select_related = ["run", "routing__taken_by"]
    acts = (
        Act(
            name="take",
            title="Take the fallback",
            may=May.TAKE_FALLBACK,
            perform=lambda offer, actor, said: _take(offer.run, actor, said),
            hidden=lambda offer, actor: not offer.run.awaits_fallback,
            effects=lambda offer: _effects_of_taking(offer.run),
            at_once=TAKEN,
        ),
    )

    @admin.display(description="made by")
    def made_by(self, offer: FallbackOffer) -> str:
        return "the research system" if offer.is_adopted else "the portal"

    @admin.display(description="taken by")
    def taken_by(self, offer: FallbackOffer) -> str:
        return str(offer.routing.taken_by) if hasattr(offer, "routing") else "nobody"


@admin.register(Routing)
class RoutingAdmin(GovernedAdmin):
    """Requests that went to the standard workflow, and by whom."""

    list_display = [
        "offer",
        "workflow",
        "standard_run_id",
        "means",
        "taken_by",
        "taken_at",
    ]
    list_filter = ["means"]
    search_fields = ["offer__run__run_id", "standard_run_id"]
    empty_says = (
        "No request was sent to the standard workflow. That is done on the page of a "
        "run that fell back."
    )
    list_select_related = ["offer__run", "taken_by"]
