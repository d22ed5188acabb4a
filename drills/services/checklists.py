"""The row of an incident, and working through its diagnosis steps."""

from django.db import transaction

from drills.domain.checklists import Finding, check_step
from drills.domain.incidents import LONGEST_NOTE
from drills.domain.tasks import TaskState
from drills.domain.timeline import EntryKind
from drills.domain.verbs import Verb
from drills.models import Incident, StepResult
from drills.services import incidents, matrix, timelines
from portal import clock
from portal.domain.redaction import redact
from portal.errors import Invalid, WrongMoment
from portal.models import Actor
from portal.services.ledger import record

MOST_TOLD = 10


@transaction.atomic
def choose_row(incident_id: int, row_key: str, *, by: Actor, reason: str) -> Incident:
    """Say which row of the matrix it is; the row's diagnosis becomes the checklist.

    Not once a step was recorded: the findings would stand beside other questions.
    """
    incident = incidents.working(incident_id, by=by)
    row = matrix.find(row_key)
    before = incident.row.key if incident.row else None
    if before == row.key:
        raise WrongMoment(
            f"{row.symptom!r} is its row already.", possible=["another row"]
        )
    if incident.results.exists():
        raise WrongMoment(
            "Steps of its checklist were recorded; their findings would be lost.",
            possible=["note what it is", "open another incident"],
        )
    incident.row, incident.row_version = row, row.version
    incident.steps = row.diagnosis
    incident.save_as(by, reason=reason)
    says = f"Matrix: {row.symptom}"
    timelines.tell(incident, EntryKind.LINK, says, by=by)
    incidents.touch(incident)
    record(
        Verb.INCIDENT_ROW_CHOSEN,
        incident,
        by=by,
        reason=reason,
        before=before,
        after=row.key,
        row_version=row.version,
    )
    return incident


def unfinished(incident: Incident) -> list[str]:
    """What is left to do of an incident, each a sentence."""
    found = []
    looked_at = results_of(incident)
    if left := [n for n in range(1, len(incident.steps) + 1) if n not in looked_at]:
        found.append(
            f"{len(left)} of {len(incident.steps)} steps of its checklist were not "
            "looked at."
        )
    open_tasks = incident.tasks.filter(state=TaskState.OPEN).order_by("pk")
    found += [f"The task {each.title!r} is open." for each in open_tasks[:MOST_TOLD]]
    for use in incident.runbook_uses.select_related("runbook")[:MOST_TOLD]:
        if (ticked := use.ticks.count()) < len(use.steps):
            how_far = f"{ticked} of {len(use.steps)} steps"
            found.append(f"The runbook {use.runbook.title!r} is at {how_far}.")
    return found


@transaction.atomic
def record_step(
    incident_id: int,
    number: int,
    finding: Finding,
    note: str,
    *,
    by: Actor,
    reason: str,
) -> StepResult:
    """Say what was found at a step; saying it again adds, and the newest counts."""
    incident = incidents.working(incident_id, by=by)
    check_step(number, len(incident.steps))
    if len(note) > LONGEST_NOTE:
        raise Invalid(
            f"A note has at most {LONGEST_NOTE} characters.",
            errors=[{"pointer": "/note", "detail": "is too long"}],
        )
    result = StepResult(
        incident=incident,
        number=number,
        step=incident.steps[number - 1],
        finding=finding,
        note=redact(note),
        recorded_by=by,
        recorded_at=clock.now(),
    )
    result.save()
    words = finding.replace("_", " ")
    says = f"Step {number}, {words}: {result.note or result.step}"
    timelines.tell(incident, EntryKind.STEP, says, by=by)
    incidents.touch(incident)
    record(
        Verb.STEP_RECORDED,
        incident,
        by=by,
        reason=reason,
        number=number,
        finding=finding,
        note=result.note,
    )
    return result


def results_of(incident: Incident) -> dict[int, StepResult]:
    """The newest result of each step that has one."""
    rows = incident.results.select_related("recorded_by").order_by("pk")
    return {each.number: each for each in rows}
