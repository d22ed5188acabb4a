"""Around drills: logs by hand with their artifacts, the safety lever, schedules."""

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from drills.api.drills import CaptureShape, OneDrillView, WholeDrill
from drills.domain.drills import LONGEST_TEXT
from drills.domain.hand_logs import Logged
from drills.domain.scenarios import Scenario
from drills.models import DrillLever, DrillSchedule
from drills.services import hand_logs, obstacles, schedules
from drills.services.hand_logs import Upload
from portal.api.idempotency import idempotent
from portal.api.parsing import Anything
from portal.api.views import Because, PortalView
from portal.domain.roles import May
from rollout.api.artifacts import CONTENT_DIGEST, sent_bytes
from rollout.api.rollouts import REASON_EXAMPLE, ROLLOUT, RolloutView


class LoggedStep(serializers.Serializer):
    """One step, as it was written down."""

    does = serializers.CharField(max_length=LONGEST_TEXT)
    expects = serializers.CharField(max_length=LONGEST_TEXT)
    actual = serializers.CharField(max_length=LONGEST_TEXT)
    is_as_expected = serializers.BooleanField()
    started_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField()


class NewLog(Because):
    """A drill that was conducted by hand."""

    scenario = serializers.ChoiceField(choices=[str(each) for each in Scenario])
    stage = serializers.CharField(max_length=60, default="", allow_blank=True)
    environment = serializers.CharField(max_length=60, default="", allow_blank=True)
    started_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField()
    steps = LoggedStep(many=True)


class LogsView(OneDrillView):
    """Log a drill that you have conducted yourself; its verdict follows.

    Its artifacts are uploaded afterwards, one by one; it counts only with some, a clean
    scan, and an observer.
    """

    may = {"POST": May.WORK_INCIDENT}

    @extend_schema(
        summary="Log a drill by hand",
        parameters=[ROLLOUT],
        request=NewLog,
        responses={201: WholeDrill},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        said = self.said(NewLog)
        drill = hand_logs.log(
            self.key,
            said["scenario"],
            [Logged(**step) for step in said["steps"]],
            [],
            started_at=said["started_at"],
            ended_at=said["ended_at"],
            by=self.actor,
            reason=said["reason"],
            stage_key=said["stage"],
            environment=said["environment"],
        )
        return self.shown(drill.pk, status=201)


class DrillArtifactView(OneDrillView):
    """Add an artifact to a drill that was logged by hand."""

    may = {"PUT": May.WORK_INCIDENT}
    parser_classes = [Anything]

    @extend_schema(
        summary="Add an artifact to a drill",
        parameters=[ROLLOUT, CONTENT_DIGEST],
        request={"application/octet-stream": OpenApiTypes.BINARY},
        responses={201: CaptureShape},
    )
    def put(self, request: Request, number: int, path: str) -> Response:
        self.drill(number)
        expected, chunks = sent_bytes(request)
        uploads = [Upload(path, chunks, expected)]
        made = hand_logs.attach(number, uploads, by=self.actor, reason="uploaded")
        return Response(CaptureShape(made[0]).data, status=201)


class LeverShape(serializers.ModelSerializer):
    """While it is pulled, no drill goes on and none begins."""

    moved_by = serializers.CharField(source="moved_by.name")

    class Meta:
        model = DrillLever
        fields = ["is_pulled", "reason", "moved_at", "moved_by"]


class LeverView(PortalView):
    """The safety lever, as it is; 204 if nobody has ever moved it."""

    may = {"GET": May.READ}

    @extend_schema(summary="Read the safety lever", responses=LeverShape)
    def get(self, request: Request) -> Response:
        lever = obstacles.lever()
        if lever is None:
            return Response(status=204)
        return Response(LeverShape(lever).data)


class PullView(PortalView):
    """Stop all drills at once, and let none begin."""

    may = {"POST": May.HOLD}

    @extend_schema(
        summary="Pull the safety lever",
        request=Because,
        responses=LeverShape,
        examples=[REASON_EXAMPLE],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        lever = obstacles.pull(by=self.actor, reason=self.said()["reason"])
        return Response(LeverShape(lever).data)


class ReleaseView(PortalView):
    """Let drills begin again."""

    may = {"POST": May.CONDUCT_DRILL}

    @extend_schema(
        summary="Release the safety lever",
        request=Because,
        responses=LeverShape,
        examples=[REASON_EXAMPLE],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        lever = obstacles.release(by=self.actor, reason=self.said()["reason"])
        return Response(LeverShape(lever).data)


class ScheduleShape(serializers.ModelSerializer):
    """How often a scenario is practised."""

    class Meta:
        model = DrillSchedule
        fields = [
            "scenario",
            "every_days",
            "starts_by_itself",
            "next_at",
            "reminded_at",
        ]


class NewSchedule(Because):
    """How often, and whether it starts by itself; else people are reminded."""

    scenario = serializers.ChoiceField(choices=[str(each) for each in Scenario])
    every_days = serializers.IntegerField(min_value=1, max_value=schedules.LONGEST_DAYS)
    starts_by_itself = serializers.BooleanField(default=False)


class SchedulesView(RolloutView, ListAPIView):
    """How often the scenarios of a rollout are practised."""

    may = {"GET": May.READ, "POST": May.CONDUCT_DRILL}
    serializer_class = ScheduleShape

    @extend_schema(summary="List drill schedules", parameters=[ROLLOUT])
    def get(self, request: Request) -> Response:
        return self.list(request)

    def get_queryset(self) -> QuerySet[DrillSchedule]:
        return DrillSchedule.objects.filter(rollout__key=self.key)

    @extend_schema(
        summary="Plan a drill",
        parameters=[ROLLOUT],
        request=NewSchedule,
        responses={201: ScheduleShape},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        said = self.said(NewSchedule)
        schedule = schedules.plan(
            self.key,
            said["scenario"],
            said["every_days"],
            by=self.actor,
            reason=said["reason"],
            starts_by_itself=said["starts_by_itself"],
        )
        return Response(ScheduleShape(schedule).data, status=201)
