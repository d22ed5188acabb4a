"""Evidence packs, read in full; the archive is an answer of the API."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from drills.models import EvidencePack
from drills.services import pack_reports
from drills.services.signatures import round_of
from portal.admin.governed import GovernedAdmin


@admin.register(EvidencePack)
class EvidencePackAdmin(GovernedAdmin):
    """Everything that signatures of a gate rest on, under one hash."""

    list_display = [
        *("number", "gate", "shown_state", "assembled_at", "pack_hash"),
    ]
    list_display_links = ["number"]
    list_filter = ["gate", "is_complete"]
    search_fields = ["pack_hash", "=number"]
    list_select_related = ["gate__rollout"]
    change_form_template = "drills/pack.html"
    empty_says = "No pack was assembled yet. That is asked for on the page of its gate."

    @admin.display(description="state")
    def shown_state(self, pack: EvidencePack) -> str:
        return "✓ complete" if pack.is_complete else "✗ incomplete"

    def get_queryset(self, request: HttpRequest) -> QuerySet[EvidencePack]:
        found = super().get_queryset(request)
        return found.select_related("gate__rollout", "order__asked_by")

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        pack = self.get_object(request, object_id)
        shown = pack_reports.of_round(round_of(pack)) if pack is not None else {}
        context = {**(extra_context or {}), **shown}
        return super().change_view(request, object_id, form_url, context)
