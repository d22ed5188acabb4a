"""A job's life: wanted, handed over, running, and then done, or waiting, or dead."""

from datetime import timedelta
from enum import StrEnum

from portal.errors import WrongMoment


class Queue(StrEnum):
    """The queues; one worker process serves exactly one of them."""

    SAFETY = "safety"
    ROLLOUT = "rollout"
    DRILLS = "drills"
    DELIVERY = "delivery"


class JobState(StrEnum):
    """Where a job is."""

    WAITING = "waiting"  # wanted; perhaps not before a time; perhaps in Redis already
    RUNNING = "running"  # claimed by a worker, until its lease ends
    DONE = "done"
    DEAD = "dead"  # given up on; a person can requeue it with a reason


class Act(StrEnum):
    """What can happen to a job."""

    CLAIM = "claim"
    FINISH = "finish"
    RETRY = "retry"
    LAPSE = "lapse"
    BURY = "bury"
    REQUEUE = "requeue"


MOVES = {
    (JobState.WAITING, Act.CLAIM): JobState.RUNNING,
    (JobState.RUNNING, Act.FINISH): JobState.DONE,
    (JobState.RUNNING, Act.RETRY): JobState.WAITING,
    (JobState.RUNNING, Act.LAPSE): JobState.WAITING,
    (JobState.RUNNING, Act.BURY): JobState.DEAD,
    (JobState.WAITING, Act.BURY): JobState.DEAD,
    (JobState.DEAD, Act.REQUEUE): JobState.WAITING,
}


def after(state: JobState, act: Act) -> JobState:
    """The state that `act` leads to, or a refusal that says what is possible."""
    try:
        return MOVES[state, act]
    except KeyError:
        raise WrongMoment(
            f"A job that is {state} cannot {act}.",
            state=str(state),
            possible=[str(each) for found, each in MOVES if found == state],
        ) from None


MAX_ATTEMPTS = 8
LEASE = timedelta(seconds=20)


def backoff(attempt: int, *, chance: float) -> timedelta:
    """How long to wait before the next attempt: exponential, with full jitter.

    `chance` is uniform in [0, 1). The ceiling doubles from one second to five minutes.
    """
    ceiling = min(300.0, 2.0 ** max(0, attempt - 1))
    return timedelta(seconds=ceiling * chance)
