"""What runs wrote, kept for ever."""

import json
from codecs import getincrementaldecoder
from contextlib import closing
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
LARGEST_READ = 8 * 1024 * 1024  # all of it is checked before any of it is shown


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
    list_display_links = ["run", "path"]
    list_filter = ["origin"]
    search_fields = ["run__run_id", "path", "=digest"]
    empty_says = "No run has stored an artifact yet."
    list_select_related = ["run"]
    fields = [
        "run",
        "path",
        "version",
        "size",
        "whole_digest",
        "origin",
        "received_at",
        "received_from",
        "legal_hold",
        "safety",
        "fetch",
        "preview",
    ]
    readonly_fields = ["whole_digest", "legal_hold", "safety", "fetch", "preview"]
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

    @admin.display(description="digest")
    def whole_digest(self, artifact: Artifact) -> str:
        return format_html('<span class="mono">{}</span>', artifact.digest)

    @admin.display(description="legal hold")
    def legal_hold(self, artifact: Artifact) -> str:
        return "On hold, as every artifact is: nothing in the portal deletes it."

    @admin.display(description="safety scan")
    def safety(self, artifact: Artifact) -> str:
        standing = _standing_of(artifact)
        if standing is None:
            return badge(None)
        return format_html(
            '{} <a class="link" href="{}">{} found</a>',
            badge(standing.verdict),
            reverse("admin:rollout_scan_change", args=[standing.scan.pk]),
            len(standing.findings) or "nothing",
        )

    @admin.display(description="download")
    def fetch(self, artifact: Artifact) -> str:
        if _is_blocked(artifact):
            return "Held back: the safety scan found a secret in it."
        return format_html(
            '<a class="link" href="{}" download>As the run wrote it</a>',
            address_of(artifact, artifact.run.rollout.key),
        )

    @admin.display(description="preview, secrets removed")
    def preview(self, artifact: Artifact) -> str:
        standing = _standing_of(artifact)
        if standing and standing.verdict in (Verdict.FLAGGED, Verdict.BLOCKED):
            return "Not shown: the safety scan found something in it."
        if artifact.size > LARGEST_READ:
            return "Too long to be shown; download it."
        try:
            text = _text_of(artifact)
        except Refusal as refusal:
            return str(refusal)
        if text is None:
            return "No text; download it."
        is_cut = artifact.size > LARGEST_PREVIEW
        return format_html(
            "<pre>{}</pre>{}",
            redact(text),
            "This is how it begins; download it for the rest." if is_cut else "",
        )


def _text_of(artifact: Artifact) -> str | None:
    """How it begins, as text; JSON is laid out. None when it is no text."""
    head = b""
    with closing(vault.read(artifact.digest)) as reading:
        while len(head) < LARGEST_PREVIEW and (chunk := next(reading, b"")):
            head += chunk
    is_whole = len(head) == artifact.size <= LARGEST_PREVIEW
    decoder = getincrementaldecoder("utf-8")()
    try:
        # Where it is cut, the last character may be there in part.
        text = decoder.decode(head[:LARGEST_PREVIEW], final=is_whole)
    except UnicodeDecodeError:
        return None
    if "\0" in text:
        return None
    return _laid_out(text) if is_whole and artifact.path.endswith(".json") else text


def _laid_out(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def _standing_of(artifact: Artifact) -> Standing | None:
    """What its content counts as now; asked once for a page."""
    if not hasattr(artifact, "standing"):
        artifact.standing = scans.standings([artifact.digest]).get(artifact.digest)
    return artifact.standing
