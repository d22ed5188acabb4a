"""Going back, and the report on what is there afterwards."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.idempotency import idempotent
from portal.api.views import Because
from portal.domain.roles import May
from portal.errors import WrongMoment
from rollout.api.rollouts import REASON_EXAMPLE, ROLLOUT, RolloutView
from rollout.models import Rollback
from rollout.services import (
    rollbacks,
    stages,
)


class RollbackShape(serializers.ModelSerializer):
    """A rollout went back; `reconciliation` says what is there afterwards."""

    stage = serializers.CharField(source="stage.key")
    attempt = serializers.IntegerField(source="attempt.number")
    to_stage = serializers.CharField(source="to_stage.key", default=None)
    rolled_back_by = serializers.CharField(source="rolled_back_by.name")
    reconciliation = serializers.SerializerMethodField()

    class Meta:
        model = Rollback
        fields = [
            "id",
            "stage",
            "attempt",
            "to_stage",
            "trigger",
            "reason",
            "affected_runs",
            "inventory_digest",
            "rolled_back_by",
            "rolled_back_at",
            "reconciliation",
        ]

    def get_reconciliation(self, rollback: Rollback) -> dict[str, Any] | None:
        found = getattr(rollback, "reconciliation", None)
        if found is None:
            return None
        return {
            "is_clean": found.is_clean,
            "counts": found.counts,
            "missing": found.missing,
            "digest": found.digest,
            "reconciled_at": found.reconciled_at,
        }


_ROLLBACKS = Rollback.objects.select_related(
    "stage", "attempt", "to_stage", "rolled_back_by", "reconciliation"
)


class StageRollbackView(RolloutView):
    """Leave a stage for the last stable one, or for none, at once."""

    may = {"POST": May.ROLL_BACK}

    @extend_schema(
        summary="Roll back a stage",
        parameters=[ROLLOUT],
        request=Because,
        responses=RollbackShape,
        examples=[REASON_EXAMPLE],
    )
    @idempotent
    def post(self, request: Request, key: str) -> Response:
        said = self.said()
        stage = stages.find(self.key, key)
        done = rollbacks.roll_back(stage.pk, by=self.actor, reason=said["reason"])
        if done is None:
            raise WrongMoment(
                "This stage is not open; there is nothing to roll back.",
                state=stage.state,
                possible=[],
            )
        return Response(RollbackShape(_ROLLBACKS.get(pk=done.pk)).data)


class RollbacksView(RolloutView, ListAPIView):
    """Every rollback of a rollout, newest first."""

    may = {"GET": May.READ}
    serializer_class = RollbackShape

    @extend_schema(summary="List rollbacks", parameters=[ROLLOUT])
    def get(self, request: Request) -> Response:
        return self.list(request)

    def get_queryset(self) -> QuerySet[Rollback]:
        return _ROLLBACKS.filter(rollout__key=self.key)
