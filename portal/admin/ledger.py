"""Who did what, when and why."""

import json

from django.contrib import admin
from django.utils.html import format_html

from portal.admin.governed import GovernedAdmin
from portal.models import LedgerEntry


class ActorKindFilter(admin.SimpleListFilter):
    """People, tokens or the system."""

    title = "kind of actor"
    parameter_name = "kind"

    def lookups(self, request, model_admin):
        return [("person", "people"), ("token", "tokens"), ("system", "the system")]

    def queryset(self, request, queryset):
        return queryset.filter(actor__kind=self.value()) if self.value() else queryset


@admin.register(LedgerEntry)
class LedgerEntryAdmin(GovernedAdmin):
    """Nothing in here is ever changed."""

    list_display = ["seq", "at", "actor_name", "verb", "subject_name", "reason"]
    list_filter = [ActorKindFilter, "at"]
    search_fields = ["=request_id", "verb", "subject_name", "actor_name"]
    search_help_text = "A request id, a verb, a subject or an actor."
    ordering = ["-seq"]
    fields = [
        "seq",
        "at",
        "actor_name",
        "verb",
        "subject_type",
        "subject_id",
        "subject_name",
        "reason",
        "request_id",
        "text",
        "leaf_hash",
        "link_hash",
    ]
    readonly_fields = ["text", "leaf_hash", "link_hash"]

    @admin.display(description="what was hashed")
    def text(self, entry: LedgerEntry) -> str:
        return format_html(
            "<pre>{}</pre>", json.dumps(json.loads(entry.body), indent=2)
        )

    @admin.display(description="leaf")
    def leaf_hash(self, entry: LedgerEntry) -> str:
        return bytes(entry.leaf).hex()

    @admin.display(description="link")
    def link_hash(self, entry: LedgerEntry) -> str:
        return bytes(entry.link).hex()
