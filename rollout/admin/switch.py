"""The emergency switch, and the rollouts that have one."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from portal.admin.acts import Act, Shown
from portal.admin.approvals import Explained, explain, takes_two
from portal.admin.governed import GovernedAdmin
from portal.admin.tokens import ROLLOUTS
from portal.domain.roles import May, roles_that
from portal.models import Actor, Approval
from rollout.admin import broadcasts, freezes
from rollout.models import OPEN_STATES, Rollout, RolloutKind, Stage, Switch
from rollout.services import clients, evidence, readiness, stages, switch


def _engage(found: Switch, actor: Actor, said: dict[str, Any]) -> str:
    was_engaged = found.is_engaged
    switch.engage(found.rollout.key, by=actor, reason=said["reason"])
    if was_engaged:
        return f"It was engaged already, by {found.changed_by}."
    return "The switch is engaged: Option C is off everywhere."


def _request_release(found: Switch, actor: Actor, said: dict[str, Any]) -> str:
    switch.request_release(found.rollout.key, by=actor, reason=said["reason"])
    return "Asked for the release; another person confirms it under Approvals."


def _effects_of_engaging(found: Switch) -> list[str]:
    effects = switch.effects(found.rollout)
    return [
        f"From now on every run of {found.rollout.name} gets the "
        f"{found.rollout.fallback_workflow} workflow.",
        f"Open runs are refused further steps (DISABLED): {effects['open_runs']} now.",
        "Whatever runs report is still taken in and kept.",
        "Two people are needed to turn Option C on again; the second is "
        f"{' or '.join(roles_that(May.CONFIRM_EXPOSURE))}.",
    ]


def _release(approval: Approval) -> list[str]:
    found = Switch.objects.select_related("rollout", "changed_by").get(
        pk=approval.subject_id
    )
    return [
        f"Runs of {found.rollout.name} get Option C again, as far as its open stage "
        "admits them.",
        f"{found.changed_by} engaged the switch on {found.changed_at:%d %b %H:%M} UTC: "
        f"{found.reason}",
    ]


def _about_release(approval: Approval) -> Shown | None:
    """What speaks against letting runs in again: the checks of the open stage."""
    found = Stage.objects.filter(
        rollout__switch=approval.subject_id, state__in=OPEN_STATES
    ).select_related("rollout__switch")
    if (stage := found.first()) is None:
        return None
    attempt = stages.open_attempt(stage)
    lacking = [each for each in readiness.checks(stage) if not each.is_met]
    return Shown(
        "rollout/releasing.html",
        {
            "stage": stage,
            "checks": lacking,
            "attempt": attempt,
            "evaluation": evidence.latest(attempt) if attempt else None,
        },
    )


explain(switch.RELEASE, Explained(_release, _about_release))


@admin.register(Switch)
class SwitchAdmin(GovernedAdmin):
    """Engaged by one person at once, released by two."""

    list_display = [
        "rollout",
        "state",
        "epoch",
        "clients",
        "changed_at",
        "changed_by",
        "reason",
    ]
    readonly_fields = ["clients"]
    list_filter = ["state"]
    search_fields = ["rollout__key", "reason"]
    empty_says = "There is no rollout, so there is no switch."
    list_select_related = ["rollout", "changed_by"]
    acts = (
        Act(
            name="engage",
            title="Engage the switch",
            may=May.ENGAGE_SWITCH,
            perform=_engage,
            is_dangerous=True,
            hidden=lambda found, actor: found.is_engaged,
            effects=_effects_of_engaging,
        ),
        Act(
            name="request_release",
            title="Ask for the release",
            may=May.REQUEST_EXPOSURE,
            perform=_request_release,
            hidden=lambda found, actor: not found.is_engaged,
            effects=lambda found: [
                *takes_two(switch.RELEASE, found),
                "Then runs get Option C again, as far as the open stage admits them.",
                "The request is void as soon as the switch is engaged again.",
            ],
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return clients.with_clients(super().get_queryset(request))

    @admin.display(description="clients")
    def clients(self, found: Switch) -> str:
        """How many have the epoch, with the way to who has not."""
        return format_html(
            '<a href="{}?rollout__id__exact={}">{} of {} have epoch {}</a>',
            reverse("admin:rollout_edgeclient_changelist"),
            found.rollout_id,
            found.clients - found.missing,
            found.clients,
            found.epoch,
        )


@admin.register(Rollout)
class RolloutAdmin(GovernedAdmin):
    """What is being rolled out."""

    list_display = ["key", "name", "kind", "fallback_workflow"]
    list_filter = ["kind"]
    search_fields = ["key", "name"]
    empty_says = "Nothing is rolled out. manage.py seed_baseline makes the baseline."
    acts = (*freezes.ROLLOUT_ACTS, *broadcasts.ROLLOUT_ACTS)


def _keys() -> list[str]:
    live = Rollout.objects.filter(kind=RolloutKind.LIVE)
    return list(live.values_list("key", flat=True))


ROLLOUTS.append(_keys)
