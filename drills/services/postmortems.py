"""Postmortems: a draft from the timeline, and the text that people make of it."""

from django.db import transaction

from drills.domain import postmortems as domain
from drills.domain.durations import Lived, Span
from drills.domain.postmortems import Moment, Story
from drills.domain.timeline import EntryKind
from drills.domain.verbs import Verb
from drills.models import Incident, Postmortem
from drills.services import checklists, incidents, timelines
from portal import clock
from portal.domain.canonical import digest
from portal.domain.redaction import redact
from portal.errors import Invalid, PreconditionFailed, WrongMoment
from portal.models import Actor
from portal.services.ledger import record


@transaction.atomic
def begin(incident_id: int, *, by: Actor, reason: str) -> Postmortem:
    """Draft the postmortem from everything that is known by now; once."""
    incident = incidents.working(incident_id, by=by)
    if Postmortem.objects.filter(incident=incident).exists():
        raise WrongMoment(
            "This postmortem has been begun already; go on with it.",
            code="POSTMORTEM_BEGUN",
            possible=["write the postmortem"],
        )
    made = Postmortem(
        incident=incident,
        revision=1,
        text=domain.draft(_story(incident)),
        written_by=by,
        written_at=clock.now(),
    )
    made.save_as(by, reason=reason)
    timelines.tell(incident, EntryKind.POSTMORTEM, "Postmortem begun.", by=by)
    incidents.touch(incident)
    record(
        Verb.POSTMORTEM_DRAFTED,
        made,
        by=by,
        reason=reason,
        incident=incident.pk,
        digest=digest(made.text.encode()),
    )
    return made


@transaction.atomic
def write(
    incident_id: int, text: str, revision: int, *, by: Actor, reason: str
) -> Postmortem:
    """Go on with the postmortem, from the revision that was read."""
    incident = incidents.working(incident_id, by=by)
    found = Postmortem.objects.filter(incident=incident).first()
    if found is None:
        raise WrongMoment(
            "There is no postmortem yet; begin it first.",
            code="POSTMORTEM_MISSING",
            possible=["begin the postmortem"],
        )
    if found.revision != revision:
        raise PreconditionFailed(
            f"{found.written_by} has written revision {found.revision} meanwhile. "
            "Look again, then write.",
            revision=found.revision,
        )
    if not 0 < len(text.strip()) <= domain.LONGEST:
        raise Invalid(
            f"A postmortem has 1 to {domain.LONGEST} characters.",
            errors=[{"pointer": "/text", "detail": "is too short or too long"}],
        )
    found.revision += 1
    found.text = redact(text)
    found.written_by, found.written_at = by, clock.now()
    found.save_as(by, reason=reason)
    says = f"Postmortem, revision {found.revision}: {reason}"
    timelines.tell(incident, EntryKind.POSTMORTEM, says, by=by)
    incidents.touch(incident)
    record(
        Verb.POSTMORTEM_WRITTEN,
        found,
        by=by,
        reason=reason,
        incident=incident.pk,
        revision=found.revision,
        digest=digest(found.text.encode()),
    )
    return found


def of(incident: Incident) -> Postmortem | None:
    """The postmortem of an incident, if it was begun."""
    found = Postmortem.objects.filter(incident=incident)
    return found.select_related("written_by").first()


def _story(incident: Incident) -> Story:
    lived = Lived(
        incident.began_at,
        incident.opened_at,
        incident.acknowledged_at,
        incident.mitigated_at,
        incident.resolved_at,
    )
    results = checklists.results_of(incident)
    entries = incident.timeline.select_related("actor").order_by("at", "pk")
    row = incident.row
    return Story(
        number=incident.pk,
        title=incident.title,
        severity=incident.severity,
        cause=f"{incident.cause} {incident.gate}".strip().replace("_", " "),
        symptom=row.symptom if row else "",
        action=row.fallback_action if row else "",
        links=tuple(
            f"{each.subject_type.partition('.')[2]}: {each.subject_name}"
            for each in incident.links.all()[: domain.MOST_ENTRIES]
        ),
        spans={span: lived.seconds(span) for span in Span},
        timeline=tuple(
            Moment(each.at, each.actor.name, each.says, each.count, each.last_at)
            for each in entries[: domain.MOST_ENTRIES]
        ),
        steps=tuple(
            (step, _found(results.get(number)))
            for number, step in enumerate(incident.steps, start=1)
        ),
        tasks=tuple(
            f"{each.title} ({each.owner}, {each.due_at:%Y-%m-%d}, {each.state})"
            for each in incident.tasks.select_related("owner").order_by("pk")
        ),
    )


def _found(result: object) -> str:
    if result is None:
        return "not looked at"
    words = result.get_finding_display()
    return f"{words}: {result.note}" if result.note else words
