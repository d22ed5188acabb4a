"""Runs: what they reported, and what became of them."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from portal.admin.acts import Act, ReasonForm
from portal.admin.governed import GovernedAdmin
from portal.domain.roles import May
from portal.models import Actor
from portal.streams import stream_url
from rollout.admin import directives, fallback, reviews
from rollout.api.exports import download
from rollout.domain.gates import NAMES
from rollout.models import (
    Advance,
    DocumentKind,
    FallbackOffer,
    Run,
    RunDocument,
    RunEvent,
    RunTimeout,
)
from rollout.services import decisions, explanations, exports, runs

MOST_SHOWN = 200
WORTH_SHOWING_S = 30  # decision 20


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
    list_select_related = ["rollout"]
    change_form_template = "rollout/run.html"
    acts = (
        *fallback.RUN_ACTS,
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
        *reviews.RUN_ACTS,
        *directives.RUN_ACTS,
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
            **(_page_of(run) if run else {}),
            "stream_url": stream_url(request),
        }
        return super().change_view(request, object_id, form_url, context)


def _page_of(run: Run) -> dict[str, Any]:
    """Everything that the run page shows, in a fixed number of queries."""
    manifest = runs.document_of(run, DocumentKind.MANIFEST)
    gates_document = runs.document_of(run, DocumentKind.GATES)
    reported = gates_document.content["gates"] if gates_document else {}
    looked_at = {each.gate: each for each in run.reviews.select_related("reviewer")}
    return {
        "run": run,
        "history": manifest.content["stage"]["history"] if manifest else [],
        "gates": [
            {
                "letter": letter,
                "name": name,
                "notes": reported.get(letter, {}).get("notes", ""),
                "metrics": reported.get(letter, {}).get("metrics", {}),
                "review": looked_at.get(letter),
                **run.gates.get(letter, {"status": "not_run"}),
            }
            for letter, name in NAMES.items()
        ],
        "artifacts": run.artifacts.order_by("path", "-version")[:MOST_SHOWN],
        "documents": run.documents.defer("raw", "content")[:MOST_SHOWN],
        "advances": run.advances.all()[:20],
        "offer": FallbackOffer.objects.filter(run=run)
        .select_related("summary", "routing__taken_by")
        .first(),
        "timeout": RunTimeout.objects.filter(run=run)
        .select_related("checkpoint")
        .first(),
        "directives": run.directives.select_related("issued_by")[:20],
        "skew_s": _skew_s(manifest),
        "decision": run.decision,
        "steps": explanations.of_decision(run.decision) if run.decision else [],
        "is_replayed": run.decision is not None
        and decisions.replay(run.decision) is None,
    }


def _skew_s(manifest: RunDocument | None) -> int:
    """How far the run's clock is from ours, in seconds, when that is worth showing."""
    if manifest is None:
        return 0
    said = datetime.fromisoformat(manifest.content["updated_at"])
    skew = int((manifest.received_at - said).total_seconds())
    return skew if abs(skew) > WORTH_SHOWING_S else 0


@admin.register(RunDocument)
class RunDocumentAdmin(GovernedAdmin):
    """Every revision of every manifest and gates document, byte for byte."""

    list_display = ["run", "kind", "revision", "standing", "received_at", "note"]
    list_filter = ["kind", "standing"]
    search_fields = ["run__run_id", "digest"]
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
    list_select_related = ["run"]


@admin.register(Advance)
class AdvanceAdmin(GovernedAdmin):
    """What runs asked, and what they were told."""

    list_display = ["run", "from_stage", "to_stage", "is_allowed", "code", "asked_at"]
    list_filter = ["is_allowed", "code"]
    search_fields = ["run__run_id"]
    list_select_related = ["run"]
