"""Triggers, what they fired about, and the symptoms that were noticed."""

import json

from django.contrib import admin
from django.utils.html import format_html

from portal.admin.governed import GovernedAdmin
from rollout.models import Symptom, Trigger, TriggerFiring


@admin.register(Trigger)
class TriggerAdmin(GovernedAdmin):
    """Stricter by one person at once, looser by two; both through a change."""

    list_display = ["key", "kind", "action", "is_dry_run", "is_live", "rollout"]
    list_filter = ["action", "is_dry_run", "is_live", "kind"]
    search_fields = ["key", "description"]
    list_select_related = ["rollout"]


@admin.register(TriggerFiring)
class TriggerFiringAdmin(GovernedAdmin):
    """Each trigger fires at most once about a subject; the strongest acts."""

    list_display = ["at", "trigger", "subject", "action", "outcome", "stage", "says"]
    list_display_links = ["at", "trigger"]
    list_filter = ["outcome", "action", "trigger"]
    search_fields = ["subject", "says", "trigger__key"]
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
    list_select_related = ["run"]
