"""What the vault holds, and when it was last found intact."""

from django.contrib import admin
from django.utils.html import format_html_join

from portal.admin.governed import GovernedAdmin
from rollout.models import Content
from rollout.services.contents import MOST_NAMED, affected_by


@admin.register(Content)
class ContentAdmin(GovernedAdmin):
    """Bytes by their digest; those that were not read for the longest come first."""

    list_display = ["digest", "size", "checked_at", "trouble"]
    list_filter = [("trouble", admin.EmptyFieldListFilter)]
    search_fields = ["=digest"]
    empty_says = "Nothing was stored yet."
    readonly_fields = ["artifacts"]

    @admin.display(description="artifacts with these bytes")
    def artifacts(self, content: Content) -> str:
        found = affected_by(content.digest)[:MOST_NAMED]
        return format_html_join("\n", "<div>{}</div>", ((str(each),) for each in found))
