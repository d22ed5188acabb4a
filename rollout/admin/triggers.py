"""Triggers, what they fired about, and the symptoms that were noticed."""

import json

from django.contrib import admin
from django.utils.html import format_html

from portal.admin.governed import GovernedAdmin
from rollout.models import Symptom, Trigger, TriggerFiring


@admin.register(Trigger)
class TriggerAdmin(GovernedAdmin):
    """Stricter by one person at once, looser by two; both through a change."""

    list_display = ["key", "kind", "action", "is_meant", "rollout"]
    list_filter = ["action", "is_dry_run", "is_live", "kind"]
    search_fields = ["key", "description"]
    empty_says = (
        "Nothing goes back by itself. Triggers come with a configuration, under "
        "Changes."
    )
    list_select_related = ["rollout"]

    @admin.display(description="when it fires")
    def is_meant(self, trigger: Trigger) -> str:
        if not trigger.is_live:
            return "✗ retired"
        return "○ only says so" if trigger.is_dry_run else "✓ acts"


@admin.register(TriggerFiring)
class TriggerFiringAdmin(GovernedAdmin):
    """Each trigger fires at most once about a subject; the strongest acts."""

    list_display = ["at", "trigger", "subject", "action", "outcome", "stage", "says"]
    list_display_links = ["at", "trigger"]
    list_filter = ["outcome", "action", "trigger"]
    search_fields = ["subject", "says", "trigger__key"]
    empty_says = "No trigger has fired."
    list_select_related = ["trigger", "stage"]
    exclude = ["facts"]
    readonly_fields = ["known"]

    @admin.display(description="facts")
    def known(self, firing: TriggerFiring) -> str:
        return format_html("<pre>{}</pre>", json.dumps(firing.facts, indent=2))


@admin.register(Symptom)
class SymptomAdmin(GovernedAdmin):
    """What a run's own documents say went wrong around it."""

    list_display = ["noticed_at", "run", "kind", "count", "says", "source"]
    list_display_links = ["noticed_at"]
    list_filter = ["kind"]
    search_fields = ["run__run_id", "says"]
    empty_says = "No run has told of blocked sources or of a provider that fails."
    list_select_related = ["run"]
