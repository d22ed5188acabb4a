"""Documents and telemetry of runs, as they report them."""

from http import HTTPStatus

from django.conf import settings
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
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
from rollout.models import DocumentKind
from rollout.services import documents, events, runs
from rollout.services.documents import Receipt


class Taken(serializers.Serializer):
    """What became of a document, and what its run is now."""

    outcome = serializers.ChoiceField(["accepted", "unchanged", "kept"])
    revision = serializers.IntegerField()
    gap = serializers.IntegerField()
    run_id = serializers.CharField()
    status = serializers.CharField()
    reported_status = serializers.CharField()


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
        },
        status=_STATUS[receipt.outcome],
    )


def _document_schema(kind: str, schema_version: str):
    return extend_schema_view(
        get=extend_schema(
            summary=f"Read a run's {kind}",
            parameters=[ROLLOUT],
            responses=OpenApiTypes.OBJECT,
        ),
        put=extend_schema(
            summary=f"Report a run's {kind}",
            parameters=[ROLLOUT],
            request=OpenApiTypes.OBJECT,
            responses={200: Taken, 201: Taken, 202: Taken},
            examples=[
                OpenApiExample(
                    f"A {kind} (the required members are those of {schema_version})",
                    {
                        "schema_version": schema_version,
                        "run_id": "run-1",
                        "revision": 2,
                    },
                    request_only=True,
                )
            ],
        ),
    )


@_document_schema("manifest", "manifest.v1")
class ManifestView(DocumentView):
    kind = DocumentKind.MANIFEST


@_document_schema("gates", "gates.v1")
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
        request={"application/x-ndjson": OpenApiTypes.STR},
        responses=Counted,
        examples=[
            OpenApiExample(
                "One event",
                '{"schema_version":"telemetry.v1","run_id":"run-1","seq":1,'
                '"ts":"2026-01-01T12:00:00Z","event_type":"run_status",'
                '"status":"running"}\n',
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
