"""Incidents: their life, their milestones, and what makes two of them the same."""

from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum

from portal.domain.canonical import digest_of
from portal.errors import Invalid, WrongMoment

LONGEST_TITLE = 200
LONGEST_NOTE = 5_000
# What comes back within this time after it was resolved is the same incident again.
REOPENS_WITHIN = timedelta(hours=24)


class Kind(StrEnum):
    """Whether it counts; said when it is opened, and never changed."""

    REAL = "real"
    DRILL = "drill"
    TEST = "test"


class Severity(IntEnum):
    """How bad it is; 1 is the worst."""

    CRITICAL = 1
    HIGH = 2
    MIDDLE = 3
    LOW = 4


BLOCKING = (Severity.CRITICAL, Severity.HIGH)  # nothing is exposed to more meanwhile


class State(StrEnum):
    """Where an incident is in its life."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"  # somebody works on it
    MITIGATED = "mitigated"  # nobody is harmed any more
    RESOLVED = "resolved"  # the cause is gone
    REVIEWED = "reviewed"  # it is written down what to learn from it
    CLOSED = "closed"
    CANCELLED = "cancelled"  # it was none


class Act(StrEnum):
    """What can happen to an incident."""

    ACKNOWLEDGE = "acknowledge"
    UNACKNOWLEDGE = "unacknowledge"  # nothing happened for too long
    MITIGATE = "mitigate"
    RESOLVE = "resolve"
    REVIEW = "review"
    CLOSE = "close"
    CANCEL = "cancel"
    REOPEN = "reopen"


_S, _A = State, Act
MOVES: dict[tuple[State, Act], State] = {
    (_S.OPEN, _A.ACKNOWLEDGE): _S.ACKNOWLEDGED,
    (_S.ACKNOWLEDGED, _A.UNACKNOWLEDGE): _S.OPEN,
    (_S.ACKNOWLEDGED, _A.MITIGATE): _S.MITIGATED,
    (_S.MITIGATED, _A.RESOLVE): _S.RESOLVED,
    (_S.RESOLVED, _A.REVIEW): _S.REVIEWED,
    (_S.REVIEWED, _A.CLOSE): _S.CLOSED,
    (_S.OPEN, _A.CANCEL): _S.CANCELLED,
    (_S.ACKNOWLEDGED, _A.CANCEL): _S.CANCELLED,
    (_S.MITIGATED, _A.CANCEL): _S.CANCELLED,
    (_S.MITIGATED, _A.REOPEN): _S.OPEN,  # it was not safe after all
    (_S.RESOLVED, _A.REOPEN): _S.OPEN,
    (_S.REVIEWED, _A.REOPEN): _S.OPEN,
}
ACTIVE = (_S.OPEN, _S.ACKNOWLEDGED, _S.MITIGATED)  # the cause is still there
OVER = (_S.CLOSED, _S.CANCELLED)  # nobody has anything to do any more


def possible(state: State) -> list[str]:
    """What can be done with an incident in this state."""
    return [str(act) for found, act in MOVES if found == state]


def after(state: State, act: Act) -> State:
    """The state that `act` leads to, or a refusal that says what is possible."""
    try:
        return MOVES[state, act]
    except KeyError:
        raise WrongMoment(
            f"An incident that is {state} cannot be told to {act}.",
            state=str(state),
            possible=possible(state),
        ) from None


# Milestones: when each state was reached, in this order.

MILESTONES: dict[Act, tuple[State, str]] = {
    _A.ACKNOWLEDGE: (_S.ACKNOWLEDGED, "acknowledged_at"),
    _A.MITIGATE: (_S.MITIGATED, "mitigated_at"),
    _A.RESOLVE: (_S.RESOLVED, "resolved_at"),
    _A.REVIEW: (_S.REVIEWED, "reviewed_at"),
    _A.CLOSE: (_S.CLOSED, "closed_at"),
    _A.CANCEL: (_S.CANCELLED, "cancelled_at"),
}
BACKWARDS = (_A.UNACKNOWLEDGE, _A.REOPEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Milestones:
    """When an incident was opened, and when it reached what it has reached since."""

    opened_at: datetime
    acknowledged_at: datetime | None = None
    mitigated_at: datetime | None = None
    resolved_at: datetime | None = None
    reviewed_at: datetime | None = None
    closed_at: datetime | None = None
    cancelled_at: datetime | None = None

    @property
    def latest(self) -> datetime:
        """The last one that was reached."""
        found: list[datetime | None] = [getattr(self, f.name) for f in fields(self)]
        return max(each for each in found if each is not None)

    def moved(self, act: Act, at: datetime, *, now: datetime) -> "Milestones":
        """The milestones after `act`, which happened `at`.

        What leads back takes away what was reached. Raises `Invalid` for a moment
        before the last milestone, or one to come.
        """
        if act in BACKWARDS:
            return Milestones(opened_at=self.opened_at)
        if not self.latest <= at <= now:
            raise Invalid(
                f"It cannot have been then: the last milestone was at "
                f"{self.latest:%Y-%m-%d %H:%M:%S} UTC, and it is "
                f"{now:%Y-%m-%d %H:%M:%S} UTC now.",
                code="MILESTONE_OUT_OF_ORDER",
                errors=[{"pointer": "/at", "detail": "is out of order"}],
            )
        return replace(self, **{MILESTONES[act][1]: at})


# What makes two of them the same


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What an incident is about: the same subject is the same incident.

    `configuration` is the fingerprint under which it happened; `topic` tells apart what
    people report.
    """

    rollout: str
    kind: Kind
    cause: str
    gate: str = ""
    stage: str = ""
    configuration: str = ""
    topic: str = ""

    @property
    def fingerprint(self) -> str:
        """The digest by which it is found again."""
        return digest_of([str(getattr(self, each.name)) for each in fields(self)])


def comes_back(state: State, resolved_at: datetime | None, *, now: datetime) -> bool:
    """Whether an incident that is no longer active opens again, or a new one does."""
    if (state, Act.REOPEN) not in MOVES or resolved_at is None:
        return False
    return now - resolved_at <= REOPENS_WITHIN


# Closing


def check_reviewable(
    severity: Severity, kind: Kind, *, has_written_postmortem: bool
) -> None:
    """Refuse to call an incident reviewed while nobody has written what it was."""
    if severity in BLOCKING and kind != Kind.TEST and not has_written_postmortem:
        raise WrongMoment(
            "An incident of severity 1 or 2 is reviewed in a postmortem that a person "
            "has written; so far there is none, or only the draft.",
            code="POSTMORTEM_MISSING",
            possible=["write the postmortem"],
        )


def check_closable(open_tasks: list[str]) -> None:
    """Refuse to close while something that has to be done is not."""
    if open_tasks:
        raise WrongMoment(
            f"Required tasks are open: {'; '.join(open_tasks[:10])}.",
            code="TASKS_OPEN",
            tasks=open_tasks[:10],
            possible=["finish the tasks", "drop them with a reason"],
        )
