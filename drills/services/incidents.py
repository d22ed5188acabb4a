"""The life of an incident, from its first acknowledgement to its closing."""

from datetime import datetime

from django.db import IntegrityError, transaction

from drills.domain import incidents as domain
from drills.domain.incidents import ACTIVE, OVER, Act, Kind, Severity, State
from drills.domain.tasks import TaskState
from drills.domain.timeline import EntryKind
from drills.domain.verbs import Verb
from drills.models import Incident, Postmortem
from drills.services import timelines, timers
from portal import clock
from portal.domain.redaction import redact
from portal.domain.roles import May
from portal.errors import Conflict, Invalid, NotFound, WrongMoment
from portal.models import Actor
from portal.services.access import require
from portal.services.ledger import record

VERBS = {
    Act.ACKNOWLEDGE: Verb.INCIDENT_ACKNOWLEDGED,
    Act.UNACKNOWLEDGE: Verb.INCIDENT_UNACKNOWLEDGED,
    Act.MITIGATE: Verb.INCIDENT_MITIGATED,
    Act.RESOLVE: Verb.INCIDENT_RESOLVED,
    Act.REVIEW: Verb.INCIDENT_REVIEWED,
    Act.CLOSE: Verb.INCIDENT_CLOSED,
    Act.CANCEL: Verb.INCIDENT_CANCELLED,
    Act.REOPEN: Verb.INCIDENT_REOPENED,
}


def find(incident_id: int) -> Incident:
    """The incident of that number, or a refusal."""
    found = Incident.objects.select_related("rollout").filter(pk=incident_id).first()
    if found is None:
        raise NotFound(f"There is no incident {incident_id}.")
    return found


def locked(incident_id: int) -> Incident:
    """The incident's row, locked for an act on it; always before the ledger."""
    found = (
        Incident.objects.select_for_update(of=["self"], no_key=True)
        .select_related("rollout")
        .filter(pk=incident_id)
        .first()
    )
    if found is None:
        raise NotFound(f"There is no incident {incident_id}.")
    return found


def working(incident_id: int, *, by: Actor) -> Incident:
    """An incident that is not over, locked for somebody who may work on it."""
    incident = locked(incident_id)
    require(by, May.WORK_INCIDENT, rollout=incident.rollout.key)
    if incident.state in OVER:
        raise WrongMoment(
            f"Incident {incident.pk} is {incident.state}; nothing is added any more.",
            state=incident.state,
            possible=[],
        )
    return incident


def touch(incident: Incident) -> None:
    """Somebody does something about it: it does not fall back to open for now."""
    timers.keep(incident, clock.now())


@transaction.atomic
def move(
    incident_id: int,
    act: Act,
    *,
    by: Actor,
    reason: str,
    at: datetime | None = None,
) -> Incident:
    """Take an incident to its next state; `at` is when it really was so, if earlier."""
    incident = locked(incident_id)
    require(by, May.WORK_INCIDENT, rollout=incident.rollout.key)
    before = State(incident.state)
    change_state(incident, act, by=by, reason=reason, at=at)
    record(
        VERBS[act],
        incident,
        by=by,
        reason=reason,
        before=before,
        after=incident.state,
        at=at,
    )
    return incident


def change_state(
    incident: Incident,
    act: Act,
    *,
    by: Actor,
    reason: str,
    at: datetime | None = None,
) -> None:
    """Move a locked incident; a part of acts, which record it."""
    now = clock.now()
    state = domain.after(State(incident.state), act)
    _check(incident, act)
    reached = incident.milestones.moved(act, at or now, now=now)
    incident.state, incident.is_over = state, state in OVER
    incident.acknowledged_at = reached.acknowledged_at
    incident.mitigated_at = reached.mitigated_at
    incident.resolved_at = reached.resolved_at
    incident.reviewed_at = reached.reviewed_at
    incident.closed_at = reached.closed_at
    incident.cancelled_at = reached.cancelled_at
    incident.chapter += 1
    if act == Act.REOPEN:
        incident.reopened += 1
    if act == Act.ACKNOWLEDGE and incident.commander is None:
        incident.commander = by.person_behind
    try:
        with transaction.atomic():
            incident.save_as(by, reason=reason)
    except IntegrityError:
        raise Conflict(
            "Another incident about the same subject is active by now; go on there.",
            code="INCIDENT_EXISTS",
            incident=active_of(incident.fingerprint),
        ) from None
    timers.keep(incident, now)
    when = f" It was so at {at:%Y-%m-%d %H:%M:%S} UTC." if at else ""
    says = f"{state.capitalize()}: {reason}{when}"
    timelines.tell(incident, EntryKind.MOVE, says, by=by)


def active_of(fingerprint: str) -> int | None:
    """The number of the active incident about a subject, if there is one."""
    found = Incident.objects.filter(fingerprint=fingerprint, state__in=ACTIVE)
    return found.values_list("pk", flat=True).first()


def _check(incident: Incident, act: Act) -> None:
    if act == Act.REVIEW:
        written = Postmortem.objects.filter(incident=incident, revision__gt=1)
        domain.check_reviewable(
            Severity(incident.severity),
            Kind(incident.kind),
            has_written_postmortem=written.exists(),
        )
    if act == Act.CLOSE:
        required = incident.tasks.filter(is_required=True, state=TaskState.OPEN)
        titles = required.order_by("due_at").values_list("title", flat=True)
        domain.check_closable(list(titles[:10]))


@transaction.atomic
def note(incident_id: int, text: str, *, by: Actor, reason: str) -> Incident:
    """Write something into the timeline."""
    incident = working(incident_id, by=by)
    text = text.strip()
    if not 0 < len(text) <= domain.LONGEST_NOTE:
        raise Invalid(
            f"A note has 1 to {domain.LONGEST_NOTE} characters.",
            errors=[{"pointer": "/text", "detail": "is too short or too long"}],
        )
    timelines.tell(incident, EntryKind.NOTE, text, by=by)
    touch(incident)
    record(Verb.INCIDENT_NOTED, incident, by=by, reason=reason, text=redact(text))
    return incident


@transaction.atomic
def reclassify(
    incident_id: int, severity: Severity, *, by: Actor, reason: str
) -> Incident:
    """Say that it is worse, or not as bad; its timers go by that from now on."""
    incident = working(incident_id, by=by)
    before = incident.severity
    if before == severity:
        raise WrongMoment(
            f"It has severity {int(severity)} already.",
            severity=before,
            possible=["another severity"],
        )
    change_severity(incident, severity, by=by, reason=reason)
    record(
        Verb.INCIDENT_RECLASSIFIED,
        incident,
        by=by,
        reason=reason,
        before=before,
        after=int(severity),
    )
    return incident


def change_severity(
    incident: Incident, severity: Severity, *, by: Actor, reason: str
) -> None:
    """Reclassify a locked incident; a part of acts, which record it."""
    before, incident.severity = incident.severity, int(severity)
    incident.save_as(by, reason=reason)
    timers.keep(incident, clock.now())
    says = f"Severity {before} → {int(severity)}: {reason}"
    timelines.tell(incident, EntryKind.SEVERITY, says, by=by)
