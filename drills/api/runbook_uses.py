"""Following a runbook: begun in an incident or a drill, ticked off step by step."""

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from drills.api.drills import OneDrillView
from drills.api.incidents import OneIncidentView
from drills.api.runbooks import StepOfRunbook
from drills.domain.incidents import LONGEST_NOTE
from drills.domain.runbooks import Result
from drills.models import RunbookTick, RunbookUse
from drills.services import runbook_uses
from portal.api.idempotency import idempotent
from portal.api.views import Because, PortalView
from portal.domain.roles import May
from rollout.api.rollouts import ROLLOUT


class TickShape(serializers.ModelSerializer):
    """What came of a step; the newest of a step counts."""

    ticked_by = serializers.CharField(source="ticked_by.name")

    class Meta:
        model = RunbookTick
        fields = ["number", "result", "note", "ticked_by", "ticked_at"]


class UseShape(serializers.ModelSerializer):
    """Somebody follows a runbook: the steps as they were, and what came of them."""

    runbook = serializers.CharField(source="runbook.key")
    incident = serializers.IntegerField(source="incident_id", allow_null=True)
    drill = serializers.IntegerField(source="drill_id", allow_null=True)
    started_by = serializers.CharField(source="started_by.name")
    steps = StepOfRunbook(many=True)
    ticks = TickShape(many=True)
    left = serializers.SerializerMethodField()

    class Meta:
        model = RunbookUse
        fields = [
            *("id", "runbook", "version", "incident", "drill", "is_practice"),
            *("started_by", "started_at", "steps", "ticks", "left"),
        ]

    def get_left(self, use: RunbookUse) -> int:
        return runbook_uses.left(use)


class Which(Because):
    """Which runbook is followed."""

    runbook = serializers.SlugField(max_length=60)


class FollowInIncidentView(OneIncidentView):
    """Begin to follow a runbook because of an incident."""

    may = {"POST": May.WORK_INCIDENT}

    @extend_schema(
        summary="Follow a runbook in an incident",
        parameters=[ROLLOUT],
        request=Which,
        responses={201: UseShape},
    )
    @idempotent
    def post(self, request: Request, number: int) -> Response:
        said = self.said(Which)
        self.incident(number)
        use = runbook_uses.start_in_incident(
            said["runbook"], number, by=self.actor, reason=said["reason"]
        )
        return Response(UseShape(use).data, status=201)


class PractiseInDrillView(OneDrillView):
    """Begin to practise a runbook in a drill."""

    may = {"POST": May.OBSERVE_DRILL}

    @extend_schema(
        summary="Practise a runbook in a drill",
        parameters=[ROLLOUT],
        request=Which,
        responses={201: UseShape},
    )
    @idempotent
    def post(self, request: Request, number: int) -> Response:
        said = self.said(Which)
        self.drill(number)
        use = runbook_uses.start_in_drill(
            said["runbook"], number, by=self.actor, reason=said["reason"]
        )
        return Response(UseShape(use).data, status=201)


class NewTick(Because):
    """What came of a step; a note is needed unless it was done."""

    result = serializers.ChoiceField(choices=[str(each) for each in Result])
    note = serializers.CharField(
        max_length=LONGEST_NOTE, required=False, default="", allow_blank=True
    )


class RunbookUseView(PortalView):
    """How far somebody has come with a runbook."""

    may = {"GET": May.READ}

    @extend_schema(summary="Read how a runbook is followed", responses=UseShape)
    def get(self, request: Request, number: int) -> Response:
        return Response(UseShape(runbook_uses.find(number)).data)


class RunbookStepView(PortalView):
    """Say what came of a step."""

    may = {"POST": May.OBSERVE_DRILL}

    @extend_schema(
        summary="Tick a step of a runbook", request=NewTick, responses={201: UseShape}
    )
    @idempotent
    def post(self, request: Request, number: int, step: int) -> Response:
        said = self.said(NewTick)
        runbook_uses.tick(
            number,
            step,
            Result(said["result"]),
            said["note"],
            by=self.actor,
            reason=said["reason"],
        )
        return Response(UseShape(runbook_uses.find(number)).data, status=201)
