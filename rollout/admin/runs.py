"""Runs: what they reported, and what became of them."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from portal.admin.acts import Act, ReasonForm
from portal.admin.governed import GovernedAdmin
from portal.domain.roles import May, who_may
from portal.models import Actor
from portal.services.access import may
from portal.sessions import actor_of
from portal.streams import stream_url
from rollout.admin import directives, fallback, reviews, run_page
from rollout.api.exports import download
from rollout.domain.gates import NAMES
from rollout.models import Advance, Run, RunDocument, RunEvent
from rollout.services import exports


class ExportForm(ReasonForm):
    even_blocked = forms.BooleanField(
        label="Also what the safety scan has blocked",
        required=False,
        help_text="There are secrets in it. Left out and named, otherwise.",
    )
    field_order = ["even_blocked", "reason"]


def _export(run: Run, actor: Actor, said: dict[str, Any]) -> HttpResponseBase:
    made = exports.export_run(
        run.rollout.key,
        run.run_id,
        even_blocked=said["even_blocked"],
        by=actor,
        reason=said["reason"],
    )
    return download(made)


@admin.register(Run)
class RunAdmin(GovernedAdmin):
    """Read here; change only through the acts."""

    list_display = [
        "run_id",
        "status",
        "reported_status",
        "stage",
        "gates_line",
        "is_admitted",
        "kind",
        "created_at",
    ]
    list_filter = [
        "status",
        "awaits_fallback",
        "kind",
        "is_admitted",
        "no_web",
        "rollout",
    ]
    search_fields = ["run_id"]
    empty_says = "No run has asked for a decision yet. /api/docs says how one does."
    list_select_related = ["rollout"]
    change_form_template = "rollout/run.html"
    acts = (
        *fallback.RUN_ACTS,
        *directives.RUN_ACTS,
        *reviews.RUN_ACTS,
        Act(
            name="export",
            title="Export",
            may=May.READ,
            perform=_export,
            form=ExportForm,
            done_as="Download the archive",
            effects=lambda run: [
                "You get one ZIP: every version of every artifact, every document as "
                "it came, events, decisions, directives, and what the ledger says.",
                "manifest.json and SHA256SUMS in it say what everything has to be.",
                "Artifacts are as the run wrote them, and may be confidential.",
            ],
        ),
    )

    @admin.display(description="gates")
    def gates_line(self, run: Run) -> str:
        marks = {"pass": "✓", "fail": "✗", "drift": "!", "not_run": "·"}
        return " ".join(
            f"{letter}{marks.get(run.gates.get(letter, {}).get('status'), '·')}"
            for letter in NAMES
        )

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        run = self.get_object(request, object_id)
        context = {
            **(extra_context or {}),
            **(run_page.page_of(run) if run else {}),
            "may_take": may(actor_of(request), May.TAKE_FALLBACK),
            "takes": who_may(May.TAKE_FALLBACK),
            "stream_url": stream_url(request),
        }
        return super().change_view(request, object_id, form_url, context)


@admin.register(RunDocument)
class RunDocumentAdmin(GovernedAdmin):
    """Every revision of every manifest and gates document, byte for byte."""

    list_display = ["run", "kind", "revision", "standing", "received_at", "note"]
    list_filter = ["kind", "standing"]
    search_fields = ["run__run_id", "digest"]
    empty_says = "No run has sent a manifest or gates yet."
    list_select_related = ["run"]
    exclude = ["raw"]

    def get_queryset(self, request):
        return super().get_queryset(request).defer("raw")


@admin.register(RunEvent)
class RunEventAdmin(GovernedAdmin):
    """Telemetry; never evidence for a stage."""

    list_display = ["run", "seq", "at", "event_type"]
    list_filter = ["event_type"]
    search_fields = ["run__run_id"]
    empty_says = "No run has sent telemetry yet."
    list_select_related = ["run"]


@admin.register(Advance)
class AdvanceAdmin(GovernedAdmin):
    """What runs asked, and what they were told."""

    list_display = ["run", "from_stage", "to_stage", "is_allowed", "code", "asked_at"]
    list_filter = ["is_allowed", "code"]
    search_fields = ["run__run_id"]
    empty_says = "No run has asked yet whether it may go on."
    list_select_related = ["run"]
