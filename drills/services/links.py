"""What an incident is about, said by a person."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Model

from drills.domain.timeline import EntryKind
from drills.domain.verbs import Verb
from drills.models import Incident
from drills.services import incidents, timelines
from portal.errors import Invalid, NotFound
from portal.models import Actor
from portal.services.ledger import record
from rollout.models import Artifact, Directive, Evaluation, Rollback, Run

# What can be linked: the model, how it is named, and where its rollout stands.
LINKABLE: dict[str, tuple[type[Model], str, str]] = {
    "run": (Run, "run_id", "rollout"),
    "evaluation": (Evaluation, "pk", "stage__rollout"),
    "rollback": (Rollback, "pk", "rollout"),
    "directive": (Directive, "pk", "run__rollout"),
    "artifact": (Artifact, "pk", "run__rollout"),
}


@transaction.atomic
def link(incident_id: int, what: str, name: str, *, by: Actor, reason: str) -> Incident:
    """Link a thing of the incident's own rollout; linking it twice changes nothing."""
    incident = incidents.working(incident_id, by=by)
    thing = _find(incident, what, name)
    timelines.link(incident, [thing], by=by)
    says = f"It is about the {what} {thing}. {reason}"
    timelines.tell(incident, EntryKind.LINK, says, by=by)
    incidents.touch(incident)
    record(
        Verb.INCIDENT_LINKED,
        incident,
        by=by,
        reason=reason,
        what=what,
        subject=str(thing.pk),
    )
    return incident


def _find(incident: Incident, what: str, name: str) -> Any:
    if what not in LINKABLE:
        raise Invalid(
            f"An incident is linked to one of: {', '.join(LINKABLE)}.",
            errors=[{"pointer": "/what", "detail": "is unknown"}],
        )
    model, field, rollout = LINKABLE[what]
    known = model._default_manager.filter(**{rollout: incident.rollout_id})
    try:
        found = known.filter(**{field: name}).first()
    except (ValueError, ValidationError):  # no number, or no identifier at all
        found = None
    if found is None:
        raise NotFound(
            f"{incident.rollout.key} has no {what} {name[:100]!r}.", what=what
        )
    return found
