"""When drills are due: said per scenario, looked at by the relay, told or started."""

from datetime import datetime, timedelta

from django.db import transaction

from drills.domain.drills import State
from drills.domain.verbs import Verb
from drills.models import Drill, DrillSchedule
from drills.services import drills
from portal import clock
from portal.domain.roles import May
from portal.errors import Invalid, Refusal
from portal.models import Actor
from portal.services import heartbeats
from portal.services.access import require
from portal.services.jobs import enqueue
from portal.services.ledger import record
from rollout.services import rollouts

DUE_JOB = "drills.jobs.meet_drill_schedule"
NAME = "drill schedules"
EVERY = timedelta(seconds=30)
REMINDS_EVERY = timedelta(days=1)
TRIES_AGAIN_AFTER = timedelta(hours=1)
LONGEST_DAYS = 366
MOST_AT_ONCE = 100


@transaction.atomic
def plan(
    rollout_key: str,
    name: str,
    every_days: int,
    *,
    by: Actor,
    reason: str,
    starts_by_itself: bool = False,
) -> DrillSchedule:
    """Have a scenario practised every so many days; a new plan replaces the old one."""
    require(by, May.CONDUCT_DRILL, rollout=rollout_key)
    scenario = drills.scenario_of(name)
    if not 1 <= every_days <= LONGEST_DAYS:
        raise Invalid(
            f"A drill is due every 1 to {LONGEST_DAYS} days.",
            errors=[{"pointer": "/every_days", "detail": f"is 1 to {LONGEST_DAYS}"}],
        )
    rollout = rollouts.locked(drills.live_rollout(rollout_key).pk)
    known = DrillSchedule.objects.filter(rollout=rollout, scenario=scenario).first()
    schedule = known or DrillSchedule(rollout=rollout, scenario=scenario)
    schedule.every_days = every_days
    schedule.starts_by_itself = starts_by_itself
    schedule.next_at = _next(schedule, clock.now())
    schedule.reminded_at = None
    schedule.save_as(by, reason=reason)
    record(
        Verb.DRILL_SCHEDULED,
        schedule,
        by=by,
        reason=reason,
        scenario=scenario,
        every_days=every_days,
        starts_by_itself=starts_by_itself,
        next_at=schedule.next_at,
    )
    return schedule


def _next(schedule: DrillSchedule, now: datetime) -> datetime:
    """So many days after the last drill that passed; now, if there was none."""
    passed = Drill.objects.filter(
        rollout=schedule.rollout, scenario=schedule.scenario, state=State.PASSED
    ).order_by("-ended_at")
    last = passed.values_list("ended_at", flat=True).first()
    return max(now, last + timedelta(days=schedule.every_days)) if last else now


def is_met(schedule: DrillSchedule) -> bool:
    """Whether a drill has passed since people were told that one is due."""
    passed = Drill.objects.filter(
        rollout=schedule.rollout_id,
        scenario=schedule.scenario,
        state=State.PASSED,
        ended_at__gte=schedule.reminded_at,
    )
    return passed.exists()


def sweep() -> int:
    """Ask a worker for every schedule that is due; how many there were."""
    heartbeats.beat(NAME)
    due = DrillSchedule.objects.filter(next_at__lte=clock.now()).order_by("next_at")
    found = list(due.values_list("pk", flat=True)[:MOST_AT_ONCE])
    for pk in found:
        enqueue(DUE_JOB, once=f"meet drill schedule {pk}", schedule_id=pk)
    return len(found)


@transaction.atomic
def meet(schedule_id: int, *, by: Actor, reason: str) -> bool:
    """Start what is due, or say that it is; whether it was due.

    Where no drill can begin now it is tried again later; people are told once a day.
    """
    require(by, May.CONDUCT_DRILL)
    schedule = (
        DrillSchedule.objects.select_for_update(of=["self"], no_key=True)
        .select_related("rollout")
        .get(pk=schedule_id)
    )
    now = clock.now()
    if schedule.next_at > now:
        return False
    schedule.next_at = _next(schedule, now)
    if schedule.next_at > now:  # somebody has conducted it meanwhile
        schedule.save(update_fields=["next_at"])
        return False
    says, started = "", None
    if schedule.starts_by_itself:
        try:
            with transaction.atomic():
                started = drills.start(
                    schedule.rollout.key, schedule.scenario, by=by, reason=reason
                )
        except Refusal as refusal:
            says = str(refusal)
    schedule.next_at = now + (TRIES_AGAIN_AFTER if says else REMINDS_EVERY)
    is_told = schedule.reminded_at is None or now - schedule.reminded_at > REMINDS_EVERY
    if started is None and not is_told:
        schedule.save(update_fields=["next_at"])
        return True
    schedule.reminded_at = now
    schedule.save(update_fields=["next_at", "reminded_at"])
    record(
        Verb.DRILL_DUE,
        schedule,
        by=by,
        reason=reason,
        scenario=schedule.scenario,
        started=started.pk if started else None,
        says=says,
    )
    return True
