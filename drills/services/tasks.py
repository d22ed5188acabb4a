"""Tasks that come out of an incident."""

from datetime import datetime

from django.db import transaction

from drills.domain import tasks as domain
from drills.domain.incidents import LONGEST_TITLE
from drills.domain.tasks import Act, TaskState
from drills.domain.timeline import EntryKind
from drills.domain.verbs import Verb
from drills.models import IncidentTask
from drills.services import break_glass, incidents, timelines
from drills.services.handovers import worker
from portal import clock
from portal.domain.redaction import redact
from portal.domain.roles import May
from portal.errors import Invalid, NotFound
from portal.models import Actor
from portal.services.access import require
from portal.services.ledger import record

VERBS = {
    Act.FINISH: Verb.TASK_FINISHED,
    Act.DROP: Verb.TASK_DROPPED,
    Act.REOPEN: Verb.TASK_REOPENED,
}


@transaction.atomic
def give(
    incident_id: int,
    title: str,
    owner: str,
    due_at: datetime,
    *,
    by: Actor,
    reason: str,
    is_required: bool = True,
) -> IncidentTask:
    """Give somebody something to do; a required task keeps the incident open."""
    incident = incidents.working(incident_id, by=by)
    title = redact(" ".join(title.split()))
    if not 0 < len(title) <= LONGEST_TITLE:
        raise Invalid(
            f"A title has 1 to {LONGEST_TITLE} characters.",
            errors=[{"pointer": "/title", "detail": "is too short or too long"}],
        )
    now = clock.now()
    domain.check_due(due_at, now=now)
    task = IncidentTask(
        incident=incident,
        title=title,
        owner=worker(owner, pointer="/owner"),
        due_at=due_at,
        is_required=is_required,
        given_by=by,
        given_at=now,
    )
    task.save_as(by, reason=reason)
    says = f"{task.owner} has to, by {due_at:%Y-%m-%d %H:%M} UTC: {title}"
    timelines.tell(incident, EntryKind.TASK, says, by=by)
    incidents.touch(incident)
    record(
        Verb.TASK_GIVEN,
        task,
        by=by,
        reason=reason,
        incident=incident.pk,
        owner=str(task.owner),
        due_at=due_at,
        is_required=is_required,
    )
    return task


@transaction.atomic
def move(task_id: int, act: Act, *, by: Actor, reason: str) -> IncidentTask:
    """Finish a task, drop it, or take it up again."""
    known = IncidentTask.objects.filter(pk=task_id).first()
    if known is None:
        raise NotFound(f"There is no task {task_id}.")
    incident = incidents.locked(known.incident_id)
    require(by, May.WORK_INCIDENT, rollout=incident.rollout.key)
    break_glass.check_task(known)
    task = IncidentTask.objects.select_for_update(no_key=True).get(pk=task_id)
    task.state = domain.after(TaskState(task.state), act)
    task.ended_at = None if task.state == TaskState.OPEN else clock.now()
    task.save_as(by, reason=reason)
    says = f"{task.title}: {task.state}. {reason}"
    timelines.tell(incident, EntryKind.TASK, says, by=by)
    incidents.touch(incident)
    record(VERBS[act], task, by=by, reason=reason, incident=incident.pk)
    return task
