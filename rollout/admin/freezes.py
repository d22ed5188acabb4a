"""Times in which nothing is exposed to more, and who is on call."""

from typing import Any

from django import forms
from django.contrib import admin
from django.utils.html import format_html
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from portal import clock
from portal.admin.acts import Act, ReasonForm
from portal.admin.governed import GovernedAdmin
from portal.domain.roles import May
from portal.models import Actor
from portal.services.access import may
from rollout.admin.fields import RolloutField
from rollout.domain.freezes import LONGEST, Scope
from rollout.models import Freeze, OnCall, Rollout, RolloutKind
from rollout.services import freezes

STOPS = {
    Scope.EXPANSION: "starting, resuming, promoting and widening stages",
    Scope.CHANGES: "all that, and every change that takes approval",
}


class FreezeForm(ReasonForm):
    """What is frozen, and until when."""

    rollout = RolloutField(with_twins=True)
    scope = forms.ChoiceField(
        label="What is frozen",
        choices=[(str(each), f"{each}: {stops}") for each, stops in STOPS.items()],
        widget=UnfoldAdminSelectWidget(),
    )
    until = forms.DateTimeField(
        label="Until, in UTC",
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "2026-11-17 22:00"}),
        help_text=f"Such as 2026-11-17 22:00, within {LONGEST.days} days.",
        error_messages={
            "invalid": "Write a moment as 2026-11-17 22:00, in UTC.",
            "required": "Say until when.",
        },
    )
    field_order = ["rollout", "scope", "until", "reason"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.pointers = {"/expires_at": "until"}


class OnCallForm(ReasonForm):
    """For what somebody is on call."""

    rollout = RolloutField()
    field_order = ["rollout", "reason"]


def _freeze(_: None, actor: Actor, said: dict[str, Any]) -> str:
    until = said["until"]
    freezes.freeze(
        said["rollout"].key,
        Scope(said["scope"]),
        until,
        by=actor,
        reason=said["reason"],
    )
    return f"Frozen until {until:%Y-%m-%d %H:%M} UTC."


def _lift(freeze: Freeze, actor: Actor, said: dict[str, Any]) -> str:
    freezes.lift(freeze.pk, by=actor, reason=said["reason"])
    return "The freeze is lifted."


def _confirm_on_call(rollout: Rollout, actor: Actor, said: dict[str, Any]) -> str:
    made = freezes.confirm_on_call(rollout.key, by=actor, reason=said["reason"])
    return f"You are on call until {made.until:%Y-%m-%d %H:%M} UTC."


def _is_on(freeze: Freeze) -> bool:
    return freeze.lifted_at is None and freeze.expires_at > clock.now()


def _cannot_lift(freeze: Freeze, actor: Actor) -> bool:
    is_theirs = actor == freeze.owner or may(actor, May.CONFIRM_EXPOSURE)
    return not (_is_on(freeze) and is_theirs)


def _effects_of_being_on_call(rollout: Rollout) -> list[str]:
    hours = int(freezes.ON_CALL_FOR.total_seconds() / 3600)
    now = [
        f"Now {each.person} is on call, until {each.until:%Y-%m-%d %H:%M} UTC."
        for each in freezes.on_call_now(rollout.pk)
    ]
    return [
        f"You are on call for {rollout.name} for the next {hours} hours: you are the "
        "one who is woken.",
        *(now or ["Now nobody is on call."]),
        "Stages go on only while somebody is on call.",
    ]


ROLLOUT_ACTS = (
    Act(
        name="confirm_on_call",
        title="Confirm that I am on call",
        may=May.WORK_INCIDENT,
        perform=_confirm_on_call,
        effects=_effects_of_being_on_call,
    ),
)


@admin.register(Freeze)
class FreezeAdmin(GovernedAdmin):
    """Whoever owns a freeze answers for it; going towards safety is never frozen."""

    list_display = [
        "id",
        "shown_state",
        "scope",
        "rollout",
        "owner",
        "begun_at",
        "expires_at",
        "reason",
    ]
    list_display_links = ["id", "shown_state"]
    list_filter = ["scope", "rollout"]
    search_fields = ["reason", "owner__name"]
    list_select_related = ["rollout", "owner"]
    empty_says = "Nothing was ever frozen."
    fields = [
        "shown_state",
        "scope",
        "stops",
        "rollout",
        "reason",
        "owner",
        "begun_at",
        "expires_at",
        "lifted_at",
        "lifted_by",
    ]
    readonly_fields = ["shown_state", "stops"]
    acts = (
        Act(
            name="freeze",
            title="Freeze",
            may=May.HOLD,
            perform=_freeze,
            form=FreezeForm,
            is_on_list=True,
            effects=lambda _: [
                "What is frozen is refused until then, whoever asks for it.",
                "Going towards safety is never frozen: engaging the switch, holding, "
                "narrowing and rolling back work as always.",
            ],
        ),
        Act(
            name="lift",
            title="Lift the freeze",
            may=May.HOLD,
            perform=_lift,
            hidden=_cannot_lift,
            effects=lambda freeze: [
                f"Possible again at once: {STOPS[Scope(freeze.scope)]}.",
                f"{freeze.owner} froze it: {freeze.reason}",
            ],
        ),
    )

    @admin.display(description="state")
    def shown_state(self, freeze: Freeze) -> str:
        if freeze.lifted_at is not None:
            said = "lifted"
        else:
            said = "■ on" if _is_on(freeze) else "over"
        return format_html('<span class="nowrap">{}</span>', said)

    @admin.display(description="stops")
    def stops(self, freeze: Freeze) -> str:
        return STOPS[Scope(freeze.scope)]


@admin.register(OnCall)
class OnCallAdmin(GovernedAdmin):
    """Who has confirmed to be on call, and until when."""

    list_display = ["person", "rollout", "confirmed_at", "until"]
    list_filter = ["rollout"]
    search_fields = ["person__username", "person__full_name"]
    list_select_related = ["person", "rollout"]
    empty_says = (
        "Nobody has confirmed to be on call. Stages go on only while somebody is."
    )
    acts = (
        Act(
            name="confirm",
            title="Confirm that I am on call",
            may=May.WORK_INCIDENT,
            perform=lambda _, actor, said: _confirm_on_call(
                said["rollout"], actor, said
            ),
            form=OnCallForm,
            is_on_list=True,
            effects=lambda _: [
                effect
                for rollout in Rollout.objects.filter(kind=RolloutKind.LIVE)
                for effect in _effects_of_being_on_call(rollout)
            ],
        ),
    )
