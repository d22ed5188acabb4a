"""What people have to do because of incidents."""

from typing import Any

from django.contrib import admin
from django.utils.html import format_html

from drills.admin.incident_acts import page_of
from drills.domain.tasks import MOVES, TaskState
from drills.domain.tasks import Act as TaskAct
from drills.models import IncidentTask
from drills.services import tasks
from portal.admin.acts import Act
from portal.admin.governed import GovernedAdmin
from portal.domain.roles import May
from portal.models import Actor


def _move(act: TaskAct, title: str, done: str, *, is_dangerous: bool = False) -> Act:
    def perform(task: IncidentTask, actor: Actor, said: dict[str, Any]) -> str:
        tasks.move(task.pk, act, by=actor, reason=said["reason"])
        return done

    return Act(
        name=str(act),
        title=title,
        may=May.WORK_INCIDENT,
        perform=perform,
        is_dangerous=is_dangerous,
        hidden=lambda task, actor: (TaskState(task.state), act) not in MOVES,
        effects=lambda task: [f"It stands in the timeline of {task.incident}."],
    )


@admin.register(IncidentTask)
class IncidentTaskAdmin(GovernedAdmin):
    """Who has to do what, by when."""

    list_display = ["title", "state", "owner", "due_at", "is_required", "incident"]
    list_filter = ["state", "is_required"]
    search_fields = ["title", "owner__username", "owner__full_name"]
    list_select_related = ["owner", "incident"]
    fields = [
        "title",
        "of_incident",
        "state",
        "owner",
        "due_at",
        "is_required",
        "given_by",
        "given_at",
        "ended_at",
    ]
    readonly_fields = ["of_incident"]
    empty_says = (
        "Nobody has to do anything. Tasks are given on the page of an incident."
    )
    acts = (
        _move(TaskAct.FINISH, "It is done", "Done."),
        _move(TaskAct.DROP, "Drop it", "Dropped.", is_dangerous=True),
        _move(TaskAct.REOPEN, "Take it up again", "It is open again."),
    )

    @admin.display(description="incident")
    def of_incident(self, task: IncidentTask) -> str:
        page = page_of(task.incident)
        return format_html('<a href="{}">{}</a>', page, task.incident)
