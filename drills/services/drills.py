"""Drills: asked for, stopped, observed, and whether they count."""

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from drills.domain import drills as domain
from drills.domain.drills import Act, Means, State
from drills.domain.scenarios import CHECKLIST, PLANS, Scenario
from drills.domain.verbs import Verb
from drills.models import Drill, DrillNote
from drills.services import obstacles, standing, twins
from portal import clock
from portal.domain.redaction import redact
from portal.domain.roles import May
from portal.errors import Conflict, Invalid, NotFound, WrongMoment
from portal.models import Actor
from portal.services.access import require
from portal.services.jobs import enqueue
from portal.services.ledger import record
from rollout.models import OPEN_STATES, Rollout, RolloutKind, Stage
from rollout.services import rollouts, stages

CONDUCT_JOB = "drills.jobs.conduct_drill"


def scenario_of(name: str) -> Scenario:
    """The scenario of that name, or a refusal that lists them."""
    if name not in set(Scenario):
        raise Invalid(
            f"There is no scenario {name!r}; there are {', '.join(Scenario)}.",
            errors=[{"pointer": "/scenario", "detail": "is not known"}],
        )
    return Scenario(name)


def stage_of(rollout: Rollout, key: str = "") -> Stage:
    """The stage that is meant: the one named, the open one, or else the first."""
    if key:
        return stages.find(rollout.key, key)
    opened = rollout.stages.filter(state__in=OPEN_STATES).first()
    found = opened or rollout.stages.order_by("position").first()
    if found is None:
        raise NotFound(f"{rollout.key} has no stage.")
    return found


def live_rollout(key: str) -> Rollout:
    """The rollout, which is not itself the twin of a drill."""
    rollout = rollouts.find(key)
    if rollout.kind != RolloutKind.LIVE:
        raise WrongMoment(f"{key} is the twin of a drill itself.", possible=[])
    return rollout


@transaction.atomic
def start(
    rollout_key: str, name: str, *, by: Actor, reason: str, stage_key: str = ""
) -> Drill:
    """Have a worker conduct a drill, on a twin of the rollout.

    Raises `WrongMoment` (DRILL_OBSTRUCTED) while the lever is pulled, a real incident
    of severity 1 or 2 is open or the rollout is frozen, and `Conflict` (DRILL_RUNNING)
    while another drill of the rollout is under way.
    """
    require(by, May.CONDUCT_DRILL, rollout=rollout_key)
    scenario = scenario_of(name)
    rollout = live_rollout(rollout_key)
    obstacles.check(rollout)
    stage = stage_of(rollout, stage_key)
    drill = Drill(
        rollout=rollout,
        stage=stage,
        scenario=scenario,
        means=Means.MACHINE,
        environment=settings.ENVIRONMENT,
        fingerprint=twins.fingerprint_of(stage),
        plan=[step.to_json() for step in PLANS[scenario].steps],
        reason=reason,
        conductor=by,
        asked_at=clock.now(),
    )
    try:
        with transaction.atomic():
            drill.save_as(by, reason=reason)
    except IntegrityError:
        other = under_way().filter(rollout=rollout).first()
        raise Conflict(
            f"Another drill of {rollout.key} is under way ({other}); there is one at "
            "a time.",
            code="DRILL_RUNNING",
            drill=other.pk if other else None,
        ) from None
    enqueue(CONDUCT_JOB, drill_id=drill.pk)
    record(
        Verb.DRILL_ASKED,
        drill,
        by=by,
        reason=reason,
        scenario=scenario,
        stage=stage.key,
        fingerprint=drill.fingerprint,
        environment=drill.environment,
    )
    return drill


def under_way() -> QuerySet[Drill]:
    """Drills that wait or go on now."""
    return Drill.objects.filter(state__in=list(domain.UNDER_WAY))


@transaction.atomic
def stop(drill_id: int, *, by: Actor, reason: str) -> Drill:
    """Have a drill end soon, and put back what it has changed. Twice is once."""
    drill = twins.locked(drill_id)
    require(by, May.HOLD, rollout=drill.rollout.key)
    if drill.state not in domain.UNDER_WAY:
        domain.after(State(drill.state), Act.ABORT)
    if drill.stop_reason:
        return drill
    drill.stop_reason = redact(reason)
    is_waiting = drill.state == State.WAITING
    if is_waiting:
        drill.state = domain.after(State(drill.state), Act.ABORT)
        drill.ended_at, drill.reasons = clock.now(), [drill.stop_reason]
    drill.save_as(by, reason=reason)
    verb = Verb.DRILL_ABORTED if is_waiting else Verb.DRILL_STOPPING
    record(verb, drill, by=by, reason=reason)
    return drill


@transaction.atomic
def note(
    drill_id: int, text: str, *, by: Actor, reason: str, item: str = ""
) -> DrillNote:
    """Write down what somebody has seen, or answer an item of the checklist."""
    drill = twins.locked(drill_id)
    require(by, May.OBSERVE_DRILL, rollout=drill.rollout.key)
    made = _note(drill, text, item, by=by)
    record(
        Verb.DRILL_NOTED, drill, by=by, reason=reason, item=item, text=redact(made.text)
    )
    return made


def _note(drill: Drill, text: str, item: str, *, by: Actor) -> DrillNote:
    text = text.strip()
    if item and item not in CHECKLIST:
        raise Invalid(
            f"There is no item {item!r}; there are {', '.join(CHECKLIST)}.",
            errors=[{"pointer": "/item", "detail": "is not known"}],
        )
    if not 0 < len(text) <= domain.LONGEST_TEXT:
        raise Invalid(
            f"A note has 1 to {domain.LONGEST_TEXT} characters.",
            errors=[{"pointer": "/text", "detail": "is too short or too long"}],
        )
    made = DrillNote(
        drill=drill, item=item, text=redact(text), noted_by=by, noted_at=clock.now()
    )
    made.save()
    return made


@transaction.atomic
def observe(drill_id: int, text: str, *, by: Actor, reason: str) -> Drill:
    """Confirm as another person that a drill went as it says; then it counts.

    Raises `NotAllowed` for its conductor, and `WrongMoment` (DRILL_LACKING) for a drill
    that would not count anyway, with what it lacks.
    """
    drill = twins.locked(drill_id)
    require(by, May.OBSERVE_DRILL, rollout=drill.rollout.key)
    conductor, observer = drill.conductor.person_behind, by.person_behind
    domain.check_observer(
        conductor.pk if conductor else None,
        observer.pk if observer and by.person is not None else None,
    )
    if drill.observer is not None:
        raise WrongMoment(
            f"{drill.observer} has confirmed it already.", possible=["note"]
        )
    facts = standing.facts_of(drill)
    missing = [each for each in domain.lacking(facts) if each != domain.NO_OBSERVER]
    if missing:
        raise WrongMoment(
            f"It would not count: {'; '.join(missing)}.",
            code="DRILL_LACKING",
            lacking=missing,
            possible=["note", "start"],
        )
    if text.strip():
        _note(drill, text, "", by=by)
    drill.observer, drill.observed_at = by, clock.now()
    drill.save_as(by, reason=reason)
    record(
        Verb.DRILL_OBSERVED,
        drill,
        by=by,
        reason=reason,
        conductor=str(drill.conductor),
        counts_until=domain.counts_until(facts),
    )
    return drill
