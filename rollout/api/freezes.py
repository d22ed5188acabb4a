"""Freezes, and who is on call."""

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.idempotency import idempotent
from portal.api.views import Because
from portal.domain.roles import May
from portal.errors import NotFound
from rollout.api.rollouts import REASON_EXAMPLE, ROLLOUT, RolloutView
from rollout.domain.freezes import Scope
from rollout.models import Freeze, OnCall
from rollout.services import freezes, rollouts


class FreezeShape(serializers.ModelSerializer):
    """A time in which nothing is exposed to more."""

    owner = serializers.CharField(source="owner.name")

    class Meta:
        model = Freeze
        fields = [
            "id",
            "scope",
            "reason",
            "owner",
            "begun_at",
            "expires_at",
            "lifted_at",
        ]


class NewFreeze(Because):
    """What is frozen, until when."""

    scope = serializers.ChoiceField(choices=[str(each) for each in Scope])
    expires_at = serializers.DateTimeField()


class FreezesView(RolloutView, ListAPIView):
    """Freezes, newest first. Going towards safety is never frozen."""

    may = {"GET": May.READ, "POST": May.HOLD}
    serializer_class = FreezeShape

    @extend_schema(summary="List freezes", parameters=[ROLLOUT])
    def get(self, request: Request) -> Response:
        return self.list(request)

    def get_queryset(self) -> QuerySet[Freeze]:
        found = Freeze.objects.filter(rollout__key=self.key)
        return found.select_related("owner")

    @extend_schema(
        summary="Freeze",
        parameters=[ROLLOUT],
        request=NewFreeze,
        responses={201: FreezeShape},
        examples=[
            OpenApiExample(
                "Over the holidays",
                {
                    "scope": "expansion",
                    "expires_at": "2030-01-02T08:00:00Z",
                    "reason": "Nobody is here.",
                },
                request_only=True,
            )
        ],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        said = self.said(NewFreeze)
        made = freezes.freeze(
            self.key,
            Scope(said["scope"]),
            said["expires_at"],
            by=self.actor,
            reason=said["reason"],
        )
        return Response(FreezeShape(made).data, status=201)


class LiftView(RolloutView):
    """End a freeze early: its owner, an architect or QA."""

    may = {"POST": May.HOLD}

    @extend_schema(
        summary="Lift a freeze",
        parameters=[ROLLOUT],
        request=Because,
        responses=FreezeShape,
        examples=[REASON_EXAMPLE],
    )
    @idempotent
    def post(self, request: Request, freeze_id: int) -> Response:
        if not Freeze.objects.filter(pk=freeze_id, rollout__key=self.key).exists():
            raise NotFound(f"There is no freeze {freeze_id}.")
        lifted = freezes.lift(freeze_id, by=self.actor, reason=self.said()["reason"])
        return Response(FreezeShape(lifted).data)


class OnCallShape(serializers.ModelSerializer):
    """Somebody is on call, until then."""

    person = serializers.CharField(source="person.username")

    class Meta:
        model = OnCall
        fields = ["person", "confirmed_at", "until"]


class OnCallView(RolloutView):
    """Who is on call now; and confirm that you are, for a day."""

    may = {"GET": May.READ, "POST": May.WORK_INCIDENT}

    @extend_schema(
        summary="Read who is on call",
        parameters=[ROLLOUT],
        responses=OnCallShape(many=True),
    )
    def get(self, request: Request) -> Response:
        found = freezes.on_call_now(rollouts.find(self.key).pk)
        return Response(OnCallShape(found, many=True).data)

    @extend_schema(
        summary="Confirm to be on call",
        parameters=[ROLLOUT],
        request=Because,
        responses={201: OnCallShape},
        examples=[REASON_EXAMPLE],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        said = self.said()
        made = freezes.confirm_on_call(self.key, by=self.actor, reason=said["reason"])
        return Response(OnCallShape(made).data, status=201)
