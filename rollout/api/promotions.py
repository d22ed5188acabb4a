"""What the next step lacks, and asking for it."""

from dataclasses import asdict

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.idempotency import idempotent
from portal.api.views import Asked, Because
from portal.domain.roles import May
from rollout.api.evaluations import EvaluationShape
from rollout.api.rollouts import REASON_EXAMPLE, ROLLOUT, RolloutView
from rollout.services import (
    evidence,
    promotions,
    readiness,
    stages,
)


class CheckShape(serializers.Serializer):
    """One thing that has to be so before more is exposed."""

    name = serializers.CharField()
    light = serializers.CharField()
    says = serializers.CharField()
    since = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True)
    remedy = serializers.CharField()
    link = serializers.CharField()


class Readiness(serializers.Serializer):
    """Whether a stage may move on, and what is in the way."""

    stage = serializers.CharField()
    state = serializers.CharField()
    is_ready = serializers.BooleanField()
    lacking = serializers.ListField(child=serializers.CharField())
    targets = serializers.ListField(child=serializers.CharField())
    checks = CheckShape(many=True)
    evaluation = EvaluationShape(allow_null=True)


class ReadinessView(RolloutView):
    """What does the next step still lack?"""

    may = {"GET": May.READ}

    @extend_schema(
        summary="Read a stage's readiness", parameters=[ROLLOUT], responses=Readiness
    )
    def get(self, request: Request, key: str) -> Response:
        stage = stages.find(self.key, key)
        attempt = stages.open_attempt(stage)
        lacking = promotions.lacking(stage)
        latest = evidence.latest(attempt) if attempt else None
        return Response(
            {
                "stage": stage.key,
                "state": stage.state,
                "is_ready": not lacking,
                "lacking": lacking,
                "targets": [each.key for each in promotions.targets(stage)],
                "checks": [asdict(check) for check in readiness.checks(stage)],
                "evaluation": EvaluationShape(latest).data if latest else None,
            }
        )


class Promotion(Because):
    """Where to; the next stage unless an optional one is passed over."""

    to = serializers.CharField(required=False, default="")


class StagePromoteView(RolloutView):
    """Ask to go on to the next stage; another person confirms in the admin."""

    may = {"POST": May.REQUEST_EXPOSURE}

    @extend_schema(
        summary="Ask to promote a stage",
        parameters=[ROLLOUT],
        request=Promotion,
        responses={202: Asked},
        examples=[
            OpenApiExample(
                "Pass over the sandbox",
                {"to": "broad-rollout", "reason": "Proven."},
                request_only=True,
            )
        ],
    )
    @idempotent
    def post(self, request: Request, key: str) -> Response:
        said = self.said(Promotion)
        asked = promotions.request_promotion(
            stages.find(self.key, key).pk,
            by=self.actor,
            reason=said["reason"],
            to=said["to"],
        )
        return Response(Asked(asked).data, status=202)


class StageResumeView(RolloutView):
    """Ask to end a hold; another person confirms in the admin."""

    may = {"POST": May.REQUEST_EXPOSURE}

    @extend_schema(
        summary="Ask to end a hold",
        parameters=[ROLLOUT],
        request=Because,
        responses={202: Asked},
        examples=[REASON_EXAMPLE],
    )
    @idempotent
    def post(self, request: Request, key: str) -> Response:
        said = self.said()
        stage = stages.find(self.key, key)
        asked = stages.request_resume(stage.pk, by=self.actor, reason=said["reason"])
        return Response(Asked(asked).data, status=202)
