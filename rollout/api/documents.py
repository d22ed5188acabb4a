"""Documents and telemetry of runs, as they report them."""

import json
from http import HTTPStatus

from django.conf import settings
from django.http import HttpResponse
from drf_spectacular.extensions import OpenApiSerializerExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import (
    OpenApiExample,
    extend_schema,
    extend_schema_view,
)
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.etags import conditional, etag
from portal.api.parsing import JSON, LINES, Anything, raw_body
from portal.domain.roles import May
from portal.errors import NotFound
from rollout.api.rollouts import ROLLOUT, RolloutView
from rollout.domain import schemas
from rollout.models import DocumentKind
from rollout.services import documents, events, runs
from rollout.services.documents import Receipt

EXAMPLES = settings.BASE_DIR / "docs" / "examples"


class ManifestDocument(serializers.Serializer):
    """A `manifest.v1`."""


class GatesDocument(serializers.Serializer):
    """A `gates.v1`."""


class EventDocument(serializers.Serializer):
    """A `telemetry.v1`: one line of a batch."""


class _Shape(OpenApiSerializerExtension):
    """Documents are described by the very schemas that they are checked against."""

    target_class = ManifestDocument
    name, schema = "Manifest", schemas.MANIFEST_SCHEMA

    def get_name(self, auto_schema: AutoSchema, direction: str) -> str:
        return self.name

    def map_serializer(self, auto_schema: AutoSchema, direction: str) -> dict:
        return self.schema


class _GatesShape(_Shape):
    target_class = GatesDocument
    name, schema = "Gates", schemas.GATES_SCHEMA


class _EventShape(_Shape):
    target_class = EventDocument
    name, schema = "Event", schemas.EVENT_SCHEMA


class Taken(serializers.Serializer):
    """What became of a document, and what its run is now."""

    outcome = serializers.ChoiceField(
        ["accepted", "unchanged", "kept"],
        help_text="It moved the run; was known already; is kept as evidence only.",
    )
    revision = serializers.IntegerField()
    gap = serializers.IntegerField(
        help_text="How many revisions before it are missing."
    )
    run_id = serializers.CharField()
    status = serializers.CharField(help_text="What the portal goes by.")
    reported_status = serializers.CharField()
    is_admitted = serializers.BooleanField(
        help_text="Whether the run was let into Option C. If not, it never asked for a "
        "decision or was told another workflow: it is kept, and does not count."
    )
    awaits_fallback = serializers.BooleanField(
        help_text="Whether the standard workflow is due: take the offer."
    )
    confirm_at = serializers.DateTimeField(
        allow_null=True,
        help_text="When a failed gate stands, unless newer gates come first; null when "
        "none has failed, or when its failure stands already.",
    )
    drift = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField()),
        help_text="By gate, where a status contradicts its own metrics: such a gate "
        "does not count as passed.",
    )


class DocumentView(RolloutView):
    """A document of a run, revision by revision; read back as the bytes that came.

    201 when the revision moved the run, 200 when it was known already, 202 when it is
    kept as evidence but the run has ended by the portal's word, 409 REVISION_MISMATCH
    when it is older or contradicts what is known.
    """

    may = {"GET": May.READ, "PUT": May.REPORT_RUNS}
    parser_classes = [Anything]
    kind = DocumentKind.MANIFEST

    def get(self, request: Request, run_id: str) -> HttpResponse:
        found = runs.document_of(runs.find(self.key, run_id), self.kind)
        if found is None:
            raise NotFound(f"This run has sent no {self.kind} yet.")
        sent = HttpResponse(bytes(found.raw), content_type="application/json")
        return conditional(request, sent, etag(found.digest))

    def put(self, request: Request, run_id: str) -> Response:
        raw = raw_body(request, limit=settings.MAX_DOCUMENT_BYTES, types=JSON)
        receive = (
            documents.receive_manifest
            if self.kind == DocumentKind.MANIFEST
            else documents.receive_gates
        )
        receipt = receive(
            self.key, run_id, raw, by=self.actor, reason="reported by the run"
        )
        return _answer(receipt)


_STATUS = {
    "accepted": HTTPStatus.CREATED,
    "unchanged": HTTPStatus.OK,
    "kept": HTTPStatus.ACCEPTED,
}


def _answer(receipt: Receipt) -> Response:
    if receipt.refusal is not None:
        raise receipt.refusal
    run = receipt.run
    return Response(
        {
            "outcome": receipt.outcome,
            "revision": receipt.revision,
            "gap": receipt.gap,
            "run_id": run.run_id,
            "status": run.status,
            "reported_status": run.reported_status,
            "is_admitted": run.is_admitted,
            "awaits_fallback": run.awaits_fallback,
            "confirm_at": documents.confirm_at(run),
            "drift": {
                letter: gate["drift"]
                for letter, gate in sorted(run.gates.items())
                if gate["drift"]
            },
        },
        status=_STATUS[receipt.outcome],
    )


def _document_schema(kind: str, shape: type[serializers.Serializer]):
    """What the two documents have in common; the example is that of the guide."""
    example = json.loads((EXAMPLES / f"{kind}.json").read_bytes())
    return extend_schema_view(
        get=extend_schema(
            summary=f"Read a run's {kind}",
            parameters=[ROLLOUT],
            responses=shape,
        ),
        put=extend_schema(
            summary=f"Report a run's {kind}",
            parameters=[ROLLOUT],
            request={"application/json": shape},
            responses={200: Taken, 201: Taken, 202: Taken},
            examples=[
                OpenApiExample("The smallest that is taken", example, request_only=True)
            ],
        ),
    )


@_document_schema("manifest", ManifestDocument)
class ManifestView(DocumentView):
    kind = DocumentKind.MANIFEST


@_document_schema("gates", GatesDocument)
class GatesView(DocumentView):
    kind = DocumentKind.GATES


class Counted(serializers.Serializer):
    """What became of a batch of events."""

    received = serializers.IntegerField()
    new = serializers.IntegerField()
    last_seq = serializers.IntegerField()
    gaps = serializers.ListField(
        child=serializers.ListField(child=serializers.IntegerField()),
        help_text="Ranges of missing numbers, first and last.",
    )


class EventsView(RolloutView):
    """Telemetry as NDJSON; unique by `seq`, so that sending it again is harmless."""

    may = {"POST": May.REPORT_RUNS}
    parser_classes = [Anything]

    @extend_schema(
        summary="Report telemetry",
        parameters=[ROLLOUT],
        request={"application/x-ndjson": EventDocument},
        responses=Counted,
        examples=[
            OpenApiExample(
                "A line for each event",
                (EXAMPLES / "events.ndjson").read_text(),
                request_only=True,
                media_type="application/x-ndjson",
            )
        ],
    )
    def post(self, request: Request, run_id: str) -> Response:
        raw = raw_body(request, limit=settings.MAX_EVENTS_BYTES, types=LINES)
        batch = events.receive(
            self.key, run_id, raw, by=self.actor, reason="reported by the run"
        )
        return Response(
            {
                "received": batch.received,
                "new": batch.new,
                "last_seq": batch.last_seq,
                "gaps": batch.gaps,
            }
        )
