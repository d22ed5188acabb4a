"""Working through the diagnosis steps of an incident's row."""

from django.db import transaction

from drills.domain.checklists import Finding, check_step
from drills.domain.incidents import LONGEST_NOTE
from drills.domain.timeline import EntryKind
from drills.domain.verbs import Verb
from drills.models import Incident, StepResult
from drills.services import incidents, timelines
from portal import clock
from portal.domain.redaction import redact
from portal.errors import Invalid
from portal.models import Actor
from portal.services.ledger import record


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
