"""Falling back: the offer of a run, and taking it."""

from http import HTTPStatus
from typing import Any

from drf_spectacular.utils import (
    OpenApiExample,
    extend_schema,
    extend_schema_field,
)
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.idempotency import idempotent
from portal.domain.roles import May
from rollout.api.rollouts import ROLLOUT, RolloutView
from rollout.domain.fallback import Means
from rollout.models import FallbackOffer, Routing
from rollout.services import fallback


class RoutingShape(serializers.ModelSerializer):
    """Who sent the run's request to the standard workflow, when, and how."""

    taken_by = serializers.CharField(source="taken_by.name")

    class Meta:
        model = Routing
        fields = [
            "workflow",
            "standard_run_id",
            "means",
            "reason",
            "taken_at",
            "taken_by",
        ]


class OfferShape(serializers.ModelSerializer):
    """The way back to the standard workflow."""

    run_id = serializers.CharField(source="run.run_id")
    summary = serializers.SerializerMethodField()
    routing = serializers.SerializerMethodField()

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
            "routing",
        ]

    def get_summary(self, offer: FallbackOffer) -> dict[str, Any] | None:
        if offer.summary is None:
            return None
        return {
            "path": offer.summary.path,
            "version": offer.summary.version,
            "digest": offer.summary.digest,
        }

    @extend_schema_field(RoutingShape(allow_null=True))
    def get_routing(self, offer: FallbackOffer) -> dict[str, Any] | None:
        taken = Routing.objects.select_related("taken_by").filter(offer=offer).first()
        return RoutingShape(taken).data if taken else None


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


class Taking(serializers.Serializer):
    """Why, and which run takes over, if that is known yet."""

    reason = serializers.CharField(max_length=2000, required=False, default="")
    standard_run_id = serializers.CharField(
        max_length=200, required=False, default="", allow_blank=True
    )


class TakeFallbackView(RolloutView):
    """The request of the run goes to the standard workflow: recorded once.

    201 when this took the offer, 200 with the same answer afterwards.
    """

    may = {"POST": May.TAKE_FALLBACK}

    @extend_schema(
        summary="Take the fallback offer",
        parameters=[ROLLOUT],
        request=Taking,
        responses={200: OfferShape, 201: OfferShape},
        examples=[
            OpenApiExample(
                "With the run that takes over",
                {"standard_run_id": "standard-7", "reason": "Gate B failed."},
                request_only=True,
            )
        ],
    )
    @idempotent
    def post(self, request: Request, run_id: str) -> Response:
        said = self.said(Taking)
        routing, is_news = fallback.take(
            self.key,
            run_id,
            means=Means.API,
            by=self.actor,
            reason=said["reason"] or "The standard workflow takes over.",
            standard_run_id=said["standard_run_id"],
        )
        status = HTTPStatus.CREATED if is_news else HTTPStatus.OK
        return Response(OfferShape(routing.offer).data, status=status)
