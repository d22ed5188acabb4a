"""Tasks of an incident: somebody has to do something until then."""

from datetime import datetime, timedelta
from enum import StrEnum

from portal.errors import Invalid, WrongMoment

LONGEST = timedelta(days=365)


class TaskState(StrEnum):
    """Where a task is."""

    OPEN = "open"
    DONE = "done"
    DROPPED = "dropped"  # with a reason


class Act(StrEnum):
    """What can happen to a task."""

    FINISH = "finish"
    DROP = "drop"
    REOPEN = "reopen"


MOVES: dict[tuple[TaskState, Act], TaskState] = {
    (TaskState.OPEN, Act.FINISH): TaskState.DONE,
    (TaskState.OPEN, Act.DROP): TaskState.DROPPED,
    (TaskState.DONE, Act.REOPEN): TaskState.OPEN,
    (TaskState.DROPPED, Act.REOPEN): TaskState.OPEN,
}


def after(state: TaskState, act: Act) -> TaskState:
    """The state that `act` leads to, or a refusal that says what is possible."""
    try:
        return MOVES[state, act]
    except KeyError:
        raise WrongMoment(
            f"This task is {state}; it cannot be told to {act}.",
            state=str(state),
            possible=[str(each) for found, each in MOVES if found == state],
        ) from None


def check_due(due_at: datetime, *, now: datetime) -> None:
    """Refuse a task that is due before it is given, or in a far future."""
    if not now < due_at <= now + LONGEST:
        raise Invalid(
            f"A task is due at a time to come, within {LONGEST.days} days.",
            errors=[{"pointer": "/due_at", "detail": "is a time to come"}],
        )
