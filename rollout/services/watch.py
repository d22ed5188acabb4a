"""The watch over an open stage after its plan's last run: late degradation.

It goes on from where it stopped, in the order of starting and only over runs that are
settled, so that each run is seen once and costs the same whatever lies behind.
"""

from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction

from portal import clock
from portal.domain.roles import May
from portal.models import Actor
from portal.services import heartbeats
from portal.services.access import require
from portal.services.jobs import enqueue
from portal.services.ledger import record
from rollout.domain.degradation import Detector
from rollout.domain.evidence import Outcome, RunFacts, outcome, settled_prefix
from rollout.domain.stages import StagePlan
from rollout.domain.triggers import TriggerKind
from rollout.domain.verbs import Verb
from rollout.models import OPEN_STATES, Attempt, RolloutKind, Watch
from rollout.services import evidence, stages, triggers

NAME = "watch"
EVERY = timedelta(seconds=30)
WATCH_JOB = "rollout.jobs.watch_stage"
MOST_AT_ONCE = 500  # of one look; the next one goes on


def sweep() -> None:
    """Have every open stage watched that has had more runs than its plan asks for."""
    heartbeats.beat(NAME)
    opened = Attempt.objects.filter(
        ended_at=None,
        stage__state__in=OPEN_STATES,
        stage__rollout__kind=RolloutKind.LIVE,
    ).select_related("stage")
    for attempt in opened:
        most = StagePlan.from_json(attempt.stage.plan).max_runs
        if attempt.runs.filter(start_order__gt=most).exists():
            stage_id = attempt.stage_id
            enqueue(WATCH_JOB, once=f"watch {stage_id}", stage_id=stage_id)


@dataclass(frozen=True, slots=True)
class Alarm:
    """A gate was found to pass less often than it should, at this run."""

    gate: str
    at: int
    floor: float

    @property
    def says(self) -> str:
        """The alarm in words."""
        return f"Gate {self.gate} has come to pass in less than {self.floor:.0%}."


@transaction.atomic
def look(stage_id: int, *, by: Actor, reason: str) -> list[Alarm]:
    """Go on with the watch over the judged gates of an open stage; have alarms fire."""
    stage = stages.locked(stage_id)
    require(by, May.HOLD, rollout=stage.rollout.key)
    attempt = stages.open_attempt(stage)
    plan = StagePlan.from_json(stage.plan)
    watching = triggers.live(stage.rollout, TriggerKind.DEGRADED_LATE)
    if attempt is None or plan.floor is None or not watching:
        return []
    least = min(each.at_least for each in watching if each.at_least)
    alarms = _go_on(attempt, plan, plan.floor, least)
    for alarm in alarms:
        record(
            Verb.STAGE_DEGRADED_LATE,
            stage,
            by=by,
            reason=alarm.says,
            attempt=attempt.number,
            gate=alarm.gate,
            run=alarm.at,
            floor=alarm.floor,
            least_run_length=least,
        )
        subject = f"gate {alarm.gate} at run {alarm.at} of attempt {attempt.pk}"
        triggers.consider_degradation(
            stage.pk, subject, alarm.says, by=by, reason=reason
        )
    return alarms


def _go_on(attempt: Attempt, plan: StagePlan, floor: float, least: int) -> list[Alarm]:
    known = {watch.gate: watch for watch in attempt.watches.all()}
    watches = [
        known.get(gate)
        or Watch(attempt=attempt, gate=gate, floor=floor, upto=plan.max_runs)
        for gate in plan.judged_gates
    ]
    runs = evidence.later(
        attempt, after=min(watch.upto for watch in watches), most=MOST_AT_ONCE
    )
    max_open = timedelta(seconds=plan.max_open_s)
    settled = settled_prefix(runs, now=clock.now(), max_open=max_open)
    return [alarm for watch in watches for alarm in _see(watch, settled, floor, least)]


def _see(
    watch: Watch, settled: list[RunFacts], floor: float, least: int
) -> list[Alarm]:
    """Let a watch see the runs that are new to it, and remember where it is."""
    now, alarms = clock.now(), []
    fresh = Detector(floor, least)
    detector = fresh
    if watch.sums and watch.floor == floor:  # bets on another floor are off
        detector = Detector(floor, least, watch.runs, tuple(watch.sums))
    for run in settled:
        if run.start_order <= watch.upto:
            continue
        watch.upto = run.start_order
        said = outcome(run, watch.gate, now=now, latency_budget=None)
        # What is unknown speaks against nobody; what hangs has a trigger of its own.
        if said in (Outcome.PASS, Outcome.FAIL):
            detector = detector.after(said == Outcome.PASS)
        if detector.alarmed_at is not None:
            alarms.append(Alarm(watch.gate, run.start_order, floor))
            detector = fresh
    watch.floor, watch.runs, watch.sums = floor, detector.runs, list(detector.sums)
    watch.seen_at = now
    watch.save()
    return alarms
