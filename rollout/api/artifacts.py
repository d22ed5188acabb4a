"""Files of a run, sent and fetched as raw bytes."""

from collections.abc import Iterator

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.parsing import Anything
from portal.api.streaming import Streamed
from portal.domain.roles import May
from portal.errors import Invalid, Malformed, TooLarge
from rollout.api.rollouts import ROLLOUT, RolloutView
from rollout.domain.artifacts import digest_from_field, field_from_digest
from rollout.domain.scanning import Verdict
from rollout.models import Artifact
from rollout.services import artifacts, held_back, runs, scans, vault

BYTES = "application/octet-stream"
CONTENT_DIGEST = OpenApiParameter(
    "Content-Digest",
    str,
    OpenApiParameter.HEADER,
    required=True,
    description="RFC 9530: `sha-256=:<base64>:`",
)
EVEN_BLOCKED = OpenApiParameter(
    "even_blocked",
    bool,
    description="Also what the scan has blocked. For people; the ledger keeps it.",
)
WHY = OpenApiParameter("reason", str, description="Why; it is in the ledger.")
LONGEST_REASON = 2000


class ArtifactShape(serializers.ModelSerializer):
    """One version of one file of a run."""

    run_id = serializers.CharField(source="run.run_id")
    verdict = serializers.SerializerMethodField(
        help_text="Of the safety scan, with what is allowed now; null until then."
    )

    class Meta:
        model = Artifact
        fields = [
            "run_id",
            "path",
            "version",
            "digest",
            "size",
            "origin",
            "received_at",
            "verdict",
        ]

    @extend_schema_field(
        {"type": ["string", "null"], "enum": [*map(str, Verdict), None]}
    )
    def get_verdict(self, artifact: Artifact) -> str | None:
        standing = self.context["standings"].get(artifact.digest)
        return standing.verdict if standing else None


class ArtifactsView(RolloutView):
    """Every version of every file of a run."""

    may = {"GET": May.READ}

    @extend_schema(
        summary="List artifacts",
        parameters=[ROLLOUT],
        responses=ArtifactShape(many=True),
    )
    def get(self, request: Request, run_id: str) -> Response:
        run = runs.find(self.key, run_id)
        found = run.artifacts.select_related("run").order_by("path", "-version")
        context = {"standings": scans.verdicts_of(run)}
        return Response(ArtifactShape(found, many=True, context=context).data)


class ArtifactView(RolloutView):
    """One file. Write-once: other bytes under the same path are a new version."""

    may = {"GET": May.READ, "PUT": May.REPORT_RUNS}
    parser_classes = [Anything]

    @extend_schema(
        summary="Fetch an artifact",
        description=(
            "What the safety scan has blocked is refused (403 ARTIFACT_BLOCKED), "
            "unless a person asks for it with `even_blocked=true`."
        ),
        parameters=[ROLLOUT, OpenApiParameter("version", int), EVEN_BLOCKED, WHY],
        responses={(200, "application/octet-stream"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, run_id: str, path: str) -> HttpResponseBase:
        found = self._found(request, run_id, path)
        if even_blocked(request):
            reason = why(request, "fetched over the API")
            held_back.take(found.pk, by=self.actor, reason=reason)
        else:
            held_back.refuse_if_held_back(found, to=self.actor)
        return download(found)

    def head(self, request: Request, run_id: str, path: str) -> HttpResponseBase:
        """What `GET` would say of the bytes, without reading them."""
        found = self._found(request, run_id, path)
        return _described(found, HttpResponse(content_type=BYTES))

    def _found(self, request: Request, run_id: str, path: str) -> Artifact:
        run = runs.find(self.key, run_id)
        return artifacts.find(run, path, version=_version(request))

    @extend_schema(
        summary="Keep an artifact",
        parameters=[
            ROLLOUT,
            CONTENT_DIGEST,
        ],
        request={"application/octet-stream": OpenApiTypes.BINARY},
        responses={200: ArtifactShape, 201: ArtifactShape},
    )
    def put(self, request: Request, run_id: str, path: str) -> Response:
        expected, chunks = sent_bytes(request)
        artifact, is_new = artifacts.store(
            self.key,
            run_id,
            path,
            chunks,
            by=self.actor,
            reason="reported by the run",
            expected=expected,
        )
        context = {"standings": scans.standings([artifact.digest])}
        said = ArtifactShape(artifact, context=context).data
        return Response(said, status=201 if is_new else 200)


def download(found: Artifact) -> HttpResponseBase:
    """A file as an answer; damaged bytes are refused."""
    return _described(found, Streamed(vault.read(found.digest), content_type=BYTES))


def sent_bytes(request: Request) -> tuple[str, Iterator[bytes]]:
    """What was announced, and the bytes; refuses what has no digest, or is too long."""
    field = request.headers.get("Content-Digest", "")
    if not field:
        raise Malformed(
            "An artifact is sent with its Content-Digest (RFC 9530): "
            "sha-256=:<base64>:.",
            code="DIGEST_REQUIRED",
        )
    announced = request.META.get("CONTENT_LENGTH") or "0"
    if announced.isdigit() and int(announced) > settings.MAX_ARTIFACT_BYTES:
        raise TooLarge(
            f"At most {settings.MAX_ARTIFACT_BYTES} bytes are taken.",
            limit=settings.MAX_ARTIFACT_BYTES,
        )
    return digest_from_field(field), _chunks(request)


def _chunks(request: HttpRequest) -> Iterator[bytes]:
    while chunk := request.read(vault.CHUNK):
        yield chunk


def _described(found: Artifact, response: HttpResponseBase) -> HttpResponseBase:
    response["Content-Length"] = str(found.size)
    response["Content-Digest"] = field_from_digest(found.digest)
    response["ETag"] = f'"{found.digest}"'
    response["Content-Disposition"] = "attachment"
    return response


def even_blocked(request: Request) -> bool:
    """Whether somebody insists on what the safety scan has blocked."""
    said = request.query_params.get("even_blocked", "false")
    if said not in ("true", "false"):
        raise Invalid(
            "even_blocked is true or false.",
            errors=[{"pointer": "/even_blocked", "detail": "is true or false"}],
        )
    return said == "true"


def why(request: Request, otherwise: str) -> str:
    """The reason that a request gives, or the usual one."""
    reason = request.query_params.get("reason") or otherwise
    if len(reason) > LONGEST_REASON:
        raise Invalid(
            f"A reason has at most {LONGEST_REASON} characters.",
            errors=[{"pointer": "/reason", "detail": "is too long"}],
        )
    return reason


def _version(request: Request) -> int | None:
    wanted = request.query_params.get("version")
    if wanted is None:
        return None
    if not wanted.isdigit() or len(wanted) > 9:
        raise Invalid(
            "A version is a whole number.",
            errors=[{"pointer": "/version", "detail": "is a whole number"}],
        )
    return int(wanted)
