"""A run as one archive."""

from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request

from portal.api.streaming import Streamed
from portal.domain.roles import May
from portal.errors import Invalid
from rollout.api.rollouts import ROLLOUT, RolloutView
from rollout.domain.artifacts import field_from_digest
from rollout.services import exports
from rollout.services.exports import Export

LONGEST_REASON = 2000


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
            "manifest's own digest. The same run gives the same bytes."
        ),
        parameters=[
            ROLLOUT,
            OpenApiParameter("reason", str, description="Why; it is in the ledger."),
        ],
        responses={(200, "application/zip"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, run_id: str) -> HttpResponseBase:
        reason = request.query_params.get("reason") or "exported over the API"
        if len(reason) > LONGEST_REASON:
            raise Invalid(
                f"A reason has at most {LONGEST_REASON} characters.",
                errors=[{"pointer": "/reason", "detail": "is too long"}],
            )
        return download(
            exports.export_run(self.key, run_id, by=self.actor, reason=reason)
        )
