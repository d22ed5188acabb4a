"""Flags and their rules."""

import json
from typing import Any

from django import forms
from django.contrib import admin
from unfold.widgets import UnfoldAdminTextInputWidget

from portal.admin.acts import Act, ReasonForm
from portal.admin.governed import GovernedAdmin
from portal.domain.roles import May
from portal.models import Actor
from rollout.domain.changes import ChangeState
from rollout.domain.flags import ENABLED, for_display
from rollout.models import Flag, Rule
from rollout.services import flags, snapshots


class DefaultForm(ReasonForm):
    default = forms.CharField(
        required=False,
        widget=UnfoldAdminTextInputWidget(),
        help_text='As JSON: true, 4, "standard", null. A bare word is taken as text.',
    )
    field_order = ["default", "reason"]

    def clean_default(self) -> Any:
        text = self.cleaned_data["default"].strip()
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            return text


def _change(flag: Flag, actor: Actor, said: dict[str, Any]) -> str:
    change = flags.change_default(
        flag.pk, said["default"], by=actor, reason=said["reason"]
    )
    if change.state != ChangeState.APPLIED:
        return "Proposed; another person approves it under Approvals."
    return f"{flag.key} is {for_display(said['default'])} by default now."


def _effects(flag: Flag) -> list[str]:
    return [
        f"The default is {for_display(flag.default)} now.",
        "A value that exposes less counts at once; any other takes a second person.",
        "Runs that have started keep the value that they started with.",
    ]


@admin.register(Flag)
class FlagAdmin(GovernedAdmin):
    """Typed settings with clamps."""

    list_display = ["key", "type", "shown_default", "clamp", "rule_count", "rollout"]
    list_filter = ["type", "rollout"]
    search_fields = ["key", "description"]
    list_select_related = ["rollout"]
    fields = [
        "rollout",
        "key",
        "type",
        "description",
        "shown_default",
        "clamp",
        "effective_now",
        "rules_in_words",
    ]
    readonly_fields = ["shown_default", "clamp", "effective_now", "rules_in_words"]
    acts = (
        Act(
            name="change_default",
            title="Change the default",
            may=May.PROPOSE_CHANGE,
            perform=_change,
            form=DefaultForm,
            hidden=lambda flag, actor: flag.key == ENABLED,
            effects=_effects,
        ),
    )

    def get_queryset(self, request):
        return super().get_queryset(request).prefetch_related("rules")

    @admin.display(description="default")
    def shown_default(self, flag: Flag) -> str:
        return for_display(flag.default)

    @admin.display(description="can be")
    def clamp(self, flag: Flag) -> str:
        if flag.options:
            return ", ".join(flag.options)
        if flag.minimum is not None or flag.maximum is not None:
            return f"{flag.minimum} to {flag.maximum}"
        return "true or false" if flag.type == "bool" else "any text"

    @admin.display(description="rules")
    def rule_count(self, flag: Flag) -> int:
        return sum(rule.is_live for rule in flag.rules.all())

    @admin.display(description="where it is on now")
    def effective_now(self, flag: Flag) -> str:
        snapshot = snapshots.loaded(snapshots.active(flag.rollout_id))
        if flag.key == ENABLED:
            if snapshot.is_switch_engaged:
                return "Nowhere: the switch is engaged."
            if snapshot.stage is None:
                return "Nowhere: no stage is open."
            return f"For whom stage {snapshot.stage.key} admits."
        forced = snapshot.stage.forced.get(flag.key) if snapshot.stage else None
        if forced is None:
            return f"{for_display(flag.default)}, wherever no rule says otherwise."
        return f"At most {for_display(forced)}: stage {snapshot.stage.key} insists."

    @admin.display(description="rules")
    def rules_in_words(self, flag: Flag) -> str:
        live = [rule for rule in flag.rules.all() if rule.is_live]
        if not live:
            return "None: everybody gets the default."
        return "; ".join(
            f"{rule.position}. {rule.description or rule.conditions} "
            f"→ {for_display(rule.value)}"
            for rule in live
        )


@admin.register(Rule)
class RuleAdmin(GovernedAdmin):
    """In order; the first whose conditions all hold gives the value."""

    list_display = ["flag", "position", "description", "percentage", "value", "is_live"]
    list_filter = ["is_live", "flag"]
    search_fields = ["description", "flag__key"]
    list_select_related = ["flag"]
