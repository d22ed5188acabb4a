"""Opening incidents: from signs, once per subject, or by hand."""

from collections import Counter
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Model

from drills.domain import signs
from drills.domain.incidents import (
    ACTIVE,
    LONGEST_TITLE,
    Act,
    Kind,
    Severity,
    State,
    Subject,
    comes_back,
)
from drills.domain.signs import Origin, Sign
from drills.domain.timeline import EntryKind
from drills.domain.verbs import Verb
from drills.models import Incident, MatrixRow, Sighting
from drills.services import incidents, matrix, timelines, timers
from portal import clock
from portal.domain.redaction import redact
from portal.domain.roles import May
from portal.errors import Conflict, Invalid
from portal.models import Actor
from portal.services.access import require
from portal.services.ledger import record
from rollout.domain.stages import OnHardGateFailure, StagePlan
from rollout.domain.triggers import Action
from rollout.models import Artifact, Directive, Rollback, Run
from rollout.services import rollouts, stages

MOST_SIGNS = 2_000  # taken at once; what is left waits for the next sweep
MOST_LOOKED_INTO = 5  # runs of a batch whose artifacts and directives are linked
MOST_ARTIFACTS = MOST_LINKED_DIRECTIVES = 20
TRIES = 3
# What a trigger has done says how bad it is, at least.
SEVERITY_OF = {
    Action.SWITCH_OFF: Severity.CRITICAL,
    Action.ROLL_BACK: Severity.HIGH,
}


@transaction.atomic
def take_signs(fingerprint: str, *, by: Actor, reason: str) -> Incident | None:
    """Add the signs of a subject to its incident, which opens with the first of them.

    None when there are none (any more).
    """
    require(by, May.OPEN_INCIDENT)
    taken = _taken(fingerprint)
    if not taken:
        return None
    incident = _incident_of(taken, by=by, reason=reason)
    incident.seen += len(taken)
    incident.last_seen_at = max(incident.last_seen_at, taken[-1].noticed_at)
    incident.save(update_fields=["seen", "last_seen_at"])
    timelines.tell_signs(
        incident, Counter(each.says for each in taken), by=by, at=taken[0].noticed_at
    )
    timelines.link(incident, _things(taken, incident.row), by=by)
    return incident


def _taken(fingerprint: str) -> list[Sighting]:
    """The waiting signs, the oldest first; they are removed."""
    waiting = (
        Sighting.objects.select_for_update(of=["self"], no_key=True, skip_locked=True)
        .select_related("rollout", "stage", "run", "firing__evaluation")
        .filter(fingerprint=fingerprint)
    )
    found = list(waiting.order_by("pk")[:MOST_SIGNS])
    Sighting.objects.filter(pk__in=[each.pk for each in found]).delete()
    return found


def _incident_of(taken: list[Sighting], *, by: Actor, reason: str) -> Incident:
    """The locked incident that signs belong to: as it is, worse, again, or new."""
    first = taken[0]
    origin = Origin(first.cause, first.gate)
    row = matrix.match(origin)
    severity = _severity(taken, row)
    new = Incident(
        rollout=first.rollout,
        kind=first.kind,
        severity=severity,
        title=signs.title(origin),
        says=first.says,
        cause=first.cause,
        gate=first.gate,
        stage=first.stage,
        configuration=first.configuration,
        fingerprint=first.fingerprint,
        began_at=min(each.began_at for each in taken),
    )
    incident = _found_or_opened(new, row, by=by, reason=reason)
    if severity < incident.severity:
        before, why = incident.severity, "What it has caused is worse."
        incidents.change_severity(incident, severity, by=by, reason=why)
        record(
            Verb.INCIDENT_RECLASSIFIED,
            incident,
            by=by,
            reason=why,
            before=before,
            after=int(severity),
        )
    return incident


def _severity(taken: list[Sighting], row: MatrixRow | None) -> Severity:
    """How bad the row says it is, or what has come of it."""
    found = Severity(row.severity) if row is not None else Severity.MIDDLE
    if _rolls_back(taken[0]):
        found = min(found, SEVERITY_OF[Action.ROLL_BACK])
    for each in taken:
        if each.firing is not None:
            found = min(found, SEVERITY_OF.get(Action(each.firing.action), found))
    return found


def _rolls_back(sign: Sighting) -> bool:
    """Whether the stage's plan goes back because of this, without any trigger."""
    if sign.cause != Sign.HARD_GATE_FAILED or sign.stage is None:
        return False
    plan = StagePlan.from_json(sign.stage.plan)
    return plan.on_hard_gate_failure == OnHardGateFailure.ROLL_BACK


def _found_or_opened(
    new: Incident, row: MatrixRow | None, *, by: Actor, reason: str
) -> Incident:
    """The locked active incident about the subject of `new`; a part of acts.

    One that was resolved a short while ago opens again, else `new` is opened. Of many
    that open at once the database lets one through (`a_subject_has_one_active_
    incident`); the others find it.
    """
    for _ in range(TRIES):
        known = _known(new.fingerprint)
        if known is not None and known.state in ACTIVE:
            return known
        try:
            with transaction.atomic():
                if known is not None and comes_back(
                    State(known.state), known.resolved_at, now=clock.now()
                ):
                    return _reopen(known, by=by)
                return _open(new, row, known, by=by, reason=reason)
        except (IntegrityError, Conflict):
            new.pk = None  # somebody was faster; the next look finds theirs
    raise Conflict("Too many open this incident at once; try again.")


