"""Which workflow does this run get?"""

from dataclasses import asdict
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    extend_schema,
    extend_schema_field,
)
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.idempotency import idempotent
from portal.api.views import PortalView
from portal.domain.roles import May
from portal.errors import Conflict, NotAllowed
from portal.services.access import require
from rollout.api.rollouts import ROLLOUT, RolloutView
from rollout.domain.flags import without_credentials
from rollout.models import Decision
from rollout.services import decisions, explanations
from rollout.services.metrics import DECISIONS


class Question(serializers.Serializer):
    """What the caller knows. Further attributes can be sent; rules may look at them."""

    run_id = serializers.CharField()
    rollout = serializers.CharField(required=False)
    targetingKey = serializers.CharField(required=False)
    team = serializers.CharField(required=False)
    mode = serializers.CharField(required=False)
    query_class = serializers.CharField(required=False)
    sensitivity = serializers.CharField(required=False)
    environment = serializers.CharField(required=False)


class DecisionShape(serializers.ModelSerializer):
    """The answer, and what it rests on."""

    decision_id = serializers.UUIDField(source="id")
    rollout = serializers.CharField(source="rollout.key")
    stage = serializers.SerializerMethodField()
    snapshot = serializers.SerializerMethodField()

    class Meta:
        model = Decision
        fields = [
            "decision_id",
            "rollout",
            "run_id",
            "workflow",
            "reason",
            "stage",
            "flags",
            "constraints",
            "bucket",
            "snapshot",
            "inputs_digest",
            "is_override",
            "decided_at",
        ]

    def get_stage(self, decision: Decision) -> str | None:
        return decision.stage_key or None

    def get_snapshot(self, decision: Decision) -> dict[str, Any]:
        snapshot = decision.snapshot
        return {
            "revision": snapshot.revision,
            "digest": snapshot.digest,
            "epoch": snapshot.epoch,
        }


class DecisionsView(RolloutView):
    """A run that asks again gets its recorded decision, unless the switch is engaged
    or the run has ended; other inputs for a known run are 409 DECISION_CONFLICT."""

    may = {"POST": May.DECIDE}

    @extend_schema(
        summary="Decide for a run",
        parameters=[ROLLOUT],
        request=Question,
        responses=DecisionShape,
        examples=[
            OpenApiExample(
                "An offline run of a canary team",
                {
                    "run_id": "run-1",
                    "team": "alpha",
                    "mode": "standard",
                    "query_class": "fixture_replay",
                    "sensitivity": "no_web",
                },
                request_only=True,
            )
        ],
    )
    @idempotent(is_replayed=False)
    def post(self, request: Request) -> Response:
        asked = dict(request.data)
        named = asked.pop("rollout", None)
        if named is not None and named != self.key:
            raise NotAllowed(
                f"This is asked of {self.key}, not of {named}.", code="WRONG_ROLLOUT"
            )
        decision = decisions.decide_for(
            self.key, asked, by=self.actor, reason="a run asked"
        )
        DECISIONS.labels(decision.reason).inc()
        return Response(DecisionShape(decision).data)


class DecisionToRead(DecisionShape):
    """A decision for whoever only reads: addresses without their credentials."""

    flags = serializers.SerializerMethodField()

    @extend_schema_field(OpenApiTypes.OBJECT)
    def get_flags(self, decision: Decision) -> Any:
        return without_credentials(decision.flags)


class Step(serializers.Serializer):
    """One thing that was looked at."""

    check = serializers.CharField()
    says = serializers.CharField()
    outcome = serializers.CharField()


class DecisionView(PortalView):
    """One decision."""

    may = {"GET": May.READ}

    def found(self, decision_id: str) -> Decision:
        """The decision, if the caller may read its rollout."""
        decision = decisions.find(decision_id)
        require(self.actor, May.READ, rollout=decision.rollout.key)
        return decision

    @extend_schema(summary="Read a decision", responses=DecisionToRead)
    def get(self, request: Request, decision_id: str) -> Response:
        return Response(DecisionToRead(self.found(decision_id)).data)


class ExplainView(DecisionView):
    """Why it was decided so, step by step."""

    @extend_schema(
        summary="Explain a decision",
        parameters=[
            OpenApiParameter("flag", str, description="Why this flag had its value.")
        ],
        responses=Step(many=True),
    )
    def get(self, request: Request, decision_id: str) -> Response:
        flag = request.query_params.get("flag", "")
        found = self.found(decision_id)
        return Response(explanations.of_decision(found, flag=flag))


class Trial(serializers.Serializer):
    """A context, and the moment to try it at."""

    context = serializers.DictField()
    at = serializers.DateTimeField(required=False, help_text="Now, unless given.")
    flag = serializers.CharField(required=False, default="")


class TriedShape(serializers.Serializer):
    """What the context would get, and why; nothing was recorded."""

    revision = serializers.IntegerField(source="snapshot.revision")
    snapshot = serializers.CharField(source="snapshot.digest")
    workflow = serializers.CharField(source="answer.workflow")
    reason = serializers.CharField(source="answer.reason")
    stage = serializers.CharField(source="answer.stage", allow_null=True)
    bucket = serializers.IntegerField(source="answer.bucket", allow_null=True)
    flags = serializers.SerializerMethodField()
    steps = Step(many=True)
    flag_steps = Step(many=True)

    @extend_schema_field(OpenApiTypes.OBJECT)
    def get_flags(self, tried: explanations.Tried) -> Any:
        return without_credentials(tried.answer.flags)


class TryView(RolloutView):
    """What would a context get, now or then? Nothing is recorded."""

    may = {"POST": May.READ}

    @extend_schema(
        summary="Try a context",
        parameters=[ROLLOUT],
        request=Trial,
        responses=TriedShape,
        examples=[
            OpenApiExample(
                "Why so many agents?",
                {
                    "context": {"team": "alpha", "mode": "deep"},
                    "flag": "PAI_DR_CLI_MAX_WAVE1_AGENTS",
                },
                request_only=True,
            )
        ],
    )
    def post(self, request: Request) -> Response:
        said = self.said(Trial)
        tried = explanations.try_context(
            self.key, said["context"], at=said.get("at"), flag=said["flag"]
        )
        return Response(TriedShape(tried).data)


class Replayed(serializers.Serializer):
    """Whether the decision comes out the same today."""

    is_same = serializers.BooleanField()


class ReplayView(DecisionView):
    """Decide again, from the recorded snapshot and context."""

    @extend_schema(summary="Replay a decision", responses=Replayed)
    def get(self, request: Request, decision_id: str) -> Response:
        difference = decisions.replay(self.found(decision_id))
        if difference is not None:
            raise Conflict(
                "This decision comes out differently now.",
                code="REPLAY_DIFFERS",
                difference=asdict(difference),
            )
        return Response({"is_same": True})
