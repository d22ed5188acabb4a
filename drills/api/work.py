"""Working on an incident: notes, roles, severity, links, checklist, tasks."""

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from drills.api.incidents import OneIncidentView, TaskShape, WholeIncident
from drills.domain.checklists import Finding
from drills.domain.incidents import LONGEST_NOTE, LONGEST_TITLE, Severity
from drills.domain.roles import IncidentRole
from drills.domain.tasks import Act
from drills.services import checklists, handovers, incidents, links, tasks
from portal.api.idempotency import idempotent
from portal.api.views import Because
from portal.domain.roles import May
from portal.errors import NotFound
from rollout.api.rollouts import ROLLOUT


class NewNote(serializers.Serializer):
    """What somebody saw, did or decided."""

    text = serializers.CharField(max_length=LONGEST_NOTE)


class NotesView(OneIncidentView):
    """Write something into the timeline."""

    may = {"POST": May.WORK_INCIDENT}

    @extend_schema(
        summary="Add a note",
        parameters=[ROLLOUT],
        request=NewNote,
        responses={201: WholeIncident},
    )
    @idempotent
    def post(self, request: Request, number: int) -> Response:
        text = self.said(NewNote)["text"]
        self.incident(number)
        incidents.note(number, text, by=self.actor, reason="noted")
        return self.shown(number, status=201)


class HandOver(Because):
    """Which role goes to whom, by username."""

    role = serializers.ChoiceField(choices=[str(each) for each in IncidentRole])
    person = serializers.CharField(max_length=150)


class HandOverView(OneIncidentView):
    """Give a role to somebody."""

    may = {"POST": May.WORK_INCIDENT}

    @extend_schema(
        summary="Hand a role over",
        parameters=[ROLLOUT],
        request=HandOver,
        responses=WholeIncident,
    )
    @idempotent
    def post(self, request: Request, number: int) -> Response:
        said = self.said(HandOver)
        self.incident(number)
        handovers.hand_over(
            number,
            IncidentRole(said["role"]),
            said["person"],
            by=self.actor,
            reason=said["reason"],
        )
        return self.shown(number)


class NewSeverity(Because):
    """How bad it is after all."""

    severity = serializers.ChoiceField(choices=[int(each) for each in Severity])


class SeverityView(OneIncidentView):
    """Say that it is worse, or not as bad."""

    may = {"POST": May.WORK_INCIDENT}

    @extend_schema(
        summary="Change the severity",
        parameters=[ROLLOUT],
        request=NewSeverity,
        responses=WholeIncident,
    )
    @idempotent
    def post(self, request: Request, number: int) -> Response:
        said = self.said(NewSeverity)
        self.incident(number)
        severity = Severity(said["severity"])
        incidents.reclassify(number, severity, by=self.actor, reason=said["reason"])
        return self.shown(number)


class ChosenRow(Because):
    """Which kind of trouble it is."""

    row = serializers.SlugField(max_length=100, help_text="Its key in the matrix.")


class RowView(OneIncidentView):
    """Say which row of the matrix it is; the checklist is that row's from then on."""

    may = {"POST": May.WORK_INCIDENT}

    @extend_schema(
        summary="Choose the row of the matrix",
        parameters=[ROLLOUT],
        request=ChosenRow,
        responses=WholeIncident,
    )
    @idempotent
    def post(self, request: Request, number: int) -> Response:
        said = self.said(ChosenRow)
        self.incident(number)
        checklists.choose_row(number, said["row"], by=self.actor, reason=said["reason"])
        return self.shown(number)


class NewLink(Because):
    """What it is about: a run by its `run_id`, anything else by its id."""

    what = serializers.ChoiceField(choices=list(links.LINKABLE))
    name = serializers.CharField(max_length=200)


class LinksView(OneIncidentView):
    """Say what it is about."""

    may = {"POST": May.WORK_INCIDENT}

    @extend_schema(
        summary="Link something",
        parameters=[ROLLOUT],
        request=NewLink,
        responses={201: WholeIncident},
    )
    @idempotent
    def post(self, request: Request, number: int) -> Response:
        said = self.said(NewLink)
        self.incident(number)
        links.link(
            number, said["what"], said["name"], by=self.actor, reason=said["reason"]
        )
        return self.shown(number, status=201)


class NewFinding(serializers.Serializer):
    """What a step has shown."""

    finding = serializers.ChoiceField(choices=[str(each) for each in Finding])
    note = serializers.CharField(max_length=LONGEST_NOTE, default="", allow_blank=True)


class StepView(OneIncidentView):
    """Record what was found at a diagnosis step; the newest counts."""

    may = {"POST": May.WORK_INCIDENT}

    @extend_schema(
        summary="Record a step",
        parameters=[ROLLOUT],
        request=NewFinding,
        responses={201: WholeIncident},
    )
    @idempotent
    def post(self, request: Request, number: int, step: int) -> Response:
        said = self.said(NewFinding)
        self.incident(number)
        checklists.record_step(
            number,
            step,
            Finding(said["finding"]),
            said["note"],
            by=self.actor,
            reason="looked",
        )
        return self.shown(number, status=201)


class NewTask(Because):
    """What somebody has to do, by when."""

    title = serializers.CharField(max_length=LONGEST_TITLE)
    owner = serializers.CharField(max_length=150)
    due_at = serializers.DateTimeField()
    is_required = serializers.BooleanField(default=True)


class TasksView(OneIncidentView):
    """Give somebody something to do."""

    may = {"POST": May.WORK_INCIDENT}

    @extend_schema(
        summary="Give a task",
        parameters=[ROLLOUT],
        request=NewTask,
        responses={201: TaskShape},
    )
    @idempotent
    def post(self, request: Request, number: int) -> Response:
        said = self.said(NewTask)
        self.incident(number)
        made = tasks.give(
            number,
            said["title"],
            said["owner"],
            said["due_at"],
            by=self.actor,
            reason=said["reason"],
            is_required=said["is_required"],
        )
        return Response(TaskShape(made).data, status=201)


class TaskView(OneIncidentView):
    """Finish a task, drop it, or take it up again."""

    may = {"POST": May.WORK_INCIDENT}

    @extend_schema(
        operation_id="incidents_tasks_move",
        summary="Move a task",
        parameters=[
            ROLLOUT,
            OpenApiParameter(
                "act", str, OpenApiParameter.PATH, enum=[str(each) for each in Act]
            ),
        ],
        request=Because,
        responses=TaskShape,
    )
    @idempotent
    def post(self, request: Request, number: int, task: int, act: str) -> Response:
        known = {str(each): each for each in Act}
        if act not in known:
            raise NotFound(f"There is no act {act!r}; there is: {', '.join(known)}.")
        if not self.incident(number).tasks.filter(pk=task).exists():
            raise NotFound(f"Incident {number} has no task {task}.")
        reason = self.said()["reason"]
        moved = tasks.move(task, known[act], by=self.actor, reason=reason)
        return Response(TaskShape(moved).data)
