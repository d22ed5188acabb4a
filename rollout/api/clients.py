"""Clients of the edge say which epoch of the switch they go by."""

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.idempotency import idempotent
from portal.domain.roles import May
from rollout.api.rollouts import ROLLOUT, RolloutView
from rollout.services import clients


class Applied(serializers.Serializer):
    """The newest epoch that a client goes by, and what the client calls itself."""

    epoch = serializers.IntegerField(min_value=0, max_value=2**53 - 1)
    client = serializers.CharField(max_length=clients.LONGEST_NAME)


class Acknowledged(serializers.Serializer):
    """Where the switch stands, and whether the client goes by that."""

    rollout = serializers.CharField()
    state = serializers.CharField()
    epoch = serializers.IntegerField()
    is_current = serializers.BooleanField()


class SwitchAckView(RolloutView):
    """A client has applied an epoch. Evaluating flags says so too, by itself."""

    may = {"POST": May.DECIDE}

    @extend_schema(
        summary="Acknowledge an epoch of the switch",
        parameters=[ROLLOUT],
        request=Applied,
        responses=Acknowledged,
        examples=[
            OpenApiExample(
                "A worker of the research system",
                {"epoch": 7, "client": "worker-3"},
                request_only=True,
            )
        ],
    )
    @idempotent(is_replayed=False)
    def post(self, request: Request) -> Response:
        said = self.said(Applied)
        key = self.key
        found = clients.acknowledge(key, said["epoch"], said["client"], by=self.actor)
        return Response(
            {
                "rollout": key,
                "state": found.state,
                "epoch": found.epoch,
                "is_current": said["epoch"] == found.epoch,
            }
        )
