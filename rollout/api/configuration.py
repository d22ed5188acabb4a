"""The configuration as a whole, and the revisions of what decided."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.etags import conditional, etag
from portal.api.views import PortalView
from portal.domain.roles import May
from portal.errors import Invalid
from rollout.api.rollouts import ROLLOUT, RolloutView
from rollout.domain import configuration as configurations
from rollout.domain.configuration_schema import SCHEMA
from rollout.domain.flags import without_credentials
from rollout.models import Snapshot
from rollout.services import configuration, rollouts, snapshots


class ConfigurationView(RolloutView):
    """Flags, segments, plans and coverage in one document, to be imported elsewhere.

    It holds addresses with their credentials, so it is for whoever may propose changes.
    """

    may = {"GET": May.PROPOSE_CHANGE}

    @extend_schema(
        summary="Export the configuration",
        parameters=[ROLLOUT],
        responses={200: SCHEMA},
    )
    def get(self, request: Request) -> Response:
        document = configuration.read(rollouts.find(self.key))
        current = etag(configurations.digest(document))
        return conditional(request, Response(document), current)


class ConfigurationSchemaView(PortalView):
    """The JSON Schema of an exported configuration."""

    may = {"GET": May.READ}

    @extend_schema(
        summary="Read the configuration's schema",
        responses={200: OpenApiTypes.OBJECT},
    )
    def get(self, request: Request) -> Response:
        return Response(SCHEMA)


class SnapshotShape(serializers.ModelSerializer):
    """What decided from a moment on."""

    rollout = serializers.CharField(source="rollout.key")
    created_by = serializers.CharField(source="created_by.name")

    class Meta:
        model = Snapshot
        fields = [
            "rollout",
            "revision",
            "epoch",
            "digest",
            "reason",
            "created_by",
            "created_at",
        ]


class SnapshotsView(RolloutView, ListAPIView):
    """The revisions of what decides, newest first."""

    may = {"GET": May.READ}
    serializer_class = SnapshotShape

    @extend_schema(summary="List snapshots", parameters=[ROLLOUT])
    def get(self, request: Request) -> Response:
        return self.list(request)

    def get_queryset(self) -> QuerySet[Snapshot]:
        return Snapshot.objects.filter(rollout__key=self.key).select_related(
            "rollout", "created_by"
        )


class Comparison(serializers.Serializer):
    """Where two revisions differ."""

    path = serializers.CharField()
    before = serializers.JSONField(required=False, allow_null=True)
    after = serializers.JSONField(required=False, allow_null=True)


class CompareView(RolloutView):
    """What is different between two revisions."""

    may = {"GET": May.READ}

    @extend_schema(
        summary="Compare two snapshots",
        parameters=[
            ROLLOUT,
            OpenApiParameter("old", int, required=True, description="A revision."),
            OpenApiParameter("new", int, required=True, description="Another one."),
        ],
        responses=Comparison(many=True),
    )
    def get(self, request: Request) -> Response:
        rollout = rollouts.find(self.key)
        old, new = (_revision(request, name) for name in ("old", "new"))
        edits = snapshots.compare(rollout, old, new)
        found: list[dict[str, Any]] = [edit.to_json() for edit in edits]
        return Response(without_credentials(found))


def _revision(request: Request, name: str) -> int:
    said = request.query_params.get(name, "")
    if not (said.isascii() and said.isdigit() and len(said) < 10):
        raise Invalid(
            f"{name} is the number of a revision.",
            errors=[{"pointer": f"/{name}", "detail": "is a whole number"}],
        )
    return int(said)
