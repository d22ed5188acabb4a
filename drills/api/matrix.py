"""The response matrix, and proposals to change it."""

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from drills.domain import baseline
from drills.models import MatrixRow
from drills.services import matrix
from portal.api.idempotency import idempotent
from portal.api.views import Asked, Because, PortalView
from portal.domain.roles import May
from rollout.api.rollouts import REASON_EXAMPLE


class RowShape(serializers.ModelSerializer):
    """From a symptom to diagnosis, trigger, action and artifacts."""

    class Meta:
        model = MatrixRow
        fields = [
            "key",
            "version",
            "is_live",
            "symptom",
            "severity",
            "matches",
            "diagnosis",
            "rollback_trigger",
            "fallback_action",
            "artifacts",
        ]


class MatrixView(PortalView, ListAPIView):
    """Every row, also those that match nothing (any more)."""

    may = {"GET": May.READ}
    serializer_class = RowShape

    @extend_schema(summary="Read the matrix")
    def get(self, request: Request) -> Response:
        return self.list(request)

    def get_queryset(self) -> QuerySet[MatrixRow]:
        return MatrixRow.objects.all()


class RowView(PortalView):
    """One row, as it is now."""

    may = {"GET": May.READ}

    @extend_schema(summary="Read a row of the matrix", responses=RowShape)
    def get(self, request: Request, key: str) -> Response:
        return Response(RowShape(matrix.find(key)).data)


class NewRow(Because):
    """What the row shall say: everything but its key and version."""

    row = serializers.DictField()


class ProposeView(PortalView):
    """Ask for a new row, or another wording; another person approves it."""

    may = {"POST": May.PROPOSE_CHANGE}

    @extend_schema(
        summary="Propose a row",
        request=NewRow,
        responses={202: Asked},
        examples=[
            OpenApiExample(
                "Another wording",
                {
                    "row": baseline.ROWS["sources-blocked"].to_json(),
                    "reason": "One step was missing.",
                },
                request_only=True,
            )
        ],
    )
    @idempotent
    def post(self, request: Request, key: str) -> Response:
        said = self.said(NewRow)
        asked = matrix.propose(key, said["row"], by=self.actor, reason=said["reason"])
        return Response(Asked(asked).data, status=202)


class RetireView(PortalView):
    """Ask for a row to match nothing any more; another person approves it."""

    may = {"POST": May.PROPOSE_CHANGE}

    @extend_schema(
        summary="Propose to retire a row",
        request=Because,
        responses={202: Asked},
        examples=[REASON_EXAMPLE],
    )
    @idempotent
    def post(self, request: Request, key: str) -> Response:
        reason = self.said()["reason"]
        asked = matrix.propose_retirement(key, by=self.actor, reason=reason)
        return Response(Asked(asked).data, status=202)
