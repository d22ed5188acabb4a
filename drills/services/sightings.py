"""Signs of incidents: noticed by whoever finds a cause, taken together by a worker.

Noticing only writes a row: it takes part in the transaction of what went wrong, locks
nothing and waits for nobody, however many notice the same at once.
"""

from datetime import datetime

from drills.domain import signs
from drills.domain.incidents import Kind, Subject
from drills.domain.signs import Origin
from drills.domain.timeline import LONGEST_SIGN
from drills.models import Sighting
from portal import clock
from portal.models import Actor
from portal.services.jobs import enqueue
from rollout.domain.runs import RunKind
from rollout.models import Rollout, RolloutKind, Run, Stage, TriggerFiring

TAKE_JOB = "drills.jobs.take_signs"
MOST_AT_ONCE = 200  # subjects in one sweep


def notice(cause: str, run: Run | None, *, by: Actor, **facts: object) -> None:
    """Write down a sign; a consequence of every cause (`rollout.services`).

    Imported runs tell of the past and of nothing that anybody could still do.
    """
    firing = facts.get("firing")
    if run is not None and run.kind == RunKind.IMPORTED:
        return
    if isinstance(firing, TriggerFiring):
        _notice_firing(firing, run)
    elif run is not None:
        _notice_in_run(str(cause), run, facts)


def _notice_in_run(cause: str, run: Run, facts: dict[str, object]) -> None:
    gates = facts.get("gates")
    first = gates[0] if isinstance(gates, list) and gates else ""
    origin = Origin(cause, str(facts.get("gate") or first))
    symptom = facts.get("symptom")
    says = getattr(symptom, "says", "") or signs.saying(origin)
    began = run.stage_since if cause == signs.Sign.TIMED_OUT else run.reported_at
    stage = run.attempt.stage if run.attempt is not None else None
    _write(
        run.rollout,
        _explained(origin, run),
        says,
        run=run,
        stage=stage,
        configuration=run.fingerprint,
        began_at=began,
    )


def _notice_firing(firing: TriggerFiring, run: Run | None) -> None:
    failed = firing.facts.get("failed_gates") or []
    origin = signs.of_trigger(firing.trigger.kind, failed)
    stage = firing.stage
    _write(
        stage.rollout,
        _explained(origin, run) if run is not None else origin,
        f"The trigger {firing.trigger.key} fired ({firing.action}, "
        f"{firing.outcome}): {firing.says}",
        run=run,
        stage=stage,
        configuration=run.fingerprint if run else firing.attempt.fingerprint,
        began_at=run.reported_at if run else None,
        firing=firing,
    )


def _explained(origin: Origin, run: Run) -> Origin:
    if origin not in signs.EXPLAINED_BY:
        return origin
    return signs.explained(origin, set(run.symptoms.values_list("kind", flat=True)))


def _write(
    rollout: Rollout,
    origin: Origin,
    says: str,
    *,
    run: Run | None,
    stage: Stage | None,
    configuration: str,
    began_at: datetime | None,
    firing: TriggerFiring | None = None,
) -> None:
    is_drill = rollout.kind == RolloutKind.DRILL or (
        run is not None and run.kind == RunKind.DRILL
    )
    now = clock.now()
    subject = Subject(
        rollout=rollout.key,
        kind=Kind.DRILL if is_drill else Kind.REAL,
        cause=origin.sign,
        gate=origin.gate,
        stage=stage.key if stage else "",
        configuration=configuration,
    )
    Sighting.objects.create(
        rollout=rollout,
        kind=subject.kind,
        cause=subject.cause,
        gate=subject.gate,
        stage=stage,
        configuration=configuration,
        fingerprint=subject.fingerprint,
        run=run,
        firing=firing,
        says=" ".join(says.split())[:LONGEST_SIGN],
        began_at=min(began_at or now, now),
        noticed_at=now,
    )


def sweep() -> int:
    """Ask for the signs of every subject to be taken; how many subjects there are."""
    subjects = Sighting.objects.order_by().values_list("fingerprint", flat=True)
    waiting = list(subjects.distinct()[:MOST_AT_ONCE])
    for fingerprint in waiting:
        enqueue(TAKE_JOB, once=f"take signs {fingerprint}", fingerprint=fingerprint)
    return len(waiting)
