"""What the portal has to do, and who is there to do it."""

from typing import Any

from django.contrib import admin

from portal.admin.acts import Act
from portal.admin.governed import GovernedAdmin
from portal.domain.jobs import JobState
from portal.domain.roles import May
from portal.models import Actor, Heartbeat, Job
from portal.services import jobs


def _requeue(job: Job, actor: Actor, said: dict[str, Any]) -> str:
    jobs.requeue(job.pk, by=actor, reason=said["reason"])
    return "The job is wanted again."


@admin.register(Job)
class JobAdmin(GovernedAdmin):
    """Jobs are rows; Redis only rings the bell."""

    list_display = [
        "id",
        "kind",
        "payload",
        "queue",
        "state",
        "attempt",
        "run_after",
        "finished_at",
        "error",
    ]
    list_filter = ["state", "queue"]
    search_fields = ["kind", "=request_id"]
    empty_says = "No work was queued so far."
    acts = (
        Act(
            name="requeue",
            title="Requeue",
            may=May.REQUEUE_JOB,
            perform=_requeue,
            hidden=lambda job, actor: job.state != JobState.DEAD,
            effects=lambda job: ["It is tried again at once, from the beginning."],
        ),
    )


@admin.register(Heartbeat)
class HeartbeatAdmin(GovernedAdmin):
    """When each process last said that it is alive."""

    list_display = ["name", "at", "pid", "host"]
    list_filter = ["host"]
    search_fields = ["name"]
    empty_says = "No process has said so far that it is alive."
