"""Everything that decides, revision by revision."""

import json

from django.contrib import admin
from django.utils.html import format_html

from portal.admin.governed import GovernedAdmin
from rollout.models import Snapshot


@admin.register(Snapshot)
class SnapshotAdmin(GovernedAdmin):
    """Immutable; a rollback activates earlier content as a new revision."""

    list_display = [
        "rollout",
        "revision",
        "epoch",
        "created_at",
        "created_by",
        "reason",
    ]
    list_display_links = ["revision"]
    list_filter = ["rollout"]
    search_fields = ["digest", "reason"]
    list_select_related = ["rollout", "created_by"]
    exclude = ["body"]
    readonly_fields = ["content"]

    @admin.display(description="content")
    def content(self, snapshot: Snapshot) -> str:
        return format_html(
            "<pre>{}</pre>", json.dumps(json.loads(snapshot.body), indent=2)
        )
