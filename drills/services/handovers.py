"""Who does what in an incident, and handing it over."""

from django.db import transaction

from drills.domain.roles import IncidentRole
from drills.domain.timeline import EntryKind
from drills.domain.verbs import Verb
from drills.models import Incident
from drills.services import incidents, timelines
from portal.domain.roles import May
from portal.errors import Invalid
from portal.models import Actor, Person
from portal.services import actors
from portal.services.access import may
from portal.services.ledger import record


def worker(username: str, *, pointer: str) -> Person:
    """The person of that name, who has to be one that works on incidents."""
    person = Person.objects.filter(username=username).first()
    if person is None:
        problem = f"Nobody here is called {username[:100]!r}."
    elif not may(actors.for_person(person), May.WORK_INCIDENT):
        problem = f"{person} may not work on incidents."
    else:
        return person
    raise Invalid(problem, errors=[{"pointer": pointer, "detail": "is unknown"}])


@transaction.atomic
def hand_over(
    incident_id: int, role: IncidentRole, username: str, *, by: Actor, reason: str
) -> Incident:
    """Give a role to somebody; whoever had it is named in the timeline."""
    incident = incidents.working(incident_id, by=by)
    person = worker(username, pointer="/person")
    before = incident.who(role)
    setattr(incident, role.value, person)
    incident.save_as(by, reason=reason)
    says = f"{role.capitalize()}: {before or 'nobody'} → {person}. {reason}"
    timelines.tell(incident, EntryKind.ROLE, says, by=by)
    incidents.touch(incident)
    record(
        Verb.INCIDENT_HANDED_OVER,
        incident,
        by=by,
        reason=reason,
        role=role,
        before=str(before or ""),
        after=str(person),
    )
    return incident
