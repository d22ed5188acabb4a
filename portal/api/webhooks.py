"""Endpoints of notifications, what they were told, and telling them again."""

from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.etags import check_if_match, conditional, etag
from portal.api.idempotency import idempotent
from portal.api.views import Because, PortalView
from portal.domain.notifications import DeliveryState, EndpointKind, Severity
from portal.domain.roles import May
from portal.errors import NotFound
from portal.models import Delivery, DeliveryAttempt, Endpoint
from portal.services import endpoints, notifications

IF_MATCH = OpenApiParameter("If-Match", str, OpenApiParameter.HEADER, required=True)
REASON_EXAMPLE = OpenApiExample(
    "Why", {"reason": "The receiver has moved."}, request_only=True
)


class EndpointShape(serializers.ModelSerializer):
    """Somebody who is told of events; of the address only what may be shown."""

    class Meta:
        model = Endpoint
        fields = [
            "id",
            "name",
            "kind",
            "state",
            "shown",
            "events",
            "rollout",
            "at_least",
            "because",
            "created_at",
            "failing_since",
            "failures",
            "rests_until",
            "old_secret_until",
        ]


class EndpointWithSecret(EndpointShape):
    """The same with its secret, which is shown this once; null if it has none."""

    secret = serializers.CharField(read_only=True, allow_null=True)

    class Meta(EndpointShape.Meta):
        fields = [*EndpointShape.Meta.fields, "secret"]


class EndpointEdit(Because):
    """What is given is changed."""

    name = serializers.CharField(max_length=100, required=False)
    target = serializers.CharField(
        max_length=2000, required=False, help_text="A URL, or an e-mail address."
    )
    events = serializers.ListField(
        child=serializers.CharField(max_length=80),
        required=False,
        help_text="Names of events, `family.*`, or `*`.",
    )
    rollout = serializers.CharField(
        max_length=100,
        required=False,
        allow_blank=True,
        help_text="Only what is about this rollout.",
    )
    at_least = serializers.ChoiceField(
        choices=[str(each) for each in Severity], required=False
    )

    def validate(self, said: dict[str, Any]) -> dict[str, Any]:
        if "at_least" in said:
            said["at_least"] = Severity(said["at_least"])
        return said


class NewEndpoint(EndpointEdit):
    """Whom to tell, and of what."""

    name = serializers.CharField(max_length=100)
    kind = serializers.ChoiceField(
        choices=[str(each) for each in EndpointKind], default=str(EndpointKind.WEBHOOK)
    )


class WebhooksView(PortalView, ListAPIView):
    """Endpoints, newest first."""

    may = {"GET": May.READ, "POST": May.MANAGE_ENDPOINTS}
    serializer_class = EndpointShape
    queryset = Endpoint.objects.all()

    @extend_schema(summary="List webhooks and other endpoints")
    def get(self, request: Request) -> Response:
        return self.list(request)

    @extend_schema(
        summary="Tell somebody of events",
        description=(
            "The answer holds the secret of a webhook, this once: the same request "
            "again is answered without it."
        ),
        request=NewEndpoint,
        responses={201: EndpointWithSecret},
        examples=[
            OpenApiExample(
                "A webhook",
                {
                    "name": "pager",
                    "target": "https://hooks.example.com/portal",
                    "events": ["switch.*", "stage.rolled_back"],
                    "at_least": "warning",
                    "reason": "The pager shall ring.",
                },
                request_only=True,
            ),
            OpenApiExample(
                "E-mail to those who can confirm",
                {
                    "name": "approvers",
                    "kind": "approvers",
                    "events": ["approval.requested"],
                    "reason": "Requests shall not wait.",
                },
                request_only=True,
            ),
        ],
    )
    @idempotent(forgets=("secret",))
    def post(self, request: Request) -> Response:
        said = self.said(NewEndpoint)
        kind = EndpointKind(said.pop("kind"))
        made = endpoints.create(said.pop("name"), kind, by=self.actor, **said)
        return Response(_with_secret(made), status=201)


class WebhookView(PortalView):
    """One endpoint; an edit names the version that it edits."""

    may = {"GET": May.READ, "PATCH": May.MANAGE_ENDPOINTS}

    @extend_schema(summary="Read an endpoint", responses=EndpointShape)
    def get(self, request: Request, endpoint_id: int) -> Response:
        found = endpoints.find(endpoint_id)
        answer = Response(EndpointShape(found).data)
        return conditional(request, answer, etag(found.version))

    @extend_schema(
        summary="Edit an endpoint",
        parameters=[IF_MATCH],
        request=EndpointEdit,
        responses=EndpointShape,
        examples=[
            OpenApiExample(
                "Fewer events",
                {"events": ["switch.*"], "reason": "The rest is noise."},
                request_only=True,
            )
        ],
    )
    def patch(self, request: Request, endpoint_id: int) -> Response:
        said = self.said(EndpointEdit)
        with transaction.atomic():
            check_if_match(request, etag(endpoints.locked(endpoint_id).version))
            edited = endpoints.edit(endpoint_id, by=self.actor, **said)
        answer = Response(EndpointShape(edited).data)
        answer["ETag"] = etag(edited.version)
        return answer


