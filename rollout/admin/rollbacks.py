"""Rollbacks: what was done, and that nothing was lost by it."""

from typing import Any

from django.contrib import admin
from django.db.models import Prefetch, Q
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html

from portal.admin.governed import GovernedAdmin
from rollout.domain.directives import DirectiveKind
from rollout.models import Directive, Reconciliation, Rollback

MOST_SHOWN = 200


def page_of(rollback: Rollback) -> str:
    """The address of a rollback's page."""
    return reverse("admin:rollout_rollback_change", args=[rollback.pk])


def report_of(rollback: Rollback) -> Reconciliation | None:
    """What was found afterwards, if it has been looked for already."""
    return getattr(rollback, "reconciliation", None)


@admin.register(Rollback)
class RollbackAdmin(GovernedAdmin):
    """A rollout left a stage for the last stable one, or for none."""

    list_display = [
        "rolled_back_at",
        "stage",
        "shown_target",
        "trigger",
        "affected_runs",
        "shown_report",
        "rolled_back_by",
    ]
    list_filter = ["trigger", "stage", "reconciliation__is_clean"]
    search_fields = ["reason", "trigger", "=inventory_digest"]
    list_select_related = ["stage", "to_stage", "rolled_back_by", "reconciliation"]
    ordering = ["-pk"]
    sortable_by = ()
    change_form_template = "rollout/rollback.html"
    empty_says = "Nothing was rolled back. An open stage is rolled back on its page."

    @admin.display(description="to")
    def shown_target(self, rollback: Rollback) -> str:
        return str(rollback.to_stage or "off")

    @admin.display(description="everything still there")
    def shown_report(self, rollback: Rollback) -> str:
        report = report_of(rollback)
        if report is None:
            said = "… being looked for"
        else:
            said = "✓ yes" if report.is_clean else "✗ NO"
        return format_html('<span class="nowrap">{}</span>', said)

    def get_queryset(self, request: HttpRequest) -> Any:
        found = super().get_queryset(request).defer("inventory", "evaluation__body")
        return found.select_related(
            "rollout",
            "stage",
            "attempt",
            "to_stage",
            "evaluation",
            "snapshot",
            "rolled_back_by",
            "reconciliation",
        )

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        rollback = self.get_object(request, object_id)
        context = {**(extra_context or {}), **(_page_of(rollback) if rollback else {})}
        return super().change_view(request, object_id, form_url, context)


def _page_of(rollback: Rollback) -> dict[str, Any]:
    """Everything that the page shows, in a fixed number of queries."""
    asked = Directive.objects.filter(kind=DirectiveKind.REROUTE).order_by("-pk")
    affected = rollback.attempt.runs.filter(
        Q(finished_at=None) | Q(finished_at__gte=rollback.rolled_back_at)
    )
    return {
        "rollback": rollback,
        "report": report_of(rollback),
        "affected": affected.order_by("start_order").prefetch_related(
            Prefetch("directives", asked, to_attr="reroutes")
        )[:MOST_SHOWN],
    }
