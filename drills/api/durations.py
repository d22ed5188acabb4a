"""How long incidents take."""

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from drills.domain.incidents import Kind
from drills.services import durations
from portal.domain.roles import May
from rollout.api.rollouts import ROLLOUT, RolloutView


class SpanShape(serializers.Serializer):
    """How long something takes, over so many incidents; seconds."""

    n = serializers.IntegerField()
    median_s = serializers.FloatField(allow_null=True)
    p90_s = serializers.FloatField(allow_null=True)


class DurationsShape(serializers.Serializer):
    """Over the newest incidents of a kind."""

    detect = SpanShape()
    acknowledge = SpanShape()
    safety = SpanShape()
    resolve = SpanShape()


class DurationsView(RolloutView):
    """Times to detect, to acknowledge, to safety, to resolve; drills apart."""

    may = {"GET": May.READ}

    @extend_schema(
        summary="How long incidents take",
        parameters=[
            ROLLOUT,
            OpenApiParameter("kind", str, enum=[str(each) for each in Kind]),
        ],
        responses=DurationsShape,
    )
    def get(self, request: Request) -> Response:
        kind = self.chosen("kind", Kind) or Kind.REAL
        found = durations.of(Kind(kind), self.key)
        return Response(DurationsShape(found).data)
