"""Following a runbook in an incident or a drill: begun, ticked off, remembered."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Manager, Max, QuerySet

from drills.domain import runbooks as domain
from drills.domain.incidents import LONGEST_NOTE, Kind
from drills.domain.runbooks import Freshness, Result
from drills.domain.timeline import EntryKind
from drills.domain.verbs import Verb
from drills.models import Drill, Incident, OperatorRunbook, RunbookTick, RunbookUse
from drills.services import incidents, runbooks, timelines, twins
from portal import clock
from portal.domain.redaction import redact
from portal.domain.roles import May
from portal.errors import Invalid, NotFound, WrongMoment
from portal.models import Actor
from portal.services.access import require
from portal.services.ledger import record

MOST_SHOWN = 50


@transaction.atomic
def start_in_incident(
    key: str, incident_id: int, *, by: Actor, reason: str
) -> RunbookUse:
    """Begin to follow a runbook because of an incident; its timeline tells of it."""
    incident = incidents.working(incident_id, by=by)
    use = _start(key, by=by, incident=incident)
    says = f"Follows the runbook {use.runbook.title!r}, version {use.version}."
    timelines.tell(incident, EntryKind.STEP, says, by=by)
    incidents.touch(incident)
    _record_start(use, by=by, reason=reason)
    return use


@transaction.atomic
def start_in_drill(key: str, drill_id: int, *, by: Actor, reason: str) -> RunbookUse:
    """Begin to practise a runbook in a drill that nobody has confirmed yet."""
    drill = _practised(drill_id, by=by)
    use = _start(key, by=by, drill=drill)
    _record_start(use, by=by, reason=reason)
    return use


@transaction.atomic
def tick(
    use_id: int, number: int, result: Result, note: str, *, by: Actor, reason: str
) -> RunbookTick:
    """Say what came of a step; saying it again adds, and the newest counts."""
    use = find(use_id)
    if use.incident_id is not None:
        incidents.working(use.incident_id, by=by)
    else:
        _practised(use.drill_id, by=by)
    domain.check_step(number, len(use.steps))
    note = note.strip()
    if len(note) > LONGEST_NOTE:
        raise Invalid(
            f"A note has at most {LONGEST_NOTE} characters.",
            errors=[{"pointer": "/note", "detail": "is too long"}],
        )
    if not note and result != Result.DONE:
        raise Invalid(
            "Say why the step failed, or was left out.",
            errors=[{"pointer": "/note", "detail": "is needed unless it was done"}],
        )
    made = RunbookTick(
        use=use,
        number=number,
        result=result,
        note=redact(note),
        ticked_by=by,
        ticked_at=clock.now(),
    )
    made.save()
    if use.incident is not None:
        says = f"{use.runbook.title}, step {number} {result}"
        says = f"{says}: {made.note}" if made.note else f"{says}."
        timelines.tell(use.incident, EntryKind.STEP, says, by=by)
        incidents.touch(use.incident)
    record(
        Verb.RUNBOOK_STEP_TICKED,
        use.runbook,
        by=by,
        reason=reason,
        use=use.pk,
        number=number,
        result=result,
        note=made.note,
    )
    return made


def find(use_id: int) -> RunbookUse:
    """The use of that number, or a refusal."""
    uses = RunbookUse.objects.select_related("runbook", "incident", "drill")
    found = uses.filter(pk=use_id).first()
    if found is None:
        raise NotFound(f"There is no use {use_id} of a runbook.")
    return found


def _practised(drill_id: int, *, by: Actor) -> Drill:
    """A drill that may still be added to, locked for somebody who works on drills."""
    drill = twins.locked(drill_id)
    require(by, May.OBSERVE_DRILL, rollout=drill.rollout.key)
    if drill.observer_id is not None:
        raise WrongMoment(
            f"{drill.observer} has confirmed drill {drill.pk}; nothing is added.",
            possible=[],
        )
    return drill


def _start(
    key: str,
    *,
    by: Actor,
    incident: Incident | None = None,
    drill: Drill | None = None,
) -> RunbookUse:
    runbook = runbooks.find(key)
    if not runbook.is_live:
        raise WrongMoment(f"The runbook {key} is not in use.", possible=[])
    before = RunbookUse.objects.filter(runbook=runbook, incident=incident, drill=drill)
    for use in before.order_by("-pk")[:1]:
        if use.version == runbook.version and left(use):
            raise WrongMoment(
                f"It is being followed here already; {left(use)} steps are left.",
                code="RUNBOOK_IN_USE",
                use=use.pk,
                possible=["tick"],
            )
    made = RunbookUse(
        runbook=runbook,
        version=runbook.version,
        incident=incident,
        drill=drill,
        is_practice=drill is not None or incident.kind != Kind.REAL,
        steps=[each.to_json() for each in runbook.runbook.steps],
        started_by=by,
        started_at=clock.now(),
    )
    made.save()
    return made


def _record_start(use: RunbookUse, *, by: Actor, reason: str) -> None:
    record(
        Verb.RUNBOOK_STARTED,
        use.runbook,
        by=by,
        reason=reason,
        use=use.pk,
        version=use.version,
        incident=use.incident_id,
        drill=use.drill_id,
    )


def within(uses: Manager[RunbookUse]) -> QuerySet[RunbookUse]:
    """The uses of an incident or a drill, newest first, with what came of them."""
    found = uses.select_related("runbook", "started_by").prefetch_related("ticks")
    return found.order_by("-pk")[:MOST_SHOWN]


def results_of(use: RunbookUse) -> dict[int, RunbookTick]:
    """The newest result of each step that has one."""
    return {each.number: each for each in use.ticks.all()}


def left(use: RunbookUse) -> int:
    """How many steps have no result yet."""
    return len(use.steps) - len({each.number for each in use.ticks.all()})


@dataclass(frozen=True, slots=True)
class Standing:
    """When a runbook was last used for real, and last practised; how fresh it is."""

    last_used: datetime | None
    last_drilled: datetime | None
    freshness: Freshness


def standings(found: Iterable[OperatorRunbook]) -> dict[int, Standing]:
    """How fresh each of these runbooks is, by their ids, in one query."""
    rows = list(found)
    newest = (
        RunbookUse.objects.filter(runbook__in=rows)
        .order_by()
        .values("runbook_id", "is_practice")
        .annotate(at=Max("started_at"), version=Max("version"))
    )
    uses: dict[tuple[int, bool], tuple[datetime, int]] = {
        (each["runbook_id"], each["is_practice"]): (each["at"], each["version"])
        for each in newest
    }
    now = clock.now()
    return {
        row.pk: _standing(row, uses.get((row.pk, False)), uses.get((row.pk, True)), now)
        for row in rows
    }


def _standing(
    runbook: OperatorRunbook,
    used: tuple[datetime, int] | None,
    drilled: tuple[datetime, int] | None,
    now: datetime,
) -> Standing:
    both = [each for each in (used, drilled) if each]
    last, version = max(both) if both else (None, 0)
    return Standing(
        last_used=used[0] if used else None,
        last_drilled=drilled[0] if drilled else None,
        freshness=domain.freshness(last, version, runbook.version, now),
    )
