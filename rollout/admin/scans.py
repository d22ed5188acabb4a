"""The safety scan: what was found, and the allow list."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from unfold.widgets import UnfoldAdminTextInputWidget

from portal import clock
from portal.admin.acts import Act, ReasonForm
from portal.admin.approvals import Explained, explain
from portal.admin.governed import GovernedAdmin
from portal.domain.roles import May
from portal.models import Actor, Approval
from rollout.domain.scanning import LONGEST_ALLOWANCE, SAYS, Trouble, Verdict
from rollout.models import Allowance, Artifact, Finding, Scan
from rollout.services import allowances, scans

MOST_SHOWN = 50
MARKS = {
    Verdict.CLEAN: ("good", "✓ clean"),
    Verdict.FLAGGED: ("warn", "! flagged"),
    Verdict.BLOCKED: ("bad", "✗ blocked"),
    Verdict.UNSCANNABLE: ("warn", "? unscannable"),
}


def badge(verdict: Verdict | None) -> str:
    """A verdict as a mark and a word."""
    looks, says = MARKS[verdict] if verdict else ("", "… waiting for its scan")
    return format_html('<span class="badge {} nowrap">{}</span>', looks, says)


def place_of(finding: Finding) -> str:
    """Where a finding stands, in words."""
    unpacked = f"{' in '.join(reversed(finding.chain))}, " if finding.chain else ""
    return f"line {finding.line}, {unpacked}byte {finding.offset}"


class AllowForm(ReasonForm):
    """Until when a finding counts as no secret."""

    until = forms.DateTimeField(
        label="Until, in UTC",
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "2026-12-31 12:00"}),
        help_text=f"Such as 2026-12-31 12:00, within {LONGEST_ALLOWANCE.days} days.",
        error_messages={
            "invalid": "Write a moment as 2026-12-31 12:00, in UTC.",
            "required": "Say until when.",
        },
    )
    field_order = ["until", "reason"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.pointers = {"/expires_at": "until"}


def _request(finding: Finding, actor: Actor, said: dict[str, Any]) -> str:
    allowances.request_allowance(
        finding.pk, said["until"], by=actor, reason=said["reason"]
    )
    return "Asked for; an architect or QA, another person, confirms it in Approvals."


def _allowing(approval: Approval) -> list[str]:
    finding = Finding.objects.get(pk=approval.subject_id)
    until = approval.payload["expires_at"][:16].replace("T", " ")
    return [
        f"What was found counts as no secret until {until} UTC, wherever it stands: "
        f"{finding}."
    ]


explain(allowances.ALLOW, Explained(_allowing))


def _end(allowance: Allowance, actor: Actor, said: dict[str, Any]) -> str:
    allowances.end(allowance.pk, by=actor, reason=said["reason"])
    return "The allowance has ended."


def _is_on(allowance: Allowance) -> bool:
    return allowance.ended_at is None and allowance.expires_at > clock.now()


@admin.register(Scan)
class ScanAdmin(GovernedAdmin):
    """One reading of one content; what is allowed now is taken into account."""

    list_display = ["id", "shown_verdict", "digest", "findings_line", "scanned_at"]
    list_display_links = ["id", "shown_verdict"]
    list_filter = ["verdict", "is_final"]
    search_fields = ["=digest"]
    ordering = ["-pk"]
    sortable_by = ()
    change_form_template = "rollout/scan.html"
    empty_says = "Nothing was scanned yet; a worker reads every artifact that arrives."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Scan]:
        return scans.with_findings(super().get_queryset(request), at=clock.now())

    @admin.display(description="verdict")
    def shown_verdict(self, scan: Scan) -> str:
        return badge(scans.standing_of(scan).verdict)

    @admin.display(description="found")
    def findings_line(self, scan: Scan) -> str:
        return ", ".join(sorted({each.family for each in scan.findings.all()}))

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        scan = self.get_object(request, object_id)
        context = {**(extra_context or {}), **(_page_of(scan) if scan else {})}
        return super().change_view(request, object_id, form_url, context)


def _page_of(scan: Scan) -> dict[str, Any]:
    """Everything that the page shows, in a fixed number of queries."""
    standing = scans.standing_of(scan)
    used = Artifact.objects.filter(digest=scan.digest).select_related("run")
    return {
        "scan": scan,
        "badge": badge(standing.verdict),
        "found_badge": badge(Verdict(scan.verdict)),
        "is_current": standing.is_current,
        "troubles": [SAYS[Trouble(each)] for each in scan.troubles],
        "findings": [(each, place_of(each)) for each in standing.findings],
        "artifacts": used.order_by("pk")[:MOST_SHOWN],
    }


@admin.register(Finding)
class FindingAdmin(GovernedAdmin):
    """A secret that was met; it is not kept, and cannot be shown."""

    list_display = ["family", "preview", "place", "is_certain", "count", "scan"]
    list_filter = ["is_certain", "family"]
    search_fields = ["=fingerprint", "=scan__digest"]
    list_select_related = ["scan"]
    ordering = ["-pk"]
    sortable_by = ()
    empty_says = "No secret was found in anything."
    fields = [
        "scan",
        "family",
        "preview",
        "place",
        "count",
        "is_certain",
        "fingerprint",
    ]
    readonly_fields = ["place"]
    acts = (
        Act(
            name="allow",
            title="Ask to allow it",
            may=May.PROPOSE_ALLOWANCE,
            perform=_request,
            form=AllowForm,
            effects=lambda finding: [
                f"Another person, architect or QA, has to confirm that {finding} is "
                "no secret.",
                "Until then nothing changes; afterwards it counts nowhere where the "
                "same text stands, until the time is over.",
                "A real secret is not allowed but revoked, where it was issued.",
            ],
        ),
    )

    @admin.display(description="place")
    def place(self, finding: Finding) -> str:
        return place_of(finding)


@admin.register(Allowance)
class AllowanceAdmin(GovernedAdmin):
    """The allow list: by two people, and for a while."""

    list_display = ["id", "shown_state", "family", "allowed_at", "expires_at", "reason"]
    list_display_links = ["id", "shown_state"]
    list_filter = ["family"]
    search_fields = ["reason", "=fingerprint"]
    ordering = ["-pk"]
    sortable_by = ()
    empty_says = "Nothing is allowed. A finding has a button to ask for it."
    fields = [
        "shown_state",
        "finding",
        "family",
        "fingerprint",
        "reason",
        "approval",
        "allowed_at",
        "expires_at",
        "ended_at",
        "ended_by",
    ]
    readonly_fields = ["shown_state"]
    acts = (
        Act(
            name="end",
            title="End the allowance",
            may=May.ALLOW_FINDING,
            perform=_end,
            hidden=lambda allowance, actor: not _is_on(allowance),
            effects=lambda allowance: [
                f"{allowance.family} counts as a secret again, wherever it stands.",
            ],
        ),
    )

    @admin.display(description="state")
    def shown_state(self, allowance: Allowance) -> str:
        if allowance.ended_at is not None:
            said = "ended"
        else:
            said = "■ on" if _is_on(allowance) else "over"
        return format_html('<span class="nowrap">{}</span>', said)
