"""What runs report, and what they ask."""

from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    extend_schema,
    extend_schema_view,
)
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api import problems
from portal.api.etags import conditional, etag
from portal.api.idempotency import idempotent
from portal.api.parsing import Anything, raw_body
from portal.domain.roles import May
from portal.errors import NotFound
from rollout.api.rollouts import ROLLOUT, RolloutView
from rollout.domain.runs import RunStage, RunStatus
from rollout.models import DocumentKind, FallbackOffer, Run
from rollout.services import events, fallback, runs
from rollout.services.runs import Receipt


class RunShape(serializers.ModelSerializer):
    """A run: what it reported, and what the portal made of it."""

    rollout = serializers.CharField(source="rollout.key")
    stage = serializers.SerializerMethodField()
    decision_id = serializers.UUIDField(allow_null=True)

    class Meta:
        model = Run
        fields = [
            "run_id",
            "rollout",
            "kind",
            "status",
            "reported_status",
            "cause",
            "stage",
            "mode",
            "is_admitted",
            "no_web",
            "system_version",
            "decision_id",
            "manifest_revision",
            "gates_revision",
            "last_seq",
            "gates",
            "created_at",
            "reported_at",
            "finished_at",
        ]

    def get_stage(self, run: Run) -> str | None:
        return run.stage or None


class OfferShape(serializers.ModelSerializer):
    """The way back to the standard workflow."""

    run_id = serializers.CharField(source="run.run_id")
    summary = serializers.SerializerMethodField()

    class Meta:
        model = FallbackOffer
        fields = [
            "run_id",
            "gate_id",
            "gate_name",
            "reason",
            "instruction",
            "failure",
            "summary",
            "is_adopted",
            "offered_at",
        ]

    def get_summary(self, offer: FallbackOffer) -> dict[str, Any] | None:
        if offer.summary is None:
            return None
        return {
            "path": offer.summary.path,
            "version": offer.summary.version,
            "digest": offer.summary.digest,
        }


class RunDetail(RunShape):
    """A run with its fallback offer."""

    fallback = serializers.SerializerMethodField()

    class Meta(RunShape.Meta):
        fields = [*RunShape.Meta.fields, "fallback"]

    def get_fallback(self, run: Run) -> dict | None:
        offer = (
            FallbackOffer.objects.select_related("run", "summary")
            .filter(run=run)
            .first()
        )
        return OfferShape(offer).data if offer else None


class RunsView(RolloutView, ListAPIView):
    """The runs of a rollout, the newest first."""

    may = {"GET": May.READ}
    serializer_class = RunShape

    @extend_schema(
        summary="List runs",
        parameters=[
            ROLLOUT,
            OpenApiParameter("status", str, enum=[str(each) for each in RunStatus]),
        ],
    )
    def get(self, request: Request) -> Response:
        return self.list(request)

    def get_queryset(self) -> QuerySet[Run]:
        found = Run.objects.select_related("rollout").filter(rollout__key=self.key)
        if status := self.request.query_params.get("status"):
            found = found.filter(status=status)
        return found


class RunView(RolloutView):
    """One run."""

    may = {"GET": May.READ}

    @extend_schema(summary="Read a run", parameters=[ROLLOUT], responses=RunDetail)
    def get(self, request: Request, run_id: str) -> Response:
        return Response(RunDetail(runs.find(self.key, run_id)).data)


class Taken(serializers.Serializer):
    """What became of a document, and what its run is now."""

    outcome = serializers.ChoiceField(["accepted", "unchanged", "kept"])
    revision = serializers.IntegerField()
    gap = serializers.IntegerField()
    run_id = serializers.CharField()
    status = serializers.CharField()
    reported_status = serializers.CharField()


class DocumentView(RolloutView):
    """A document of a run, revision by revision.

    201 when the revision moved the run, 200 when it was known already, 202 when it is
    kept as evidence but the run has ended by the portal's word, 409 REVISION_MISMATCH
    when it is older or contradicts what is known.
    """

    may = {"GET": May.READ, "PUT": May.REPORT_RUNS}
    parser_classes = [Anything]
    kind = DocumentKind.MANIFEST

    def get(self, request: Request, run_id: str) -> Response:
        found = runs.document_of(runs.find(self.key, run_id), self.kind)
        if found is None:
            raise NotFound(f"This run has sent no {self.kind} yet.")
        return conditional(request, Response(found.content), etag(found.digest))

    def put(self, request: Request, run_id: str) -> Response:
        raw = raw_body(request, limit=settings.MAX_DOCUMENT_BYTES)
        receive = (
            runs.receive_manifest
            if self.kind == DocumentKind.MANIFEST
            else runs.receive_gates
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
        raw = raw_body(request, limit=settings.MAX_EVENTS_BYTES)
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


class Onward(serializers.Serializer):
    """The two ends of a step in the run's own stage machine."""

    from_stage = serializers.ChoiceField([str(stage) for stage in RunStage])
    to_stage = serializers.ChoiceField([str(stage) for stage in RunStage])


class Advanced(serializers.Serializer):
    """A yes, with everything that was looked at."""

    is_allowed = serializers.BooleanField()
    preconditions = serializers.ListField(child=serializers.DictField())


class AdvanceView(RolloutView):
    """May the run go on? Asked anew every time: a repetition looks at the switch again.

    A no is 409 with the precise refusal as `code` and the evaluated preconditions.
    """

    may = {"POST": May.REPORT_RUNS}

    @extend_schema(
        summary="Ask to go on to the next stage",
        parameters=[ROLLOUT],
        request=Onward,
        responses=Advanced,
        examples=[
            OpenApiExample(
                "From the first wave to the pivot",
                {"from_stage": "wave1", "to_stage": "pivot"},
                request_only=True,
            )
        ],
    )
    @idempotent(is_replayed=False)
    def post(self, request: Request, run_id: str) -> Response:
        said = self.said(Onward)
        answer = runs.advance(
            self.key,
            run_id,
            here=RunStage(said["from_stage"]),
            onward=RunStage(said["to_stage"]),
            by=self.actor,
            reason="the run asked",
        )
        facts = {
            "is_allowed": answer.is_allowed,
            "preconditions": answer.preconditions,
        }
        if answer.is_allowed:
            return Response(facts)
        # Not raised: the answer itself is kept, and raising would undo that.
        broken = next(each for each in answer.preconditions if not each["holds"])
        status = HTTPStatus.CONFLICT
        detail = f"Not fulfilled: {broken['what']}."
        body = problems.body_of(
            status, code=answer.code, detail=detail, request=request, facts=facts
        )
        return Response(body, status=status, content_type=problems.CONTENT_TYPE)


class OfferReason(serializers.Serializer):
    """The reason that stands in the summary; the gate's own notes if there is none."""

    reason = serializers.CharField(max_length=2000, required=False, allow_blank=True)


class FallbackOfferView(RolloutView):
    """Offer a run the standard workflow: deterministic, once, keeping everything."""

    may = {"POST": May.FALL_BACK}

    @extend_schema(
        summary="Make the fallback offer",
        parameters=[ROLLOUT],
        request=OfferReason,
        responses={200: OfferShape},
        examples=[
            OpenApiExample(
                "With a reason",
                {"reason": "Gate B retries exhausted"},
                request_only=True,
            )
        ],
    )
    @idempotent
    def post(self, request: Request, run_id: str) -> Response:
        said = self.said(OfferReason)
        given = said.get("reason", "")
        offer = fallback.offer_fallback(
            self.key,
            run_id,
            by=self.actor,
            reason=given or "A fallback offer was asked for.",
            given=given,
        )
        return Response(OfferShape(offer).data)
