"""The steps of the canary plan: where each is, what it shows, and what it lacks."""

import json
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, NamedTuple

from django.contrib import admin
from django.http import HttpRequest, HttpResponse

from portal.admin.governed import GovernedAdmin
from portal.streams import stream_url
from rollout.admin import plan_forms, stage_acts
from rollout.admin.evaluations import evidence_of
from rollout.domain.evaluations import Mode
from rollout.domain.judgements import not_judged
from rollout.domain.readiness import Check, Light
from rollout.domain.stages import StagePlan, StageState
from rollout.models import OPEN_STATES, Attempt, Stage
from rollout.services import evidence, promotions, readiness

MOST_SHOWN = 10
MEANS = {
    StageState.DRAFT: "It is planned, and gets ready when it is its turn.",
    StageState.READY: "It can be started: one person asks, another confirms.",
    StageState.RUNNING: "Runs are let in, and what they show is collected.",
    StageState.HOLDING: "Promotion and widening stand still until two people agree "
    "to go on.",
    StageState.PROMOTABLE: "Its evidence shows the bar; the next step waits for two "
    "people.",
    StageState.PROMOTED: "It was left for a later stage.",
    StageState.ROLLED_BACK: "It was rolled back; two people can start it again.",
    StageState.DISABLED: "It is not used.",
}


class NextStep(NamedTuple):
    """Where a stage can go from here, and everything that has a say in it."""

    title: str
    checks: list[Check]

    @property
    def lacking(self) -> list[Check]:
        """What is in the way."""
        return [check for check in self.checks if not check.is_met]


class Beyond(NamedTuple):
    """What another part says of what comes after the stages."""

    says: str
    title: str
    url: str


# Other parts say what comes after the last stage; each in a fixed number of queries.
BEYOND: list[Callable[[Stage], Iterable[Beyond]]] = []


def next_step(stage: Stage) -> NextStep | None:
    """What comes next for a stage, if anything does."""
    state = StageState(stage.state)
    if state in (StageState.READY, StageState.ROLLED_BACK):
        return NextStep("Start", [readiness.no_freeze(stage), _is_alone(stage)])
    if state not in OPEN_STATES:
        return None
    names = [each.name for each in promotions.targets(stage)]
    checks = [promotions.shown(stage), *readiness.checks_for_people(stage)]
    if held := readiness.on_hold(stage):
        checks.insert(0, held)
    title = f"Promotion to {' or '.join(names)}" if names else "Stay: the last stage"
    return NextStep(title, checks)


def _is_alone(stage: Stage) -> Check:
    other = stage.rollout.stages.filter(state__in=OPEN_STATES).first()
    if other is None:
        return Check(name="One at a time", light=Light.GREEN, says="no stage is open")
    return Check(
        name="One at a time",
        light=Light.RED,
        says=f"{other.name} is open",
        remedy=f"See {other.name}",
        link=f"/admin/rollout/stage/{other.pk}/change/",
    )


@admin.register(Stage)
class StageAdmin(GovernedAdmin):
    """Only one stage of a rollout is open at a time."""

    list_display = ["position", "name", "state", "lets_in", "share", "rollout"]
    list_display_links = ["position", "name"]
    list_filter = ["state", "rollout"]
    search_fields = ["key", "name"]
    empty_says = (
        "There are no stages. manage.py seed_baseline makes those of the baseline."
    )
    list_select_related = ["rollout"]
    change_form_template = "rollout/stage.html"
    acts = (*stage_acts.ACTS, *plan_forms.ACTS)

    @admin.display(description="lets runs in")
    def lets_in(self, stage: Stage) -> str:
        return "✓ yes" if stage.lets_in else "no"

    @admin.display(description="coverage", ordering="coverage")
    def share(self, stage: Stage) -> str:
        return f"{float(stage.coverage):g} %"

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("rollout__switch")

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        stage = self.get_object(request, object_id)
        context = {
            **(extra_context or {}),
            **(_page_of(stage) if stage else {}),
            "stream_url": stream_url(request),
        }
        return super().change_view(request, object_id, form_url, context)


def _page_of(stage: Stage) -> dict[str, Any]:
    """Everything that the page of a stage shows, in a fixed number of queries."""
    plan = StagePlan.from_json(stage.plan)
    attempts = list(stage.attempts.select_related("rollback")[:MOST_SHOWN])
    newest = attempts[0] if attempts else None
    evaluation = evidence.latest(newest) if newest else None
    return {
        "stage": stage,
        "means": means(stage),
        "steps": plan.coverage_steps,
        "plan": stage_acts.plan_in_words(stage),
        "plan_json": json.dumps(stage.plan, indent=2),
        "next": next_step(stage),
        "beyond": [each for source in BEYOND for each in source(stage)],
        "attempt": newest,
        "attempts": attempts,
        "progress": progress_of(newest, plan) if newest else None,
        "evaluation": evaluation,
        "judged": evidence_of(evaluation) if evaluation else None,
        "not_judged": not_judged(plan.judged_gates, is_offline=plan.forces_no_web),
        "judgements": newest.evaluations.filter(mode=Mode.LIVE).defer("body")[
            :MOST_SHOWN
        ]
        if newest
        else [],
    }


def means(stage: Stage) -> str:
    """What the state of a stage means now, in a sentence."""
    if stage.state in OPEN_STATES and stage.rollout.switch.is_engaged:
        return "The switch is engaged: nobody is let in, whatever the stage would do."
    return MEANS[StageState(stage.state)]


def progress_of(attempt: Attempt, plan: StagePlan) -> dict[str, Any]:
    """How many of an attempt's runs have ended, looking at the latest ones only."""
    newest = attempt.runs.order_by("-start_order")
    ended: list[datetime | None] = list(
        newest.values_list("finished_at", flat=True)[: plan.max_runs]
    )
    return {
        "ended": len(ended) - ended.count(None),
        "total": len(ended),
        "is_cut": len(ended) == plan.max_runs,
    }


@admin.register(Attempt)
class AttemptAdmin(GovernedAdmin):
    """Each pass through a stage; never reused, never reset."""

    list_display = ["stage", "number", "started_at", "ended_at", "fingerprint"]
    list_filter = ["stage"]
    search_fields = ["fingerprint", "stage__key"]
    empty_says = "No stage was started yet. Two people start one on its page."
    list_select_related = ["stage"]
