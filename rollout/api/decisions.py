"""Which workflow does this run get?"""

from dataclasses import asdict
from typing import Any, ClassVar

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
from rollout.domain.contexts import LONGEST_RUN_ID, RUN_ID
from rollout.domain.decisions import Reason
from rollout.domain.flags import without_credentials
from rollout.domain.schemas import MODES, SENSITIVITIES
from rollout.models import Decision
from rollout.services import decisions, explanations
from rollout.services.metrics import DECISIONS

REASONS = {
    Reason.KILL_SWITCH: "The emergency switch is engaged.",
    Reason.RUN_FINAL: "The run has ended already.",
    Reason.NOT_STARTED: "No stage is open.",
    Reason.NOT_ADMITTED: "The open stage admits no such team, mode, query class, "
    "environment or sensitivity; `explain` says which.",
    Reason.STAGE_PAUSED: "The open stage admits nobody for now.",
    Reason.OUT_OF_COVERAGE: "The unit's bucket is outside the stage's share.",
    Reason.ADMITTED: "The run is let into Option C.",
}
ANSWER = {
    "decision_id": "01999999-0000-7000-8000-000000000001",
    "rollout": "deep-research-option-c",
    "run_id": "run-1",
    "workflow": "option_c",
    "reason": "ADMITTED",
    "stage": "offline-baseline",
    "flags": {
        "PAI_DR_CLI_ENABLED": True,
        "PAI_DR_CLI_MODE_DEFAULT": "standard",
        "PAI_DR_CLI_MAX_WAVE1_AGENTS": 2,
        "PAI_DR_CLI_CITATIONS_APIFY_ENDPOINT": None,
        "PAI_DR_CLI_NO_WEB": True,
    },
    "constraints": {
        "sensitivity": "no_web",
        "no_web": True,
        "caps": {"PAI_DR_CLI_MAX_WAVE1_AGENTS": 2},
    },
    "bucket": 4711,
    "snapshot": {"revision": 12, "digest": "sha256:0f3c…", "epoch": 3},
    "inputs_digest": "sha256:9a1b…",
    "is_override": False,
    "decided_at": "2026-01-31T12:00:00Z",
}


class Question(serializers.Serializer):
    """What the caller knows. Further attributes can be sent; rules may look at them.

    Asked again, all of it has to be the same: other inputs are DECISION_CONFLICT.
    """

    run_id = serializers.RegexField(
        RUN_ID,
        max_length=LONGEST_RUN_ID,
        help_text="Yours to choose, and part of paths and of file names.",
    )
    rollout = serializers.CharField(
        required=False, help_text="The token knows it; another one is refused."
    )
    targetingKey = serializers.CharField(
        required=False, help_text="What sticks to its bucket; the run, unless given."
    )
    team = serializers.CharField(required=False, help_text="Whose run it is.")
    mode = serializers.CharField(
        required=False,
        help_text=f"{', '.join(MODES)}; the default of the rollout, unless given.",
    )
    query_class = serializers.CharField(
        required=False, help_text="What is asked; the stages name those they admit."
    )
    sensitivity = serializers.CharField(
        required=False,
        help_text=f"{', '.join(SENSITIVITIES)}; `no_web` keeps the run off the web.",
    )
    environment = serializers.CharField(
        required=False, help_text="Where the run takes place."
    )


class SnapshotName(serializers.Serializer):
    """What decided: its revision, its digest, and the epoch of the switch."""

    revision = serializers.IntegerField()
    digest = serializers.CharField()
    epoch = serializers.IntegerField(help_text="Rises with each throw of the switch.")


class Constraints(serializers.Serializer):
    """What an admitted run keeps to; empty for any other."""

    sensitivity = serializers.CharField(required=False)
    no_web = serializers.BooleanField(
        required=False, help_text="Whether the web is forbidden."
    )
    caps = serializers.DictField(
        child=serializers.IntegerField(),
        required=False,
        help_text="Flags that limit, and their values for this run.",
    )


FLAGS = {
    "type": "object",
    "description": "The settings of the run, by key. "
    "`PAI_DR_CLI_ENABLED` says the same as `workflow`.",
    "additionalProperties": {"type": ["boolean", "integer", "string", "null"]},
}


class DecisionShape(serializers.ModelSerializer):
    """The answer, and what it rests on."""

    decision_id = serializers.UUIDField(source="id")
    rollout = serializers.CharField(source="rollout.key")
    workflow = serializers.CharField(
        help_text="**This binds.** `option_c`, or the fallback workflow of the rollout "
        "(`standard`): then the run is none of Option C, and need not report."
    )
    reason = serializers.ChoiceField(
        [(str(reason), says) for reason, says in REASONS.items()]
    )
    stage = serializers.SerializerMethodField(
        help_text="The open stage, if there is one."
    )
    flags = serializers.SerializerMethodField()
    constraints = serializers.SerializerMethodField()
    snapshot = serializers.SerializerMethodField()

    class Meta:
        model = Decision
        extra_kwargs: ClassVar = {
            "bucket": {
                "help_text": "0 to 9999, if it was looked at: below the stage's share "
                "the run is let in."
            },
            "inputs_digest": {"help_text": "The digest of what was asked."},
            "is_override": {
                "help_text": "Whether the switch, or the run's end, overrides what was "
                "decided before."
            },
        }
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

    @extend_schema_field(FLAGS)
    def get_flags(self, decision: Decision) -> Any:
        return decision.flags

    @extend_schema_field(Constraints)
    def get_constraints(self, decision: Decision) -> Any:
        return decision.constraints

    @extend_schema_field(SnapshotName)
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
            ),
            OpenApiExample("It is let in", ANSWER, response_only=True),
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

    @extend_schema_field(FLAGS)
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

    @extend_schema_field(FLAGS)
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
