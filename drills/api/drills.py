"""Drills: started, stopped, logged by hand, observed, and read."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from drills.domain import drills as domain
from drills.domain.drills import LONGEST_TEXT, State
from drills.domain.scenarios import CHECKLIST, Scenario
from drills.models import Drill, DrillCapture, DrillNote, DrillStep
from drills.services import drills, standing
from portal.api.idempotency import idempotent
from portal.api.views import Because
from portal.domain.roles import May
from portal.errors import NotFound
from rollout.api.rollouts import ROLLOUT, RolloutView


class DrillShape(serializers.ModelSerializer):
    """A drill; its `state` is its verdict once it has one."""

    rollout = serializers.CharField(source="rollout.key")
    stage = serializers.CharField(source="stage.key")
    twin = serializers.CharField(source="twin.key", default=None)
    conductor = serializers.CharField(source="conductor.name")
    observer = serializers.CharField(source="observer.name", default=None)

    class Meta:
        model = Drill
        fields = [
            "id",
            "rollout",
            "stage",
            "scenario",
            "means",
            "state",
            "reasons",
            "environment",
            "fingerprint",
            "twin",
            "run_id",
            "reason",
            "conductor",
            "observer",
            "observed_at",
            "asked_at",
            "started_at",
            "ended_at",
            "stop_reason",
        ]


class StepShape(serializers.ModelSerializer):
    """What was done at a step, what was expected, and what was seen."""

    class Meta:
        model = DrillStep
        fields = [
            "number",
            "name",
            "phase",
            "does",
            "expects",
            "actual",
            "outcome",
            "facts",
            "target_s",
            "took_s",
            "started_at",
            "ended_at",
        ]


class CaptureShape(serializers.ModelSerializer):
    """An artifact as it was at a moment."""

    class Meta:
        model = DrillCapture
        fields = ["moment", "path", "digest", "size", "trouble", "captured_at"]


class NoteShape(serializers.ModelSerializer):
    """What a person has seen, or answered to an item of the checklist."""

    noted_by = serializers.CharField(source="noted_by.name")

    class Meta:
        model = DrillNote
        fields = ["item", "text", "noted_by", "noted_at"]


class WholeDrill(DrillShape):
    """A drill with everything that speaks for and against it."""

    steps = StepShape(many=True)
    captures = CaptureShape(many=True)
    notes = NoteShape(many=True)
    scan = serializers.SerializerMethodField()
    validity = serializers.SerializerMethodField()
    validity_says = serializers.SerializerMethodField()
    lacks = serializers.SerializerMethodField()
    counts_until = serializers.SerializerMethodField()

    class Meta(DrillShape.Meta):
        fields = [
            *DrillShape.Meta.fields,
            *("steps", "captures", "notes", "scan", "validity", "validity_says"),
            *("lacks", "counts_until"),
        ]

    def to_representation(self, drill: Drill) -> dict[str, Any]:
        """Asked for once, and shown in several places."""
        self.facts = standing.facts_of(drill)
        self.stands = domain.validity(self.facts, standing.terms_of(drill.stage))
        return super().to_representation(drill)

    def get_scan(self, drill: Drill) -> str | None:
        """The worst of its captures now; null before each was read."""
        return self.facts.scan

    def get_validity(self, drill: Drill) -> str:
        """valid, due_soon, expired, invalidated or not_counted."""
        return self.stands[0]

    def get_validity_says(self, drill: Drill) -> str:
        """Why."""
        return self.stands[1]

    def get_lacks(self, drill: Drill) -> list[str]:
        """What it lacks before it counts at all."""
        return domain.lacking(self.facts)

    def get_counts_until(self, drill: Drill) -> str | None:
        """When it becomes too old, if it counts now."""
        until = domain.counts_until(self.facts)
        counts = until is not None and self.stands[0] in domain.COUNTS
        return until.isoformat() if counts and until else None


class NewDrill(Because):
    """What shall be practised, for which stage; the open one if none is named."""

    scenario = serializers.ChoiceField(choices=[str(each) for each in Scenario])
    stage = serializers.CharField(max_length=60, default="", allow_blank=True)


SHOWN = Drill.objects.select_related(
    *("rollout", "stage__rollout", "twin", "conductor", "observer")
)


class OneDrillView(RolloutView):
    """A view about one drill of the rollout."""

    def drill(self, number: int) -> Drill:
        """The drill; one of another rollout is none that this caller knows of."""
        found = SHOWN.filter(pk=number, rollout__key=self.key).first()
        if found is None:
            raise NotFound(f"There is no drill {number}.")
        return found

    def shown(self, number: int, *, status: int = 200) -> Response:
        """The whole drill, as it is now."""
        return Response(WholeDrill(self.drill(number)).data, status=status)


class DrillsView(RolloutView, ListAPIView):
    """Drills of a rollout, newest first; start one."""

    may = {"GET": May.READ, "POST": May.CONDUCT_DRILL}
    serializer_class = DrillShape

    @extend_schema(
        summary="List drills",
        parameters=[
            ROLLOUT,
            OpenApiParameter("state", str, enum=[str(each) for each in State]),
            OpenApiParameter("scenario", str, enum=[str(each) for each in Scenario]),
        ],
    )
    def get(self, request: Request) -> Response:
        return self.list(request)

    def get_queryset(self) -> QuerySet[Drill]:
        found = SHOWN.filter(rollout__key=self.key)
        for name, known in (("state", State), ("scenario", Scenario)):
            if asked := self.chosen(name, known):
                found = found.filter(**{name: asked})
        return found

    @extend_schema(
        summary="Start a drill",
        parameters=[ROLLOUT],
        request=NewDrill,
        responses={201: DrillShape},
        examples=[
            OpenApiExample(
                "Pause and resume",
                {"scenario": "pause_resume", "reason": "Practice."},
                request_only=True,
            )
        ],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        said = self.said(NewDrill)
        drill = drills.start(
            self.key,
            said["scenario"],
            by=self.actor,
            reason=said["reason"],
            stage_key=said["stage"],
        )
        return Response(DrillShape(drill).data, status=201)


class DrillView(OneDrillView):
    """One drill, with its steps, captures and notes."""

    may = {"GET": May.READ}

    @extend_schema(summary="Read a drill", parameters=[ROLLOUT], responses=WholeDrill)
    def get(self, request: Request, number: int) -> Response:
        return self.shown(number)


class StopView(OneDrillView):
    """Have a drill end soon, and put back what it has changed."""

    may = {"POST": May.HOLD}

    @extend_schema(
        summary="Stop a drill",
        parameters=[ROLLOUT],
        request=Because,
        responses=WholeDrill,
    )
    @idempotent
    def post(self, request: Request, number: int) -> Response:
        self.drill(number)
        drills.stop(number, by=self.actor, reason=self.said()["reason"])
        return self.shown(number)


class Observation(serializers.Serializer):
    """What the observer, or somebody else, has seen."""

    text = serializers.CharField(max_length=LONGEST_TEXT)
    item = serializers.ChoiceField(
        choices=[*CHECKLIST],
        required=False,
        default="",
        allow_blank=True,
        help_text="Of the postmortem checklist, if it is an answer to one.",
    )


class NotesView(OneDrillView):
    """Write down what you have seen, or answer an item of the checklist."""

    may = {"POST": May.OBSERVE_DRILL}

    @extend_schema(
        summary="Add an observation",
        parameters=[ROLLOUT],
        request=Observation,
        responses={201: WholeDrill},
    )
    @idempotent
    def post(self, request: Request, number: int) -> Response:
        said = self.said(Observation)
        self.drill(number)
        drills.note(
            number, said["text"], by=self.actor, reason="noted", item=said["item"]
        )
        return self.shown(number, status=201)


class ObserveView(OneDrillView):
    """Confirm, as another person than its conductor, that it went as it says."""

    may = {"POST": May.OBSERVE_DRILL}

    @extend_schema(
        summary="Confirm a drill as its observer",
        parameters=[ROLLOUT],
        request=Because,
        responses=WholeDrill,
    )
    @idempotent
    def post(self, request: Request, number: int) -> Response:
        why = self.said()["reason"]
        self.drill(number)
        drills.observe(number, why, by=self.actor, reason=why)
        return self.shown(number)


class StandingShape(serializers.Serializer):
    """What the drills of a scenario say about a stage."""

    scenario = serializers.CharField()
    validity = serializers.CharField()
    says = serializers.CharField()
    drill = serializers.IntegerField(source="drill.pk", default=None)
    until = serializers.DateTimeField(allow_null=True)


class StandingView(RolloutView):
    """Whether every scenario was practised for a stage, and until when that counts."""

    may = {"GET": May.READ}

    @extend_schema(
        summary="Read what drills count",
        parameters=[ROLLOUT, OpenApiParameter("stage", str)],
        responses=StandingShape(many=True),
    )
    def get(self, request: Request) -> Response:
        rollout = drills.live_rollout(self.key)
        stage = drills.stage_of(rollout, request.query_params.get("stage", ""))
        return Response(StandingShape(standing.of_stage(stage), many=True).data)
