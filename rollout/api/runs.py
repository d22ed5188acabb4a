"""What runs report, and what they ask."""

from http import HTTPStatus

from django.db.models import QuerySet
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    extend_schema,
)
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api import problems
from portal.api.idempotency import idempotent
from portal.domain.roles import May
from rollout.api.fallback import OfferShape
from rollout.api.rollouts import ROLLOUT, RolloutView
from rollout.domain.runs import RunStage, RunStatus
from rollout.models import FallbackOffer, Run
from rollout.services import advances, runs


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
            "awaits_fallback",
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
        if status := self.chosen("status", RunStatus):
            found = found.filter(status=status)
        return found


class RunView(RolloutView):
    """One run."""

    may = {"GET": May.READ}

    @extend_schema(summary="Read a run", parameters=[ROLLOUT], responses=RunDetail)
    def get(self, request: Request, run_id: str) -> Response:
        return Response(RunDetail(runs.find(self.key, run_id)).data)


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
        answer = advances.advance(
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
