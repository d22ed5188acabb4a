"""Falling back: the offer of a run, and taking it."""

from typing import Any

from drf_spectacular.utils import (
    OpenApiExample,
    extend_schema,
)
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.idempotency import idempotent
from portal.domain.roles import May
from rollout.api.rollouts import ROLLOUT, RolloutView
from rollout.models import FallbackOffer
from rollout.services import fallback


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
