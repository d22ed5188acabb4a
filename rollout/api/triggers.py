"""Triggers, and what they fired about."""

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from portal.domain.roles import May
from rollout.api.rollouts import ROLLOUT, RolloutView
from rollout.models import Trigger, TriggerFiring
from rollout.services import rollouts


class TriggerShape(serializers.ModelSerializer):
    """A trigger: what it looks at, from when on, and what it does."""

    class Meta:
        model = Trigger
        fields = [
            "key",
            "kind",
            "description",
            "action",
            "cooldown_s",
            "is_dry_run",
            "threshold",
            "at_least",
            "window_s",
        ]


class TriggersView(RolloutView):
    """The triggers that count now; they are edited as a part of the configuration."""

    may = {"GET": May.READ}

    @extend_schema(
        summary="List triggers",
        parameters=[ROLLOUT],
        responses=TriggerShape(many=True),
    )
    def get(self, request: Request) -> Response:
        live = rollouts.find(self.key).triggers.filter(is_live=True)
        return Response(TriggerShape(live, many=True).data)


class FiringShape(serializers.ModelSerializer):
    """A trigger fired about a subject, and what came of it."""

    trigger = serializers.CharField(source="trigger.key")
    stage = serializers.CharField(source="stage.key")
    attempt = serializers.IntegerField(source="attempt.number")
    run_id = serializers.CharField(source="run.run_id", default=None)
    evaluation = serializers.IntegerField(source="evaluation_id", allow_null=True)

    class Meta:
        model = TriggerFiring
        fields = [
            "id",
            "trigger",
            "trigger_digest",
            "stage",
            "attempt",
            "subject",
            "run_id",
            "evaluation",
            "says",
            "facts",
            "action",
            "outcome",
            "at",
        ]


FILTERS = {"trigger": "trigger__key", "run_id": "run__run_id", "outcome": "outcome"}


class FiringsView(RolloutView, ListAPIView):
    """When triggers fired, newest first."""

    may = {"GET": May.READ}
    serializer_class = FiringShape

    @extend_schema(
        summary="List trigger firings",
        parameters=[
            ROLLOUT,
            *(
                OpenApiParameter(name, str, description=f"Only those of this {name}.")
                for name in FILTERS
            ),
        ],
    )
    def get(self, request: Request) -> Response:
        return self.list(request)

    def get_queryset(self) -> QuerySet[TriggerFiring]:
        wanted = {
            field: value
            for name, field in FILTERS.items()
            if (value := self.request.query_params.get(name))
        }
        return TriggerFiring.objects.filter(
            trigger__rollout__key=self.key, **wanted
        ).select_related("trigger", "stage", "attempt", "run")
