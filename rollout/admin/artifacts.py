"""What runs wrote, kept for ever."""

from django.contrib import admin
from django.utils.html import format_html

from portal.admin.governed import GovernedAdmin
from portal.domain.redaction import redact
from portal.errors import Refusal
from rollout.models import Artifact
from rollout.services import vault

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
        "preview",
    ]
    readonly_fields = ["legal_hold", "preview"]

    @admin.display(description="legal hold")
    def legal_hold(self, artifact: Artifact) -> str:
        return "On hold, as every artifact is: nothing in the portal deletes it."

    @admin.display(description="preview, secrets removed")
    def preview(self, artifact: Artifact) -> str:
        if artifact.size > LARGEST_PREVIEW:
            return "Too long to be shown; fetch it over the API."
        try:
            text = b"".join(vault.read(artifact.digest)).decode()
        except Refusal as refusal:
            return str(refusal)
        except UnicodeDecodeError:
            return "No text; fetch it over the API."
        return format_html("<pre>{}</pre>", redact(text))
