"""What somebody has to do because of an incident."""

from django.db import models
from django.db.models import Q

from drills.domain.tasks import TaskState
from drills.models.incidents import Incident
from portal.models import Person
from portal.models.choices import choices, is_known
from portal.models.tracked import Tracked


class IncidentTask(Tracked):
    """A task with an owner and a date; a required one blocks closing."""

    incident = models.ForeignKey(Incident, models.PROTECT, related_name="tasks")
    title = models.CharField(max_length=200)
    owner = models.ForeignKey(Person, models.PROTECT, related_name="incident_tasks")
    due_at = models.DateTimeField()
    is_required = models.BooleanField(default=True)
    state = models.CharField(
        max_length=10, choices=choices(TaskState), default=TaskState.OPEN
    )
    given_by = models.ForeignKey("portal.Actor", models.PROTECT, related_name="+")
    given_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "task"
        ordering = ["-pk"]
        constraints = [
            is_known("state", TaskState, name="task_state_is_known"),
            models.CheckConstraint(
                name="a_task_that_is_over_has_an_end",
                condition=Q(state="open") ^ Q(ended_at__isnull=False),
            ),
        ]
        indexes = [
            models.Index(
                fields=["owner", "due_at"],
                name="task_waiting",
                condition=Q(state="open"),
            )
        ]

    def __str__(self) -> str:
        return self.title
