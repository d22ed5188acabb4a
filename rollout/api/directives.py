"""What the portal asks of runs: issued by people and tools, followed by runs."""

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.idempotency import idempotent
from portal.api.views import Because
from portal.domain.roles import May
from rollout.api.rollouts import ROLLOUT, RolloutView
from rollout.domain.directives import DirectiveKind
from rollout.models import Broadcast, Directive
from rollout.services import broadcasts, directives

WAIT = OpenApiParameter(
    "wait",
    int,
    description="Seconds to wait for a directive when there is none, 0 to 30.",
)


class DirectiveShape(serializers.ModelSerializer):
    """Something asked of a run; it is sent again until it is acknowledged."""

    run_id = serializers.CharField(source="run.run_id")

    class Meta:
        model = Directive
        fields = [
            "id",
            "run_id",
            "kind",
            "state",
            "reason",
            "issued_at",
            "due_at",
            "ended_at",
            "revision",
            "proof",
            "overdue_at",
        ]


class Directives(serializers.Serializer):
    """What is asked now."""

    directives = DirectiveShape(many=True)


class Asking(Because):
    """What to ask, and why."""

    kind = serializers.ChoiceField([str(kind) for kind in DirectiveKind])


class RunDirectivesView(RolloutView):
    """What is asked of a run.

    A run asks with `wait=30` again and again, follows at its next checkpoint, reports
    the manifest that shows it, and acknowledges. For a token of a run that is not known
    yet nothing is asked: polling may begin before the first report.
    """

    may = {"GET": May.READ_DIRECTIVES, "POST": May.DIRECT_RUN}

    @extend_schema(
        summary="Read what is asked of a run",
        parameters=[ROLLOUT, WAIT],
        responses=Directives,
    )
    def get(self, request: Request, run_id: str) -> Response:
        pending = directives.pending(self.key, run_id)
        return Response({"directives": DirectiveShape(pending, many=True).data})

    @extend_schema(
        summary="Ask something of a run",
        parameters=[ROLLOUT],
        request=Asking,
        responses={201: DirectiveShape},
        examples=[
            OpenApiExample(
                "Pause",
                {"kind": "pause", "reason": "The provider is being repaired."},
                request_only=True,
            )
        ],
    )
    @idempotent
    def post(self, request: Request, run_id: str) -> Response:
        said = self.said(Asking)
        directive = directives.issue(
            self.key, run_id, said["kind"], by=self.actor, reason=said["reason"]
        )
        return Response(DirectiveShape(directive).data, status=201)


class BroadcastShape(serializers.ModelSerializer):
    """One thing asked of all open runs of a scope, and how far that has come."""

    rollout = serializers.CharField(source="rollout.key")
    asked_by = serializers.CharField(source="asked_by.name")

    class Meta:
        model = Broadcast
        fields = [
            "id",
            "rollout",
            "kind",
            "scope",
            "reason",
            "asked_at",
            "asked_by",
            "directed",
            "done_at",
        ]


class AskedOfAll(Directives):
    """What is asked of the first runs; the broadcast goes on with the others."""

    broadcast = BroadcastShape()


class AskingAll(Asking):
    """What to ask of every open run in a scope; an empty scope is the rollout."""

    scope = serializers.DictField(child=serializers.CharField(), default=dict)


class DirectivesView(RolloutView):
    """What is asked of the open runs of a rollout."""

    may = {"GET": May.READ_DIRECTIVES, "POST": May.DIRECT_RUN}

    @extend_schema(
        summary="Read what is asked of all runs",
        parameters=[ROLLOUT, WAIT],
        responses=Directives,
    )
    def get(self, request: Request) -> Response:
        pending = directives.all_pending(self.key)
        return Response({"directives": DirectiveShape(pending, many=True).data})

    @extend_schema(
        summary="Ask something of all runs in a scope",
        parameters=[ROLLOUT],
        request=AskingAll,
        responses={201: AskedOfAll},
        examples=[
            OpenApiExample(
                "Pause a team's runs",
                {
                    "kind": "pause",
                    "scope": {"team": "alpha"},
                    "reason": "The provider is being repaired.",
                },
                request_only=True,
            )
        ],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        said = self.said(AskingAll)
        broadcast, issued = broadcasts.ask_all(
            self.key,
            said["kind"],
            said["scope"],
            by=self.actor,
            reason=said["reason"],
        )
        shapes = {
            "broadcast": BroadcastShape(broadcast).data,
            "directives": DirectiveShape(issued, many=True).data,
        }
        return Response(shapes, status=201)


class BroadcastView(RolloutView):
    """How far a directive to all runs of a scope has come."""

    may = {"GET": May.READ_DIRECTIVES}

    @extend_schema(
        summary="Read a broadcast", parameters=[ROLLOUT], responses=BroadcastShape
    )
    def get(self, request: Request, broadcast_id: int) -> Response:
        return Response(BroadcastShape(broadcasts.find(broadcast_id, self.key)).data)


class Followed(serializers.Serializer):
    """The revision of the manifest that shows that the run has followed."""

    revision = serializers.IntegerField(min_value=0, required=False, allow_null=True)


class AcknowledgeView(RolloutView):
    """The run has followed; a directive that is over is 409 DIRECTIVE_STALE."""

    may = {"POST": May.READ_DIRECTIVES}

    @extend_schema(
        summary="Acknowledge a directive",
        parameters=[ROLLOUT],
        request=Followed,
        responses=DirectiveShape,
        examples=[
            OpenApiExample("Followed", {"revision": 7}, request_only=True),
        ],
    )
    @idempotent
    def post(self, request: Request, run_id: str, directive_id: str) -> Response:
        directive = directives.acknowledge(
            self.key,
            run_id,
            directive_id,
            revision=self.said(Followed).get("revision"),
            by=self.actor,
            reason="the run followed",
        )
        return Response(DirectiveShape(directive).data)
