"""What runs wrote, kept for ever."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.html import format_html

from portal.admin.acts import Act
from portal.admin.governed import GovernedAdmin
from portal.domain.redaction import redact
from portal.domain.roles import May
from portal.errors import Refusal
from portal.models import Actor
from rollout.admin.scans import badge
from rollout.api.artifacts import download
from rollout.domain.scanning import Verdict
from rollout.models import Artifact
from rollout.services import held_back, scans, vault
from rollout.services.scans import Standing

LARGEST_PREVIEW = 64 * 1024


def address_of(artifact: Artifact, rollout_key: str) -> str:
    """Where a browser gets its bytes."""
    address = reverse("artifact", args=[artifact.run.run_id, artifact.path])
    version = {"rollout": rollout_key, "version": artifact.version}
    return f"{address}?{urlencode(version)}"


def _take(artifact: Artifact, actor: Actor, said: dict[str, Any]) -> HttpResponseBase:
    return download(held_back.take(artifact.pk, by=actor, reason=said["reason"]))


def _is_blocked(artifact: Artifact) -> bool:
    standing = _standing_of(artifact)
    return standing is not None and standing.verdict == Verdict.BLOCKED


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
        "fetch",
        "preview",
    ]
    readonly_fields = ["legal_hold", "safety", "fetch", "preview"]
    acts = (
        Act(
            name="take",
            title="Download in spite of its secret",
            done_as="Download it",
            may=May.TAKE_BLOCKED,
            is_dangerous=True,
            perform=_take,
            hidden=lambda artifact, actor: not _is_blocked(artifact),
            effects=lambda artifact: [
                f"You get {artifact.path} as the run wrote it, with the secret in it.",
                "That you took it, and why, is in the ledger.",
                "Keep it where only those can read it who may know the secret; revoke "
                "the secret where it was issued.",
            ],
        ),
    )

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

    @admin.display(description="download")
    def fetch(self, artifact: Artifact) -> str:
        if _is_blocked(artifact):
            return "Held back: the safety scan found a secret in it."
        return format_html(
            '<a href="{}" download>As the run wrote it</a>',
            address_of(artifact, artifact.run.rollout.key),
        )

    @admin.display(description="preview, secrets removed")
    def preview(self, artifact: Artifact) -> str:
        if artifact.size > LARGEST_PREVIEW:
            return "Too long to be shown; download it."
        standing = _standing_of(artifact)
        if standing and standing.verdict in (Verdict.FLAGGED, Verdict.BLOCKED):
            return "Not shown: the safety scan found something in it."
        try:
            text = b"".join(vault.read(artifact.digest)).decode()
        except Refusal as refusal:
            return str(refusal)
        except UnicodeDecodeError:
            return "No text; download it."
        return format_html("<pre>{}</pre>", redact(text))


def _standing_of(artifact: Artifact) -> Standing | None:
    """What its content counts as now; asked once for a page."""
    if not hasattr(artifact, "standing"):
        artifact.standing = scans.standings([artifact.digest]).get(artifact.digest)
    return artifact.standing
