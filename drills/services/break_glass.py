"""Break-glass towards exposure: asked for, confirmed by another, ended, reviewed by a
third."""

from datetime import timedelta

from django.db import transaction
from django.db.models import QuerySet

from drills.domain import break_glass as domain
from drills.domain.break_glass import REVIEW_WITHIN, Precaution
from drills.domain.incidents import Kind, State
from drills.domain.tasks import Act, TaskState, after
from drills.domain.timeline import EntryKind
from drills.domain.verbs import Verb
from drills.models import BreakGlass, Incident, IncidentTask
from drills.services import incidents, timelines
from portal import clock
from portal.domain.redaction import redact
from portal.domain.roles import May
from portal.errors import Invalid, NotAllowed, NotFound, WrongMoment
from portal.models import Actor, Approval, Person
from portal.services import approvals
from portal.services.access import require
from portal.services.ledger import record
from rollout.domain.freezes import Frozen, Scope
from rollout.models import RolloutKind, Stage

BREAK = "drills.glass.break"
CONFIRMED_WITHIN = timedelta(hours=1)


def request_breaking(
    incident_id: int,
    precautions: list[str],
    lasts: timedelta,
    *,
    by: Actor,
    reason: str,
) -> Approval:
    """Ask to pass over precautions because of an incident; another person confirms."""
    wanted = domain.check_asked(precautions, lasts)
    payload = {
        "precautions": [str(each) for each in wanted],
        "minutes": int(lasts.total_seconds() // 60),
        "asked_by": by.person_behind.pk if by.person_behind else None,
    }
    return approvals.request(BREAK, incident_id, by=by, reason=reason, payload=payload)


def _check(incident: Incident, payload: dict) -> None:
    domain.check_incident(Kind(incident.kind), State(incident.state))
    if incident.rollout.kind != RolloutKind.LIVE:
        raise WrongMoment("Glass is broken for a live rollout.", code="NO_EMERGENCY")
    if late := overdue(incident.rollout_id).first():
        raise WrongMoment(
            f"The review of {late} is late; no glass is broken before it is written.",
            code="REVIEW_LATE",
            possible=["review"],
        )
    if there := in_force(incident.rollout_id).first():
        raise WrongMoment(
            f"Glass is broken already, until {there.expires_at:%H:%M} UTC.",
            code="GLASS_IS_BROKEN",
            possible=["end"],
        )


def _apply(incident: Incident, payload: dict, *, by: Actor, reason: str) -> None:
    now = clock.now()
    asker = Person.objects.get(pk=payload["asked_by"])
    due_at = now + REVIEW_WITHIN
    task = IncidentTask(
        incident=incident,
        title="Have a third person review the broken glass",
        owner=asker,
        due_at=due_at,
        is_required=True,
        given_by=by,
        given_at=now,
    )
    task.save_as(by, reason=reason)
    broken = BreakGlass(
        rollout=incident.rollout,
        incident=incident,
        precautions=payload["precautions"],
        reason=reason,
        asked_by=asker,
        confirmed_by=by.person_behind,
        begun_at=now,
        expires_at=now + timedelta(minutes=payload["minutes"]),
        task=task,
        review_due_at=due_at,
    )
    broken.save_as(by, reason=reason)
    says = (
        f"Glass was broken by {asker} and {by.name}, until "
        f"{broken.expires_at:%Y-%m-%d %H:%M} UTC: {', '.join(broken.precautions)}."
    )
    timelines.tell(incident, EntryKind.TASK, says, by=by)
    incidents.touch(incident)
    record(
        Verb.GLASS_BROKEN,
        broken,
        by=by,
        reason=reason,
        incident=incident.pk,
        precautions=broken.precautions,
        asked_by=str(asker),
        expires_at=broken.expires_at,
        review_due_at=due_at,
    )


@transaction.atomic
def end(broken_id: int, *, by: Actor, reason: str) -> BreakGlass:
    """Have every precaution count again, before its time; one person suffices."""
    broken = _locked(broken_id)
    require(by, May.HOLD, rollout=broken.rollout.key)
    if not is_in_force(broken):
        raise WrongMoment("It passes nothing over any more.", possible=["review"])
    broken.ended_at, broken.ended_by = clock.now(), by
    broken.save_as(by, reason=reason)
    record(Verb.GLASS_MENDED, broken, by=by, reason=reason)
    return broken


@transaction.atomic
def review(broken_id: int, finding: str, *, by: Actor, reason: str) -> BreakGlass:
    """Write down whether breaking the glass was right; what was late goes on."""
    broken = _locked(broken_id)
    require(by, May.WORK_INCIDENT, rollout=broken.rollout.key)
    person = by.person_behind
    domain.check_reviewer(
        person.pk if person else None,
        broken_by=[broken.asked_by_id, broken.confirmed_by_id],
    )
    if broken.reviewed_at is not None:
        raise WrongMoment("It was reviewed already.", possible=[])
    if is_in_force(broken):
        raise WrongMoment(
            "It is in force; end it first, or wait for its end.", possible=["end"]
        )
    if not (finding := redact(finding.strip())):
        raise Invalid(
            "Say what you have found.",
            errors=[{"pointer": "/finding", "detail": "is empty"}],
        )
    broken.reviewed_at, broken.reviewed_by = clock.now(), person
    broken.finding = finding
    broken.save_as(by, reason=reason)
    task = IncidentTask.objects.select_for_update(no_key=True).get(pk=broken.task_id)
    task.state = after(TaskState(task.state), Act.FINISH)
    task.ended_at = clock.now()
    task.save_as(by, reason=reason)
    timelines.tell(broken.incident, EntryKind.TASK, f"Reviewed: {finding}", by=by)
    record(
        Verb.GLASS_REVIEWED,
        broken,
        by=by,
        reason=reason,
        incident=broken.incident_id,
    )
    return broken


def is_in_force(broken: BreakGlass) -> bool:
    """Whether it passes anything over now."""
    return domain.is_in_force(
        expires_at=broken.expires_at,
        ended_at=broken.ended_at,
        is_over=broken.incident.is_over,
        now=clock.now(),
    )


def in_force(rollout_id: int | None = None) -> QuerySet[BreakGlass]:
    """What passes precautions over now."""
    found = BreakGlass.objects.filter(
        ended_at=None, expires_at__gt=clock.now(), incident__is_over=False
    ).select_related("incident", "rollout", "asked_by", "confirmed_by")
    return found if rollout_id is None else found.filter(rollout_id=rollout_id)


def overdue(rollout_id: int) -> QuerySet[BreakGlass]:
    """What nobody has reviewed in time."""
    return BreakGlass.objects.filter(
        rollout_id=rollout_id, reviewed_at=None, review_due_at__lte=clock.now()
    ).select_related("asked_by")


def passed_over(stage: Stage) -> dict[str, str]:
    """Which readiness checks of a stage are passed over now, and by what."""
    return {
        Precaution(precaution): f"{broken}, until {broken.expires_at:%H:%M} UTC"
        for broken in in_force(stage.rollout_id)
        for precaution in broken.precautions
    }


def freezes_of_late_reviews(rollout_id: int) -> list[Frozen]:
    """Expansion stands still until a late review is written; nobody lifts that."""
    return [
        Frozen(
            Scope.EXPANSION,
            f"the review of {broken} is late, which was due "
            f"{broken.review_due_at:%d %b %H:%M} UTC",
            str(broken.asked_by),
            None,
            link=f"/admin/drills/breakglass/{broken.pk}/change/",
        )
        for broken in overdue(rollout_id)
    ]


def _locked(broken_id: int) -> BreakGlass:
    known = BreakGlass.objects.filter(pk=broken_id).first()
    if known is None:
        raise NotFound(f"There is no break-glass {broken_id}.")
    incident = incidents.locked(known.incident_id)  # first, as everywhere
    broken = (
        BreakGlass.objects.select_for_update(of=["self"], no_key=True)
        .select_related("rollout")
        .get(pk=broken_id)
    )
    broken.incident = incident
    return broken


def check_task(task: IncidentTask) -> None:
    """Refuse to finish or drop a review as if it were any task."""
    if BreakGlass.objects.filter(task=task).exists():
        raise NotAllowed(
            "This task is done by the review of the broken glass, by a third person.",
            code="REVIEW_REQUIRED",
        )


break_glass = approvals.Approvable(
    act=BREAK,
    title="Break the glass",
    ask=May.REQUEST_EXPOSURE,
    confirm=May.CONFIRM_EXPOSURE,
    subject=lambda incident_id: incidents.locked(int(incident_id)),
    base=lambda incident: {"incident": incident.pk, "is_over": incident.is_over},
    check=_check,
    apply=_apply,
    rollout_of=lambda incident: incident.rollout.key,
    valid_for=CONFIRMED_WITHIN,
)
