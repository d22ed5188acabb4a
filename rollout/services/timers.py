"""The watchdog's timer of a run; parts of the acts that hold the run's row."""

from datetime import datetime, timedelta

from rollout.domain.runs import FINAL, RunKind, RunStatus
from rollout.domain.watchdog import Timer, started, timeout_of
from rollout.models import Run


def start(run: Run, now: datetime) -> None:
    """A sign of life or of progress: the timer of this stage starts again."""
    run.stage_since = now
    _set(run, started(timeout_of(run.stage, run.timeouts), now), now)


def keep(run: Run, now: datetime) -> None:
    """Have the timer run, stand or be off, as the status says."""
    _set(run, Timer(run.times_out_at, run.time_left), now)


def follow_policy(run: Run, timeouts: dict[str, int], now: datetime) -> None:
    """Take the run's own timeouts; the stage that it is in is measured anew."""
    before = timeout_of(run.stage, run.timeouts)
    run.timeouts = timeouts
    more = timeout_of(run.stage, timeouts) - before
    _set(run, Timer(run.times_out_at, run.time_left).stretched(more), now)


def give_back(run: Run, paused: timedelta, now: datetime) -> bool:
    """Give a run the time in which it was paused and nobody knew; is it any?

    It is never more than the time that its timer has counted.
    """
    counted = max(now - run.stage_since, timedelta(0)) if run.stage_since else paused
    more = min(paused, counted)
    _set(run, Timer(run.times_out_at, run.time_left).stretched(more), now)
    return more > timedelta(0)


def _set(run: Run, timer: Timer, now: datetime) -> None:
    if run.kind == RunKind.IMPORTED or run.status in FINAL:
        timer = Timer()
    elif run.status == RunStatus.PAUSED:
        timer = timer.standing(now)
    else:
        timer = timer.going(now)
    run.times_out_at, run.time_left = timer.times_out_at, timer.time_left
