"""What the views of the API share, and those of what every part shares."""

from collections.abc import Iterable
from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.domain.roles import May
from portal.errors import Invalid
from portal.models import Actor, ActorKind, Approval
from portal.services.access import grants_of


class Because(serializers.Serializer):
    """An act needs a reason; it is in the ledger for ever."""

    reason = serializers.CharField(max_length=2000)


class PortalView(APIView):
    """A view that says which act each of its methods stands for."""

    may: ClassVar[dict[str, May]] = {}

    @property
    def actor(self) -> Actor:
        """Who is calling."""
        return self.request.user

    def said(self, serializer: type[serializers.Serializer] = Because) -> dict:
        """The validated body."""
        asked = serializer(data=self.request.data)
        asked.is_valid(raise_exception=True)
        return asked.validated_data

    def chosen(self, name: str, choices: Iterable[str]) -> str:
        """What `?name=` chooses, or an empty text; `Invalid` says what it can be."""
        known = [str(each) for each in choices]
        said = self.request.query_params.get(name, "")
        if said and said not in known:
            raise Invalid(
                f"{name} is one of {', '.join(known)}.",
                errors=[
                    {"pointer": f"/{name}", "detail": f"is one of {', '.join(known)}"}
                ],
            )
        return said


class Me(serializers.Serializer):
    """The caller, as the portal sees it."""

    name = serializers.CharField()
    kind = serializers.CharField()
    rollout = serializers.CharField(allow_null=True)
    scopes = serializers.ListField(child=serializers.CharField())
    roles = serializers.ListField(child=serializers.CharField())
    may = serializers.ListField(child=serializers.CharField())


class MeView(PortalView):
    """Who am I, and what may I do?"""

    may = {"GET": May.READ}

    @extend_schema(summary="Who am I", responses=Me)
    def get(self, request: Request) -> Response:
        actor = self.actor
        is_token = actor.kind == ActorKind.TOKEN
        return Response(
            {
                "name": actor.name,
                "kind": actor.kind,
                "rollout": (actor.token.rollout or None) if is_token else None,
                "scopes": actor.token.scopes if is_token else [],
                "roles": [] if is_token else sorted(actor.person.roles),
                "may": sorted(grants_of(actor)),
            }
        )


class Asked(serializers.ModelSerializer):
    """A request that takes a second person."""

    requester = serializers.CharField(source="requester.name")
    decider = serializers.CharField(source="decider.name", default=None)

    class Meta:
        model = Approval
        fields = [
            "id",
            "act",
            "subject_type",
            "subject_id",
            "subject_name",
            "payload",
            "digest",
            "state",
            "reason",
            "requester",
            "requested_at",
            "expires_at",
            "decider",
            "decided_at",
            "decision_reason",
        ]


class ApprovalsView(ListAPIView):
    """What somebody asked for; it is confirmed in the admin, by somebody else."""

    may = {"GET": May.READ}
    serializer_class = Asked
    queryset = Approval.objects.select_related("requester", "decider")

    @extend_schema(summary="Read requests for approval")
    def get(self, request: Request) -> Response:
        return self.list(request)