class _ActView(PortalView):
    """An act on an endpoint, with a reason."""

    may = {"POST": May.MANAGE_ENDPOINTS}


class DisableView(_ActView):
    """Tell it nothing more; what waits for it is dropped."""

    @extend_schema(
        summary="Disable an endpoint",
        request=Because,
        responses=EndpointShape,
        examples=[REASON_EXAMPLE],
    )
    @idempotent
    def post(self, request: Request, endpoint_id: int) -> Response:
        reason = self.said()["reason"]
        done = endpoints.disable(endpoint_id, by=self.actor, reason=reason)
        return Response(EndpointShape(done).data)


class EnableView(_ActView):
    """Tell it of what happens from now on."""

    @extend_schema(
        summary="Enable an endpoint",
        request=Because,
        responses=EndpointShape,
        examples=[REASON_EXAMPLE],
    )
    @idempotent
    def post(self, request: Request, endpoint_id: int) -> Response:
        reason = self.said()["reason"]
        done = endpoints.enable(endpoint_id, by=self.actor, reason=reason)
        return Response(EndpointShape(done).data)


class RotateSecretView(_ActView):
    """A new secret; for another day the old one signs as well."""

    @extend_schema(
        summary="Rotate the secret of a webhook",
        request=Because,
        responses=EndpointWithSecret,
        examples=[REASON_EXAMPLE],
    )
    @idempotent(forgets=("secret",))
    def post(self, request: Request, endpoint_id: int) -> Response:
        reason = self.said()["reason"]
        made = endpoints.rotate_secret(endpoint_id, by=self.actor, reason=reason)
        return Response(_with_secret(made))


class TestView(_ActView):
    """Send it a message that means nothing."""

    @extend_schema(
        summary="Test an endpoint",
        request=Because,
        responses={202: None},
        examples=[REASON_EXAMPLE],
    )
    @idempotent
    def post(self, request: Request, endpoint_id: int) -> Response:
        reason = self.said()["reason"]
        sent = endpoints.test(endpoint_id, by=self.actor, reason=reason)
        return Response({"webhook_id": str(sent.uuid)}, status=202)


class AttemptShape(serializers.ModelSerializer):
    """One attempt, and what came of it."""

    class Meta:
        model = DeliveryAttempt
        fields = ["number", "at", "took_ms", "status", "says"]


class DeliveryShape(serializers.ModelSerializer):
    """One notification for one endpoint, with its newest attempts."""

    webhook_id = serializers.UUIDField(source="notification.uuid")
    event = serializers.CharField(source="notification.event")
    log = AttemptShape(many=True)

    class Meta:
        model = Delivery
        fields = [
            "id",
            "webhook_id",
            "event",
            "state",
            "attempts",
            "created_at",
            "next_at",
            "finished_at",
            "status",
            "says",
            "log",
        ]


class DeliveriesView(PortalView, ListAPIView):
    """What an endpoint was told, or is to be told; newest first."""

    may = {"GET": May.READ}
    serializer_class = DeliveryShape

    @extend_schema(
        summary="List the deliveries to an endpoint",
        parameters=[
            OpenApiParameter("state", str, enum=[str(state) for state in DeliveryState])
        ],
    )
    def get(self, request: Request, endpoint_id: int) -> Response:
        endpoints.find(endpoint_id)
        return self.list(request)

    def get_queryset(self) -> QuerySet[Delivery]:
        found = (
            Delivery.objects.filter(endpoint_id=self.kwargs["endpoint_id"])
            .select_related("notification")
            .prefetch_related("log")
        )
        if state := self.chosen("state", DeliveryState):
            found = found.filter(state=state)
        return found


class RedeliverView(PortalView):
    """Send it again, with the same id."""

    may = {"POST": May.REDELIVER}

    @extend_schema(
        summary="Deliver again",
        request=Because,
        responses={202: DeliveryShape},
        examples=[REASON_EXAMPLE],
    )
    @idempotent
    def post(self, request: Request, endpoint_id: int, delivery_id: int) -> Response:
        known = Delivery.objects.filter(pk=delivery_id, endpoint_id=endpoint_id)
        if not known.exists():
            raise NotFound(f"There is no delivery {delivery_id} to this endpoint.")
        reason = self.said()["reason"]
        again = notifications.redeliver(delivery_id, by=self.actor, reason=reason)
        return Response(DeliveryShape(again).data, status=202)


def _with_secret(made: endpoints.NewSecret) -> dict[str, Any]:
    return {**EndpointShape(made.endpoint).data, "secret": made.secret or None}