def _known(fingerprint: str) -> Incident | None:
    """The active incident about a subject, or else the last one; locked."""
    before = Incident.objects.filter(fingerprint=fingerprint).order_by("-pk")
    last = before.values_list("pk", flat=True).first()
    found = incidents.active_of(fingerprint) or last
    return incidents.locked(found) if found is not None else None


def _reopen(incident: Incident, *, by: Actor) -> Incident:
    why = "It has come back."
    incidents.change_state(incident, Act.REOPEN, by=by, reason=why)
    record(Verb.INCIDENT_REOPENED, incident, by=by, reason=why)
    return incident


def _open(
    new: Incident,
    row: MatrixRow | None,
    previous: Incident | None,
    *,
    by: Actor,
    reason: str,
) -> Incident:
    now = clock.now()
    new.state = State.OPEN
    new.opened_at = new.last_seen_at = now
    new.opened_by = by
    new.previous = previous
    if row is not None:
        new.row, new.row_version, new.steps = row, row.version, row.diagnosis
    new.save_as(by, reason=reason)
    timers.keep(new, now)
    timelines.tell(new, EntryKind.MOVE, f"Opened: {new.says}", by=by)
    record(
        Verb.INCIDENT_OPENED,
        new,
        by=by,
        reason=reason,
        kind=new.kind,
        severity=new.severity,
        cause=new.cause,
        gate=new.gate,
        stage=new.stage.key if new.stage else "",
        configuration=new.configuration,
        fingerprint=new.fingerprint,
        row=row.key if row else None,
        row_version=new.row_version,
        previous=previous.pk if previous else None,
    )
    return new


def _things(taken: list[Sighting], row: MatrixRow | None) -> list[Model]:
    """What signs are about: runs, evaluations, rollbacks, and files that tell more."""
    runs = {each.run.pk: each.run for each in taken if each.run is not None}
    firings = [each.firing for each in taken if each.firing is not None]
    found: list[Model] = [*runs.values()]
    found += [each.evaluation for each in firings if each.evaluation is not None]
    attempts = {each.attempt_id for each in [*firings, *runs.values()]}
    if attempts := attempts - {None}:
        rollbacks = Rollback.objects.filter(attempt__in=attempts)
        found += rollbacks.defer("inventory").select_related("stage", "to_stage")
    looked_into = list(runs.values())[:MOST_LOOKED_INTO]
    if looked_into:
        found += Directive.objects.filter(run__in=looked_into).select_related("run")[
            :MOST_LINKED_DIRECTIVES
        ]
        found += _artifacts(looked_into, row)
    return found


def _artifacts(runs: list[Run], row: MatrixRow | None) -> list[Artifact]:
    """The newest versions of the files that the row names."""
    if row is None:
        return []
    named = Artifact.objects.filter(run__in=runs, path__in=row.artifacts)
    newest = named.order_by("run_id", "path", "-version").distinct("run_id", "path")
    return list(newest.select_related("run")[:MOST_ARTIFACTS])


@transaction.atomic
def open_by_hand(
    rollout_key: str,
    title: str,
    severity: Severity,
    *,
    by: Actor,
    reason: str,
    kind: Kind = Kind.REAL,
    row_key: str = "",
    stage_key: str = "",
    began_at: datetime | None = None,
) -> Incident:
    """Open an incident that a person has noticed; `reason` says what they saw.

    Raises `Conflict` when one of that title is active already.
    """
    require(by, May.WORK_INCIDENT, rollout=rollout_key)
    title = redact(" ".join(title.split()))
    if not 0 < len(title) <= LONGEST_TITLE:
        raise Invalid(
            f"A title has 1 to {LONGEST_TITLE} characters.",
            errors=[{"pointer": "/title", "detail": "is too short or too long"}],
        )
    now = clock.now()
    if began_at is not None and began_at > now:
        raise Invalid(
            "It cannot have begun at a time to come.",
            errors=[{"pointer": "/began_at", "detail": "is a time to come"}],
        )
    rollout = rollouts.find(rollout_key)
    row = matrix.find(row_key) if row_key else None
    stage = stages.find(rollout_key, stage_key) if stage_key else None
    subject = Subject(
        rollout=rollout_key,
        kind=kind,
        cause=Sign.REPORTED,
        stage=stage_key,
        topic=title.casefold(),
    )
    active = incidents.active_of(subject.fingerprint)
    if active is not None:
        raise Conflict(
            f"Incident {active} of that title is active already; go on there.",
            code="INCIDENT_EXISTS",
            incident=active,
        )
    new = Incident(
        rollout=rollout,
        kind=kind,
        severity=severity,
        title=title,
        says=redact(reason),
        cause=Sign.REPORTED,
        stage=stage,
        fingerprint=subject.fingerprint,
        began_at=began_at or now,
        seen=1,
    )
    return _found_or_opened(new, row, by=by, reason=reason)
