"""Judgements of the evidence: listed, read whole, and judged again."""

import json

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from portal.domain.roles import May
from portal.errors import NotFound
from rollout.api.rollouts import ROLLOUT, RolloutView
from rollout.models import Evaluation, Stage
from rollout.services import (
    evaluations,
    rollouts,
    stages,
)


class EvaluationShape(serializers.ModelSerializer):
    """One judgement of a stage's evidence."""

    stage = serializers.CharField(source="stage.key")
    attempt = serializers.IntegerField(source="attempt.number")

    class Meta:
        model = Evaluation
        fields = [
            "id",
            "stage",
            "attempt",
            "number",
            "mode",
            "verdict",
            "sentence",
            "rule",
            "fingerprint",
            "judged_runs",
            "digest",
            "evaluated_at",
        ]


class EvaluationsView(RolloutView, ListAPIView):
    """The judgements of a rollout's stages, newest first."""

    may = {"GET": May.READ}
    serializer_class = EvaluationShape

    @extend_schema(
        summary="List evaluations",
        parameters=[
            ROLLOUT,
            OpenApiParameter("stage", str, description="Only those of this stage."),
        ],
    )
    def get(self, request: Request) -> Response:
        return self.list(request)

    def get_queryset(self) -> QuerySet[Evaluation]:
        rollout = rollouts.find(self.key)
        wanted = Stage.objects.filter(rollout=rollout)
        if stage := self.request.query_params.get("stage"):
            wanted = wanted.filter(pk=stages.find(rollout.key, stage).pk)
        found = Evaluation.objects.filter(stage__in=list(wanted))
        return found.select_related("stage", "attempt")


class EvaluationView(RolloutView):
    """One judgement, with everything that it was computed from."""

    may = {"GET": May.READ}

    def found(self, evaluation_id: int) -> Evaluation:
        """The evaluation, if it is of the caller's rollout."""
        found = (
            Evaluation.objects.filter(pk=evaluation_id, stage__rollout__key=self.key)
            .select_related("stage", "attempt")
            .first()
        )
        if found is None:
            raise NotFound(f"There is no evaluation {evaluation_id}.")
        return found

    @extend_schema(
        summary="Read an evaluation",
        parameters=[ROLLOUT],
        responses={200: OpenApiTypes.OBJECT},
    )
    def get(self, request: Request, evaluation_id: int) -> Response:
        found = self.found(evaluation_id)
        body = json.loads(found.body)
        return Response({**EvaluationShape(found).data, "content": body})


class Recomputed(serializers.Serializer):
    """Whether a judgement comes out the same today, and where it does not."""

    is_same = serializers.BooleanField()
    differences = serializers.ListField(child=serializers.CharField())


class RecomputeView(EvaluationView):
    """Judge again, from what the evaluation holds."""

    @extend_schema(
        summary="Recompute an evaluation", parameters=[ROLLOUT], responses=Recomputed
    )
    def get(self, request: Request, evaluation_id: int) -> Response:
        found = evaluations.recompute(self.found(evaluation_id))
        return Response({"is_same": not found, "differences": found})
