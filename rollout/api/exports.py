"""A run as one archive."""

from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from portal.api.streaming import Streamed
from portal.domain.roles import May
from rollout.api.artifacts import EVEN_BLOCKED, WHY, even_blocked, why
from rollout.api.rollouts import ROLLOUT, RolloutView
from rollout.domain.artifacts import field_from_digest
from rollout.services import exports
from rollout.services.exports import Export


def download(export: Export) -> Streamed:
    """The archive as an answer; what it has to be stands in its headers, too."""
    response = Streamed(export.chunks, content_type="application/zip")
    response["Content-Disposition"] = f'attachment; filename="{export.name}"'
    response["Manifest-Digest"] = field_from_digest(export.manifest_digest)
    response["Cache-Control"] = "no-store"
    return response


class ExportView(RolloutView):
    """Everything of a run in one ZIP; who takes it, and why, is in the ledger."""

    may = {"GET": May.READ}
    http_method_names = ["get", "options"]  # looking without taking leaves no line

    @extend_schema(
        summary="Export a run",
        description=(
            "`manifest.json` in it gives SHA-256 and size of every member, and "
            "`SHA256SUMS` the same for `sha256sum --check`; `Manifest-Digest` is the "
            "manifest's own digest. The same run gives the same bytes. What the "
            "safety scan has blocked is named in the manifest and left out, unless a "
            "person asks for it with `even_blocked=true`."
        ),
        parameters=[ROLLOUT, EVEN_BLOCKED, WHY],
        responses={(200, "application/zip"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, run_id: str) -> HttpResponseBase:
        export = exports.export_run(
            self.key,
            run_id,
            even_blocked=even_blocked(request),
            by=self.actor,
            reason=why(request, "exported over the API"),
        )
        return download(export)
