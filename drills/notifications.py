"""What this app tells of: which verbs of its ledger lines are events."""

from typing import Any

from drills.domain.incidents import BLOCKING, Kind
from drills.domain.incidents import Severity as Severities
from drills.domain.verbs import Verb
from drills.models import (
    BreakGlass,
    Drill,
    DrillSchedule,
    Incident,
    IncidentTask,
    Signoff,
)
from portal.domain.notifications import Severity
from portal.services.notifications import Event, Place, register
from rollout.models import RolloutKind


def _place(incident: Incident, details: dict[str, Any]) -> Place:
    """Where it is the matter; a drill's and a test's are not live."""
    is_live = incident.rollout.kind == RolloutKind.LIVE and incident.kind == Kind.REAL
    return Place(incident.rollout.key, is_live)


def _place_of_task(task: IncidentTask, details: dict[str, Any]) -> Place:
    return _place(task.incident, details)


def _severity(incident: Incident) -> Severity:
    if Severities(incident.severity) in BLOCKING:
        return Severity.CRITICAL
    return Severity.WARNING


_OPENED = ("kind", "severity", "cause", "gate", "stage", "row", "previous")
# Verb, name, meaning, and the details of the line that go out.
_URGENT: list[tuple[Verb, str, str, tuple[str, ...]]] = [
    (Verb.INCIDENT_OPENED, "incident.opened", "Something has gone wrong.", _OPENED),
    (Verb.INCIDENT_REOPENED, "incident.reopened", "It has come back.", ("before",)),
    (
        Verb.INCIDENT_UNACKNOWLEDGED,
        "incident.unacknowledged",
        "Whoever took it has done nothing for too long; it is open again.",
        (),
    ),
    (
        Verb.INCIDENT_RECLASSIFIED,
        "incident.reclassified",
        "It is worse, or not as bad.",
        ("before", "after"),
    ),
    (
        Verb.INCIDENT_OVERDUE,
        "incident.overdue",
        "It was not acknowledged, made safe or resolved in time.",
        ("timer", "due_at", "reminders"),
    ),
]
_CALM: list[tuple[Verb, str, str, tuple[str, ...]]] = [
    (
        Verb.INCIDENT_ACKNOWLEDGED,
        "incident.acknowledged",
        "Somebody works on it.",
        ("before", "after"),
    ),
    (
        Verb.INCIDENT_MITIGATED,
        "incident.mitigated",
        "Nobody is harmed any more.",
        ("before", "after", "at"),
    ),
    (
        Verb.INCIDENT_RESOLVED,
        "incident.resolved",
        "The cause is gone.",
        ("before", "after", "at"),
    ),
    (
        Verb.INCIDENT_CLOSED,
        "incident.closed",
        "What was to be learned is written, what was to be done is done.",
        (),
    ),
    (Verb.INCIDENT_CANCELLED, "incident.cancelled", "It was none.", ("before",)),
    (
        Verb.INCIDENT_ROW_CHOSEN,
        "incident.row_chosen",
        "Somebody knows which kind of trouble it is; its checklist is another one.",
        ("before", "after"),
    ),
]
for _verb, _name, _meaning, _facts in _URGENT:
    register(
        _verb,
        Event(
            name=_name,
            meaning=_meaning,
            facts=_facts,
            place=_place,
            severity_of=_severity,
        ),
    )
for _verb, _name, _meaning, _facts in _CALM:
    register(_verb, Event(name=_name, meaning=_meaning, facts=_facts, place=_place))
register(
    Verb.TASK_GIVEN,
    Event(
        name="incident.task_given",
        meaning="Somebody has to do something because of an incident.",
        facts=("incident", "owner", "due_at", "is_required"),
        place=_place_of_task,
    ),
)


def _place_of_glass(broken: BreakGlass, details: dict[str, Any]) -> Place:
    return Place(broken.rollout.key)


register(
    Verb.GLASS_BROKEN,
    Event(
        name="glass.broken",
        meaning="Two people pass over precautions because of an incident.",
        severity=Severity.CRITICAL,
        facts=("incident", "precautions", "expires_at", "review_due_at"),
        place=_place_of_glass,
    ),
)
register(
    Verb.GLASS_REVIEWED,
    Event(
        name="glass.reviewed",
        meaning="A third person has written down whether it was right.",
        facts=("incident",),
        place=_place_of_glass,
    ),
)


def _place_of_drill(drill: Drill | DrillSchedule, details: dict[str, Any]) -> Place:
    """Of the live rollout: whether it is ready is what a drill is about."""
    return Place(drill.rollout.key)


_DRILLS: list[tuple[Verb, str, Severity, str, tuple[str, ...]]] = [
    (
        Verb.DRILL_PASSED,
        "drill.passed",
        Severity.INFO,
        "A drill has passed; it counts once another person has confirmed it.",
        ("scenario", "stage", "environment"),
    ),
    (
        Verb.DRILL_FAILED,
        "drill.failed",
        Severity.WARNING,
        "What was practised did not work.",
        ("scenario", "stage", "environment", "reasons"),
    ),
    (
        Verb.DRILL_ABORTED,
        "drill.aborted",
        Severity.INFO,
        "A drill was stopped, or could not go on.",
        ("scenario", "reasons"),
    ),
    (
        Verb.DRILL_DUE,
        "drill.due",
        Severity.INFO,
        "A drill is due by its plan.",
        ("scenario", "started", "says"),
    ),
]
for _verb, _name, _how_bad, _meaning, _facts in _DRILLS:
    register(
        _verb,
        Event(
            name=_name,
            meaning=_meaning,
            severity=_how_bad,
            facts=_facts,
            place=_place_of_drill,
        ),
    )


def _place_of_gate(subject: Any, details: dict[str, Any]) -> Place:
    """The rollout that is signed or opened."""
    return Place(details["rollout"])


def _place_of_signoff(signoff: Signoff, details: dict[str, Any]) -> Place:
    return Place(signoff.pack.gate.rollout.key)


_SIGNED = ("gate", "pack", "pack_hash", "role", "signer", "on_behalf_of", "expires_at")
_GATES: list[tuple[Verb, str, Severity, str, tuple[str, ...]]] = [
    (
        Verb.PACK_ASSEMBLED,
        "gate.pack_assembled",
        Severity.INFO,
        "The evidence of a release gate was put together.",
        ("gate", "number", "pack_hash", "is_complete", "lacks"),
    ),
    (
        Verb.GATE_SIGNED,
        "gate.signed",
        Severity.INFO,
        "Somebody has signed a release gate: PASS.",
        _SIGNED,
    ),
    (
        Verb.GATE_REJECTED,
        "gate.rejected",
        Severity.WARNING,
        "Somebody asks for changes before a release gate passes.",
        _SIGNED,
    ),
    (
        Verb.AVAILABILITY_OPENED,
        "availability.opened",
        Severity.WARNING,
        "Option C was opened for general use.",
        ("stage", "attempt", "pack_hash", "signed_by", "coverage"),
    ),
]
for _verb, _name, _how_bad, _meaning, _facts in _GATES:
    register(
        _verb,
        Event(
            name=_name,
            meaning=_meaning,
            severity=_how_bad,
            facts=_facts,
            place=_place_of_gate,
        ),
    )
register(
    Verb.SIGNOFF_LAPSED,
    Event(
        name="gate.signature_stale",
        meaning="A signature under a release gate does not count any more.",
        severity=Severity.WARNING,
        facts=("cause", "says", "pack_hash", "role", "signer"),
        place=_place_of_signoff,
    ),
)
