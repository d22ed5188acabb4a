"""Incidents: what is the matter, and how far it is."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from drills.domain.incidents import (
    LONGEST_TITLE,
    MILESTONES,
    OVER,
    Act,
    Kind,
    Severity,
    State,
    possible,
)
from drills.models import Incident, IncidentLink, IncidentTask, TimelineEntry
from drills.services import checklists, incidents, opening
from portal.api.idempotency import idempotent
from portal.api.views import Because
from portal.domain.roles import May
from portal.errors import Invalid, NotFound
from rollout.api.rollouts import REASON_EXAMPLE, ROLLOUT, RolloutView

# What people do; that an incident falls back to open by itself is nobody's act.
ACTS = tuple(each for each in Act if each != Act.UNACKNOWLEDGE)


class IncidentShape(serializers.ModelSerializer):
    """An incident; `possible` says what can be done with it now."""

    rollout = serializers.CharField(source="rollout.key")
    stage = serializers.CharField(source="stage.key", default=None)
    row = serializers.CharField(source="row.key", default=None)
    commander = serializers.CharField(source="commander.username", default=None)
    scribe = serializers.CharField(source="scribe.username", default=None)
    communications = serializers.CharField(
        source="communications.username", default=None
    )
    opened_by = serializers.CharField(source="opened_by.name")
    possible = serializers.SerializerMethodField()

    class Meta:
        model = Incident
        fields = [
            "id",
            "rollout",
            "kind",
            "state",
            "severity",
            "title",
            "says",
            "cause",
            "gate",
            "stage",
            "configuration",
            "fingerprint",
            "previous",
            "row",
            "row_version",
            "commander",
            "scribe",
            "communications",
            "opened_by",
            "began_at",
            "opened_at",
            "acknowledged_at",
            "mitigated_at",
            "resolved_at",
            "reviewed_at",
            "closed_at",
            "cancelled_at",
            "reopened",
            "seen",
            "last_seen_at",
            "possible",
        ]

    def get_possible(self, incident: Incident) -> list[str]:
        acts = possible(State(incident.state))
        return [act for act in acts if act in ACTS]


class LinkShape(serializers.ModelSerializer):
    """What an incident is about."""

    class Meta:
        model = IncidentLink
        fields = ["subject_type", "subject_id", "subject_name", "linked_at"]


class TaskShape(serializers.ModelSerializer):
    """What somebody has to do."""

    owner = serializers.CharField(source="owner.username")

    class Meta:
        model = IncidentTask
        fields = [
            "id",
            "title",
            "owner",
            "due_at",
            "is_required",
            "state",
            "given_at",
            "ended_at",
        ]


class StepShape(serializers.Serializer):
    """A diagnosis step, and what was found at it, if somebody has looked."""

    number = serializers.IntegerField()
    step = serializers.CharField()
    finding = serializers.CharField(allow_null=True)
    note = serializers.CharField(allow_null=True)
    recorded_by = serializers.CharField(allow_null=True)
    recorded_at = serializers.DateTimeField(allow_null=True)


class TimerShape(serializers.Serializer):
    """What has to be reached by when; it runs until `stopped_at`."""

    kind = serializers.CharField()
    due_at = serializers.DateTimeField()
    stopped_at = serializers.DateTimeField(allow_null=True)
    reminders = serializers.IntegerField()


class WholeIncident(IncidentShape):
    """An incident with its checklist, timers, tasks and what it is about."""

    checklist = serializers.SerializerMethodField()
    timers = TimerShape(many=True)
    tasks = TaskShape(many=True)
    links = LinkShape(many=True)

    class Meta(IncidentShape.Meta):
        fields = [*IncidentShape.Meta.fields, "checklist", "timers", "tasks", "links"]

    def get_checklist(self, incident: Incident) -> list[dict[str, Any]]:
        found = checklists.results_of(incident)
        return [
            {
                "number": number,
                "step": step,
                "finding": each.finding if each else None,
                "note": each.note if each else None,
                "recorded_by": each.recorded_by.name if each else None,
                "recorded_at": each.recorded_at if each else None,
            }
            for number, step in enumerate(incident.steps, start=1)
            for each in [found.get(number)]
        ]


class NewIncident(Because):
    """An incident that somebody has noticed; the reason says what they saw."""

    title = serializers.CharField(max_length=LONGEST_TITLE)
    severity = serializers.ChoiceField(choices=[int(each) for each in Severity])
    kind = serializers.ChoiceField(
        choices=[str(each) for each in Kind], default=str(Kind.REAL)
    )
    row = serializers.CharField(
        max_length=60, default="", help_text="The key of the row that fits."
    )
    stage = serializers.CharField(max_length=100, default="")
    began_at = serializers.DateTimeField(default=None, allow_null=True)


SHOWN = Incident.objects.select_related(
    "rollout",
    "stage",
    "row",
    "opened_by",
    "commander",
    "scribe",
    "communications",
)


class OneIncidentView(RolloutView):
    """A view about one incident of the rollout."""

    def incident(self, number: int) -> Incident:
        """The incident; one of another rollout is none that this caller knows of."""
        found = SHOWN.filter(pk=number, rollout__key=self.key).first()
        if found is None:
            raise NotFound(f"There is no incident {number}.")
        return found

    def shown(self, number: int, *, status: int = 200) -> Response:
        """The whole incident, as it is now."""
        return Response(WholeIncident(self.incident(number)).data, status=status)


class IncidentsView(RolloutView, ListAPIView):
    """Incidents of a rollout, newest first; open one that you have noticed."""

    may = {"GET": May.READ, "POST": May.WORK_INCIDENT}
    serializer_class = IncidentShape

    @extend_schema(
        summary="List incidents",
        parameters=[
            ROLLOUT,
            OpenApiParameter(
                "state",
                str,
                enum=[*(str(each) for each in State), "not_over"],
                description="Only those; `not_over` is all but closed and cancelled.",
            ),
            OpenApiParameter("kind", str, enum=[str(each) for each in Kind]),
            OpenApiParameter("severity", int, enum=[int(each) for each in Severity]),
        ],
    )
    def get(self, request: Request) -> Response:
        return self.list(request)

    def get_queryset(self) -> QuerySet[Incident]:
        found = SHOWN.filter(rollout__key=self.key)
        if state := self.chosen("state", [*State, "not_over"]):
            found = found.filter(is_over=state in OVER)  # by the partial index
            found = found if state == "not_over" else found.filter(state=state)
        if kind := self.chosen("kind", Kind):
            found = found.filter(kind=kind)
        if severity := self.chosen("severity", [str(int(each)) for each in Severity]):
            found = found.filter(severity=int(severity))
        return found

    @extend_schema(
        summary="Open an incident",
        parameters=[ROLLOUT],
        request=NewIncident,
        responses={201: WholeIncident},
        examples=[
            OpenApiExample(
                "Noticed by a person",
                {
                    "title": "Reports without sources",
                    "severity": 2,
                    "row": "citation-integrity",
                    "reason": "Three reports since noon cite nothing.",
                },
                request_only=True,
            )
        ],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        said = self.said(NewIncident)
        made = opening.open_by_hand(
            self.key,
            said["title"],
            Severity(said["severity"]),
            by=self.actor,
            reason=said["reason"],
            kind=Kind(said["kind"]),
            row_key=said["row"],
            stage_key=said["stage"],
            began_at=said["began_at"],
        )
        shown = SHOWN.get(pk=made.pk)
        return Response(WholeIncident(shown).data, status=201)


class IncidentView(OneIncidentView):
    """One incident, with everything but its timeline."""

    may = {"GET": May.READ}

    @extend_schema(
        summary="Read an incident", parameters=[ROLLOUT], responses=WholeIncident
    )
    def get(self, request: Request, number: int) -> Response:
        return self.shown(number)


class Moved(Because):
    """Why; and when it really was so, if that was earlier than now."""

    at = serializers.DateTimeField(default=None, allow_null=True)


class MoveView(OneIncidentView):
    """Take an incident to its next state; only legal moves are made."""

    may = {"POST": May.WORK_INCIDENT}

    @extend_schema(
        operation_id="incidents_move",
        summary="Move an incident",
        parameters=[
            ROLLOUT,
            OpenApiParameter(
                "act",
                str,
                OpenApiParameter.PATH,
                enum=[str(each) for each in ACTS],
            ),
        ],
        request=Moved,
        responses=WholeIncident,
        examples=[REASON_EXAMPLE],
    )
    @idempotent
    def post(self, request: Request, number: int, act: str) -> Response:
        known = {str(each): each for each in ACTS}
        if act not in known:
            raise NotFound(f"There is no act {act!r}; there is: {', '.join(known)}.")
        said = self.said(Moved)
        if said["at"] is not None and known[act] not in MILESTONES:
            raise Invalid(
                "Only what is reached has a moment.",
                errors=[{"pointer": "/at", "detail": f"means nothing to {act}"}],
            )
        self.incident(number)
        incidents.move(
            number, known[act], by=self.actor, reason=said["reason"], at=said["at"]
        )
        return self.shown(number)


class EntryShape(serializers.ModelSerializer):
    """A line of the timeline; equal signs are counted until `last_at`."""

    actor = serializers.CharField(source="actor.name")

    class Meta:
        model = TimelineEntry
        fields = ["kind", "at", "actor", "says", "count", "last_at"]


class TimelineView(OneIncidentView, ListAPIView):
    """What happened, newest first."""

    may = {"GET": May.READ}
    serializer_class = EntryShape

    @extend_schema(summary="Read the timeline", parameters=[ROLLOUT])
    def get(self, request: Request, number: int) -> Response:
        return self.list(request)

    def get_queryset(self) -> QuerySet[TimelineEntry]:
        incident = self.incident(self.kwargs["number"])
        return TimelineEntry.objects.filter(incident=incident).select_related("actor")
