"""Agents say how they are, and are told what the portal has ended."""

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from portal.domain.roles import May
from rollout.api.rollouts import ROLLOUT, RolloutView
from rollout.domain.installations import SettingsState
from rollout.models import Agent, Run
from rollout.services import agents

MOST_PROBLEMS = 50
LARGEST = 2**31 - 1


class AgentReport(serializers.Serializer):
    """How an agent and its installation are."""

    version = serializers.CharField(max_length=50)
    team = serializers.CharField(max_length=200, allow_blank=True, default="")
    environment = serializers.CharField(max_length=200, allow_blank=True, default="")
    host = serializers.CharField(max_length=200, allow_blank=True, default="")
    roots = serializers.IntegerField(min_value=0, max_value=LARGEST)
    open_roots = serializers.IntegerField(min_value=0, max_value=LARGEST)
    lag_s = serializers.FloatField(min_value=0, max_value=1e9)
    settings_state = serializers.ChoiceField([str(each) for each in SettingsState])
    is_enabled = serializers.BooleanField()
    epoch = serializers.IntegerField(
        min_value=0, max_value=2**53 - 1, allow_null=True, default=None
    )
    revision = serializers.IntegerField(
        min_value=0, max_value=2**53 - 1, allow_null=True, default=None
    )
    problems = serializers.ListField(
        child=serializers.CharField(max_length=500), max_length=MOST_PROBLEMS
    )
    started_at = serializers.DateTimeField()


class AgentShape(serializers.ModelSerializer):
    """An agent, and whether it was heard lately."""

    rollout = serializers.CharField(source="rollout.key")
    standing = serializers.SerializerMethodField()

    class Meta:
        model = Agent
        fields = [
            "name",
            "rollout",
            "standing",
            "seen_at",
            *AgentReport().fields,
        ]

    def get_standing(self, agent: Agent) -> str:
        return agents.standing_of(agent)


class RunVerdict(serializers.ModelSerializer):
    """A run that the portal has ended, and why."""

    class Meta:
        model = Run
        fields = ["run_id", "status", "cause"]


class Heard(serializers.Serializer):
    """What an agent is told for its report."""

    ended = RunVerdict(many=True)


class AgentsView(RolloutView, ListAPIView):
    """The agents of a rollout, as they last reported themselves."""

    may = {"GET": May.READ}
    serializer_class = AgentShape

    @extend_schema(summary="List agents", parameters=[ROLLOUT])
    def get(self, request: Request) -> Response:
        return self.list(request)

    def get_queryset(self) -> QuerySet[Agent]:
        return Agent.objects.select_related("rollout").filter(rollout__key=self.key)


class AgentView(RolloutView):
    """An agent reports every few seconds; silent for a minute it is missed.

    The answer names the runs that the portal has ended and whose own files do not say
    so yet: the latest hundred of the rollout, whoever governs them.
    """

    may = {"PUT": May.REPORT_RUNS}

    @extend_schema(
        summary="Report how an agent is",
        parameters=[
            ROLLOUT,
            OpenApiParameter("name", str, OpenApiParameter.PATH),
        ],
        request=AgentReport,
        responses=Heard,
        examples=[
            OpenApiExample(
                "All is well",
                {
                    "version": "0.1.0",
                    "team": "alpha",
                    "environment": "production",
                    "host": "research-1",
                    "roots": 12,
                    "open_roots": 3,
                    "lag_s": 0.2,
                    "settings_state": "enabled",
                    "is_enabled": True,
                    "epoch": 3,
                    "revision": 12,
                    "problems": [],
                    "started_at": "2030-01-02T08:00:00Z",
                },
                request_only=True,
            )
        ],
    )
    def put(self, request: Request, name: str) -> Response:
        key = self.key
        # Read first: the report waits for the disk, and so for what was read.
        ended = agents.unheeded(key)
        agents.report(key, name, self.said(AgentReport), by=self.actor)
        return Response(Heard({"ended": ended}).data)
