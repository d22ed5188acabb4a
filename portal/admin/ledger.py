"""Who did what, when and why."""

import json
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.views.decorators.http import require_POST

from portal.admin.governed import GovernedAdmin
from portal.api.streaming import Streamed
from portal.errors import Refusal
from portal.models import Checkpoint, LedgerEntry, SealerKey
from portal.services import ledger_exports, ledger_search
from portal.services.ledger_search import Wanted
from portal.sessions import actor_of

LARGEST_SEQ = 2**62
FORMS = {
    "csv": (ledger_search.as_csv, "text/csv; charset=utf-8"),
    "jsonl": (ledger_search.as_json_lines, "application/jsonl"),
}


class SearchForm(forms.Form):
    """What to look for in the ledger."""

    who = forms.CharField(required=False, max_length=200, label="Who")
    verb = forms.CharField(
        required=False, max_length=80, label="Did what", help_text="rollout.switch"
    )
    subject = forms.CharField(
        required=False, max_length=300, label="To what", help_text="portal.person:5"
    )
    text = forms.CharField(required=False, max_length=200, label="Reason says")
    request_id = forms.CharField(required=False, max_length=64, label="Request")
    since = forms.DateTimeField(
        required=False,
        label="From (UTC)",
        widget=forms.DateTimeInput(
            attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"
        ),
    )
    until = forms.DateTimeField(
        required=False,
        label="Before (UTC)",
        widget=forms.DateTimeInput(
            attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"
        ),
    )
    before = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=LARGEST_SEQ,
        widget=forms.HiddenInput,
        label="Older than",
    )

    def clean(self) -> dict[str, Any]:
        said = super().clean()
        if any("\0" in value for value in said.values() if isinstance(value, str)):
            raise forms.ValidationError("This has a character that no text has.")
        return said

    @property
    def wanted(self) -> Wanted:
        """What was asked for."""
        said = {k: v for k, v in self.cleaned_data.items() if k != "before"}
        return Wanted(**said)


@admin.register(LedgerEntry)
class LedgerEntryAdmin(GovernedAdmin):
    """Nothing in here is ever changed."""

    list_display = ["seq", "at", "actor_name", "verb", "subject_name", "reason"]
    list_filter = ["at"]
    search_fields = ["=request_id", "verb", "subject_name", "actor_name"]
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
        "seal",
        "text",
        "leaf_hash",
        "link_hash",
    ]
    readonly_fields = ["seal", "text", "leaf_hash", "link_hash"]

    def get_urls(self) -> list:
        export = self.admin_site.admin_view(require_POST(self.export_view))
        own = [path("export/", export, name="portal_ledgerentry_export")]
        return own + super().get_urls()

    def changelist_view(
        self, request: HttpRequest, extra_context: Any = None
    ) -> HttpResponse:
        """Search by who, what, to what, when and why; pages by place, no counting."""
        if request.method not in ("GET", "HEAD") or not self.has_view_permission(
            request
        ):
            raise PermissionDenied
        form = SearchForm(request.GET)
        found = None
        if form.is_valid():
            before = form.cleaned_data["before"]
            found = ledger_search.search(form.wanted, before=before)
        asked = request.GET.copy()
        asked.pop("before", None)
        older = asked.copy()
        if found is not None and found.before is not None:
            older["before"] = str(found.before)
        context = {
            **self.admin_site.each_context(request),
            "title": "Ledger",
            "opts": self.opts,
            "form": form,
            "found": found,
            "is_searching": any(asked.values()),
            "newest": asked.urlencode(),
            "older": older.urlencode(),
            "checkpoint": Checkpoint.objects.first(),
            "key": SealerKey.objects.first(),
            "most_exported": ledger_search.MOST_EXPORTED,
        }
        return TemplateResponse(request, "portal/ledger.html", context)

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """What was searched for, as a table or as exact texts; the ledger says who."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        form = SearchForm(request.POST)
        spell, content_type = FORMS.get(request.POST.get("form", ""), FORMS["csv"])
        back = reverse("admin:portal_ledgerentry_changelist")
        if not form.is_valid():
            messages.error(
                request, "This cannot be searched for; nothing was exported."
            )
            return HttpResponseRedirect(back)
        asked = {k: str(v) for k, v in form.cleaned_data.items() if v and k != "before"}
        try:
            ledger_exports.announce(
                by=actor_of(request), reason="exported a search", wanted=asked
            )
        except Refusal as refusal:
            messages.error(request, str(refusal))
            return HttpResponseRedirect(back)
        lines = ledger_search.everything(form.wanted)
        answer = Streamed(spell(lines), content_type=content_type)
        ending = "jsonl" if spell is ledger_search.as_json_lines else "csv"
        answer["Content-Disposition"] = f'attachment; filename="ledger.{ending}"'
        return answer

    @admin.display(description="sealed")
    def seal(self, entry: LedgerEntry) -> str:
        over = Checkpoint.objects.filter(size__gte=entry.seq).order_by("size").first()
        if over is None:
            return "not yet; within a minute"
        return f"by the checkpoint of {over.size}, {over.at:%Y-%m-%d %H:%M:%S} UTC"

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


@admin.register(Checkpoint)
class CheckpointAdmin(GovernedAdmin):
    """What was signed."""

    list_display = ["size", "origin", "at"]
    list_filter = ["at"]
    search_fields = ["=size", "origin"]
    fields = ["origin", "size", "at", "signed"]
    readonly_fields = ["signed"]
    empty_says = "Nothing is sealed yet; the sealer does so within a minute."

    @admin.display(description="signed note")
    def signed(self, checkpoint: Checkpoint) -> str:
        return format_html("<pre>{}</pre>", checkpoint.note)


@admin.register(SealerKey)
class SealerKeyAdmin(GovernedAdmin):
    """Who vouches for the ledger."""

    list_display = ["fingerprint", "origin", "announced_at"]
    list_filter = ["announced_at"]
    search_fields = ["fingerprint", "origin"]
    fields = ["origin", "text", "fingerprint", "replaces", "announced_at"]
    empty_says = "The sealer makes its first key when it starts."
