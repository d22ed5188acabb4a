"""What runs wrote, kept for ever."""

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html

from portal.admin.governed import GovernedAdmin
from portal.domain.redaction import redact
from portal.errors import Refusal
from rollout.admin.scans import badge
from rollout.domain.scanning import Verdict
from rollout.models import Artifact
from rollout.services import scans, vault
from rollout.services.scans import Standing

LARGEST_PREVIEW = 64 * 1024


@admin.register(Artifact)
class ArtifactAdmin(GovernedAdmin):
    """Found by digest; damaged bytes are never shown."""

    list_display = ["run", "path", "version", "size", "origin", "received_at"]
    list_display_links = ["path"]
    list_filter = ["origin"]
    search_fields = ["run__run_id", "path", "=digest"]
    list_select_related = ["run"]
    fields = [
        "run",
        "path",
        "version",
        "size",
        "digest",
        "origin",
        "received_at",
        "received_from",
        "legal_hold",
        "safety",
        "preview",
    ]
    readonly_fields = ["legal_hold", "safety", "preview"]

    @admin.display(description="legal hold")
    def legal_hold(self, artifact: Artifact) -> str:
        return "On hold, as every artifact is: nothing in the portal deletes it."

    @admin.display(description="safety scan")
    def safety(self, artifact: Artifact) -> str:
        standing = _standing_of(artifact)
        if standing is None:
            return badge(None)
        return format_html(
            '{} <a href="{}">{} found</a>',
            badge(standing.verdict),
            reverse("admin:rollout_scan_change", args=[standing.scan.pk]),
            len(standing.findings) or "nothing",
        )

    @admin.display(description="preview, secrets removed")
    def preview(self, artifact: Artifact) -> str:
        if artifact.size > LARGEST_PREVIEW:
            return "Too long to be shown; fetch it over the API."
        standing = _standing_of(artifact)
        if standing and standing.verdict in (Verdict.FLAGGED, Verdict.BLOCKED):
            return "Not shown: the safety scan found something in it."
        try:
            text = b"".join(vault.read(artifact.digest)).decode()
        except Refusal as refusal:
            return str(refusal)
        except UnicodeDecodeError:
            return "No text; fetch it over the API."
        return format_html("<pre>{}</pre>", redact(text))


def _standing_of(artifact: Artifact) -> Standing | None:
    """What its content counts as now; asked once for a page."""
    if not hasattr(artifact, "standing"):
        artifact.standing = scans.standings([artifact.digest]).get(artifact.digest)
    return artifact.standing
