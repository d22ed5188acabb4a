"""Hard gates that failed, and what they were."""

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.idempotency import idempotent
from portal.api.views import Because
from portal.domain.roles import May
from rollout.api.rollouts import REASON_EXAMPLE, ROLLOUT, RolloutView
from rollout.models import FailureReview
from rollout.services import (
    reviews,
)


class ReviewShape(serializers.ModelSerializer):
    """What a failure was, by somebody who has looked at it."""

    reviewer = serializers.CharField(source="reviewer.name")

    class Meta:
        model = FailureReview
        fields = ["gate", "note", "reviewer", "reviewed_at"]


class ReviewView(RolloutView):
    """Say what a confirmed failure of a hard gate was; the reason stays."""

    may = {"POST": May.WORK_INCIDENT}

    @extend_schema(
        summary="Review a failure",
        parameters=[ROLLOUT],
        request=Because,
        responses={201: ReviewShape},
        examples=[REASON_EXAMPLE],
    )
    @idempotent
    def post(self, request: Request, run_id: str, gate: str) -> Response:
        made = reviews.review_failure(
            self.key, run_id, gate, by=self.actor, reason=self.said()["reason"]
        )
        return Response(ReviewShape(made).data, status=201)
