"""Drills: their life, when they count, and until when."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from portal.errors import NotAllowed, WrongMoment
from rollout.domain.scanning import Verdict as ScanVerdict

VALID_FOR = timedelta(days=30)  # decision 22
WARNS_FOR = timedelta(days=5)
LONGEST_TEXT = 5_000
NO_OBSERVER = "no observer has confirmed it"


class Means(StrEnum):
    """How a drill is carried out."""

    MACHINE = "machine"  # a worker drives a real process
    HAND = "hand"  # people did it, and wrote it down


class State(StrEnum):
    """Where a drill is in its life; the last three are verdicts."""

    WAITING = "waiting"
    RUNNING = "running"
    PASSED = "passed"
    FAILED = "failed"
    ABORTED = "aborted"


class Act(StrEnum):
    """What can happen to a drill."""

    BEGIN = "begin"
    PASS = "pass"
    FAIL = "fail"
    ABORT = "abort"


MOVES = {
    (State.WAITING, Act.BEGIN): State.RUNNING,
    (State.WAITING, Act.ABORT): State.ABORTED,
    (State.RUNNING, Act.PASS): State.PASSED,
    (State.RUNNING, Act.FAIL): State.FAILED,
    (State.RUNNING, Act.ABORT): State.ABORTED,
}
UNDER_WAY = (State.WAITING, State.RUNNING)
VERDICTS = (State.PASSED, State.FAILED, State.ABORTED)


def after(state: State, act: Act) -> State:
    """The state that `act` leads to, or a refusal that says what is possible."""
    try:
        return MOVES[state, act]
    except KeyError:
        raise WrongMoment(
            f"A drill that is {state} cannot {act}.",
            state=str(state),
            possible=[str(each) for found, each in MOVES if found == state],
        ) from None


class Outcome(StrEnum):
    """What came of one step."""

    AS_EXPECTED = "as_expected"
    LATE = "late"  # as expected, and later than its target
    OTHERWISE = "otherwise"
    NOT_DONE = "not_done"


class Moment(StrEnum):
    """When an artifact was captured."""

    BEFORE = "before"
    AFTER = "after"
    UPLOADED = "uploaded"  # by hand


@dataclass(frozen=True, slots=True)
class Done:
    """What a verdict rests on: one step, what came of it, and what was seen."""

    title: str
    outcome: Outcome
    actual: str


def verdict(steps: Collection[Done], *, planned: int) -> tuple[Act, list[str]]:
    """Whether a drill that was not stopped has passed, and every reason why not."""
    against = [
        f"{step.title} {_SAYS[step.outcome]}: {step.actual}"
        for step in steps
        if step.outcome != Outcome.AS_EXPECTED
    ]
    missing = planned - len(steps)
    if missing > 0:
        against.append(f"{missing} of {planned} steps were not carried out.")
    return (Act.FAIL if against else Act.PASS), against


_SAYS = {
    Outcome.LATE: "It came too late",
    Outcome.OTHERWISE: "It went otherwise",
    Outcome.NOT_DONE: "It was not done",
}


# Counting


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What decides whether a drill counts; `scan` is the worst of its captures now.

    `captured` is how many artifacts it has from before and after, or uploaded.
    """

    state: State
    ended_at: datetime | None
    is_observed: bool
    captured: int
    scan: ScanVerdict | None
    fingerprint: str
    environment: str


@dataclass(frozen=True, slots=True)
class Terms:
    """Under which circumstances a drill has to count: those of the stage, now."""

    now: datetime
    fingerprint: str
    environment: str


class Validity(StrEnum):
    """What a drill says about today."""

    VALID = "valid"
    DUE_SOON = "due_soon"  # it counts, and will not for much longer
    EXPIRED = "expired"
    INVALIDATED = "invalidated"  # what it was tried on is no longer what is there
    NOT_COUNTED = "not_counted"


COUNTS = (Validity.VALID, Validity.DUE_SOON)


def lacking(facts: Facts) -> list[str]:
    """What a drill lacks before it counts at all, each a sentence."""
    found = []
    if facts.state != State.PASSED:
        found.append(f"it is {facts.state}, not passed")
    if not facts.captured:
        found.append("it has no captured artifacts")
    if facts.captured and facts.scan is None:
        found.append("its artifacts were not scanned")
    elif facts.captured and facts.scan != ScanVerdict.CLEAN:
        found.append(f"the scan of its artifacts is not clean ({facts.scan})")
    if not facts.is_observed:
        found.append(NO_OBSERVER)
    return found


def counts_until(facts: Facts) -> datetime | None:
    """When a drill that counts becomes too old."""
    return None if facts.ended_at is None else facts.ended_at + VALID_FOR


def validity(facts: Facts, terms: Terms) -> tuple[Validity, str]:
    """What a drill says about today, and why."""
    if missing := lacking(facts):
        return Validity.NOT_COUNTED, "; ".join(missing)
    if facts.fingerprint != terms.fingerprint:
        return Validity.INVALIDATED, "the configuration has changed since"
    if facts.environment != terms.environment:
        return Validity.INVALIDATED, f"it was conducted in {facts.environment!r}"
    until = counts_until(facts)
    if until is None or until <= terms.now:
        return Validity.EXPIRED, f"it is older than {VALID_FOR.days} days"
    if until - terms.now <= WARNS_FOR:
        return Validity.DUE_SOON, f"it counts until {until:%Y-%m-%d}"
    return Validity.VALID, f"it counts until {until:%Y-%m-%d}"


def check_observer(conductor: int | None, observer: int | None) -> None:
    """Refuse whoever conducted it, and whoever is nobody in particular.

    Both are ids of people; a conductor without one is the portal's host.
    """
    if observer is None:
        raise NotAllowed(
            "A drill is observed by a person, not by a token or a machine.",
            code="OBSERVER_IS_NO_PERSON",
        )
    if observer == conductor:
        raise NotAllowed(
            "Whoever conducted a drill does not observe it; it takes another person.",
            code="OBSERVER_IS_CONDUCTOR",
        )


def worst(verdicts: Collection[ScanVerdict]) -> ScanVerdict | None:
    """The verdict that counts for all of them together; None when there is none."""
    return max(verdicts, key=SEVERITY.index, default=None)


SEVERITY = (
    ScanVerdict.CLEAN,
    ScanVerdict.UNSCANNABLE,
    ScanVerdict.FLAGGED,
    ScanVerdict.BLOCKED,
)
