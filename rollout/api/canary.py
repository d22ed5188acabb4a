"""Moving through the canary plan: evidence, readiness, promotion, rollback, freezes."""

import json
from dataclasses import asdict
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.idempotency import idempotent
from portal.api.views import Asked, Because
from portal.domain.roles import May
from portal.errors import NotFound, WrongMoment
from rollout.api.rollouts import REASON_EXAMPLE, ROLLOUT, RolloutView
from rollout.domain.freezes import Scope
from rollout.models import Evaluation, FailureReview, Freeze, OnCall, Rollback, Stage
from rollout.services import (
    evaluations,
    evidence,
    freezes,
    promotions,
    readiness,
    reviews,
    rollbacks,
    rollouts,
    stages,
)


class CheckShape(serializers.Serializer):
    """One thing that has to be so before more is exposed."""

    name = serializers.CharField()
    light = serializers.CharField()
    says = serializers.CharField()
    since = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True)
    remedy = serializers.CharField()
    link = serializers.CharField()


class EvaluationShape(serializers.ModelSerializer):
    """One judgement of a stage's evidence."""

    stage = serializers.CharField(source="stage.key")
    attempt = serializers.IntegerField(source="attempt.number")

    class Meta:
        model = Evaluation
        fields = [
            "id",
            "stage",
            "attempt",
            "number",
            "mode",
            "verdict",
            "sentence",
            "rule",
            "fingerprint",
            "judged_runs",
            "digest",
            "evaluated_at",
        ]


class Readiness(serializers.Serializer):
    """Whether a stage may move on, and what is in the way."""

    stage = serializers.CharField()
    state = serializers.CharField()
    is_ready = serializers.BooleanField()
    lacking = serializers.ListField(child=serializers.CharField())
    targets = serializers.ListField(child=serializers.CharField())
    checks = CheckShape(many=True)
    evaluation = EvaluationShape(allow_null=True)


class ReadinessView(RolloutView):
    """What does the next step still lack?"""

    may = {"GET": May.READ}

    @extend_schema(
        summary="Read a stage's readiness", parameters=[ROLLOUT], responses=Readiness
    )
    def get(self, request: Request, key: str) -> Response:
        stage = stages.find(self.key, key)
        attempt = stages.open_attempt(stage)
        lacking = promotions.lacking(stage)
        latest = evidence.latest(attempt) if attempt else None
        return Response(
            {
                "stage": stage.key,
                "state": stage.state,
                "is_ready": not lacking,
                "lacking": lacking,
                "targets": [each.key for each in promotions.targets(stage)],
                "checks": [asdict(check) for check in readiness.checks(stage)],
                "evaluation": EvaluationShape(latest).data if latest else None,
            }
        )


class Promotion(Because):
    """Where to; the next stage unless an optional one is passed over."""

    to = serializers.CharField(required=False, default="")


class StagePromoteView(RolloutView):
    """Ask to go on to the next stage; another person confirms in the admin."""

    may = {"POST": May.REQUEST_EXPOSURE}

    @extend_schema(
        summary="Ask to promote a stage",
        parameters=[ROLLOUT],
        request=Promotion,
        responses={202: Asked},
        examples=[
            OpenApiExample(
                "Pass over the sandbox",
                {"to": "broad-rollout", "reason": "Proven."},
                request_only=True,
            )
        ],
    )
    @idempotent
    def post(self, request: Request, key: str) -> Response:
        said = self.said(Promotion)
        asked = promotions.request_promotion(
            stages.find(self.key, key).pk,
            by=self.actor,
            reason=said["reason"],
            to=said["to"],
        )
        return Response(Asked(asked).data, status=202)


class StageResumeView(RolloutView):
    """Ask to end a hold; another person confirms in the admin."""

    may = {"POST": May.REQUEST_EXPOSURE}

    @extend_schema(
        summary="Ask to end a hold",
        parameters=[ROLLOUT],
        request=Because,
        responses={202: Asked},
        examples=[REASON_EXAMPLE],
    )
    @idempotent
    def post(self, request: Request, key: str) -> Response:
        said = self.said()
        stage = stages.find(self.key, key)
        asked = stages.request_resume(stage.pk, by=self.actor, reason=said["reason"])
        return Response(Asked(asked).data, status=202)


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


class EvaluationsView(RolloutView, ListAPIView):
    """The judgements of a rollout's stages, newest first."""

    may = {"GET": May.READ}
    serializer_class = EvaluationShape

    @extend_schema(
        summary="List evaluations",
        parameters=[
            ROLLOUT,
            OpenApiParameter("stage", str, description="Only those of this stage."),
        ],
    )
    def get(self, request: Request) -> Response:
        return self.list(request)

    def get_queryset(self) -> QuerySet[Evaluation]:
        rollout = rollouts.find(self.key)
        wanted = Stage.objects.filter(rollout=rollout)
        if stage := self.request.query_params.get("stage"):
            wanted = wanted.filter(pk=stages.find(rollout.key, stage).pk)
        found = Evaluation.objects.filter(stage__in=list(wanted))
        return found.select_related("stage", "attempt")


class EvaluationView(RolloutView):
    """One judgement, with everything that it was computed from."""

    may = {"GET": May.READ}

    def found(self, evaluation_id: int) -> Evaluation:
        """The evaluation, if it is of the caller's rollout."""
        found = (
            Evaluation.objects.filter(pk=evaluation_id, stage__rollout__key=self.key)
            .select_related("stage", "attempt")
            .first()
        )
        if found is None:
            raise NotFound(f"There is no evaluation {evaluation_id}.")
        return found

    @extend_schema(
        summary="Read an evaluation",
        parameters=[ROLLOUT],
        responses={200: OpenApiTypes.OBJECT},
    )
    def get(self, request: Request, evaluation_id: int) -> Response:
        found = self.found(evaluation_id)
        body = json.loads(found.body)
        return Response({**EvaluationShape(found).data, "content": body})


class Recomputed(serializers.Serializer):
    """Whether a judgement comes out the same today, and where it does not."""

    is_same = serializers.BooleanField()
    differences = serializers.ListField(child=serializers.CharField())


class RecomputeView(EvaluationView):
    """Judge again, from what the evaluation holds."""

    @extend_schema(
        summary="Recompute an evaluation", parameters=[ROLLOUT], responses=Recomputed
    )
    def get(self, request: Request, evaluation_id: int) -> Response:
        found = evaluations.recompute(self.found(evaluation_id))
        return Response({"is_same": not found, "differences": found})


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
    """Confirm that you are on call, for a day."""

    may = {"POST": May.WORK_INCIDENT}

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


class ReviewShape(serializers.ModelSerializer):
    """What a failure was, by somebody who has looked at it."""

    reviewer = serializers.CharField(source="reviewer.name")

    class Meta:
        model = FailureReview
        fields = ["gate", "note", "reviewer", "reviewed_at"]


class ReviewView(RolloutView):
    """Say what a confirmed failure of a hard gate was; the reason stays."""

    may = {"POST": May.WORK_INCIDENT}

    @extend_schema(
        summary="Review a failure",
        parameters=[ROLLOUT],
        request=Because,
        responses={201: ReviewShape},
        examples=[REASON_EXAMPLE],
    )
    @idempotent
    def post(self, request: Request, run_id: str, gate: str) -> Response:
        made = reviews.review_failure(
            self.key, run_id, gate, by=self.actor, reason=self.said()["reason"]
        )
        return Response(ReviewShape(made).data, status=201)
