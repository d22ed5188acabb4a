"""Who goes by which epoch of the switch, and which flags are asked for."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from portal import clock
from portal.admin.governed import GovernedAdmin
from rollout.models import EdgeClient, FlagUse
from rollout.services import clients


class Standing(admin.SimpleListFilter):
    """Those that are here and have not the current epoch, or have it, or are away."""

    title = "current epoch"
    parameter_name = "has"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("not", "Not yet"), ("yes", "Has it"), ("away", "Away for an hour")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        since = clock.now() - clients.PRESENT
        here = queryset.filter(seen_at__gte=since)
        return {
            "not": here.filter(behind__gt=0),
            "yes": here.filter(behind=0),
            "away": queryset.filter(seen_at__lt=since),
        }.get(self.value(), queryset)


@admin.register(EdgeClient)
class EdgeClientAdmin(GovernedAdmin):
    """Whoever evaluates flags, and the newest epoch that it was given."""

    list_display = ["client", "standing", "epoch", "rollout", "token", "seen_at"]
    list_filter = [Standing, "rollout"]
    search_fields = ["client", "token__name"]
    empty_says = "No service has asked for flags yet. /api/docs says how."
    list_select_related = ["rollout", "token"]
    list_before_template = "rollout/clients.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return clients.with_distance().order_by("-behind", "-seen_at", "pk")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {**(extra_context or {}), "standings": clients.standing()}
        return super().changelist_view(request, context)

    @admin.display(description="current epoch", ordering="behind")
    def standing(self, client: EdgeClient) -> str:
        if client.behind <= 0:
            return "● has it"
        if client.seen_at < clock.now() - clients.PRESENT:
            return "○ away"
        return "■ NOT YET"


@admin.register(FlagUse)
class FlagUseAdmin(GovernedAdmin):
    """When each flag was last asked for on the edge."""

    list_display = ["key", "rollout", "last_asked_at", "last_bulk_at"]
    list_filter = ["rollout"]
    search_fields = ["key"]
    empty_says = "No flag was asked for at the edge yet."
    list_select_related = ["rollout"]
