"""What the portal asks of a run, and what can become of it."""

from enum import StrEnum

from portal.errors import Conflict, Invalid
from rollout.domain.runs import FINAL, RunStatus


class DirectiveKind(StrEnum):
    """What is asked; `reroute` sends the run to the standard workflow at once."""

    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    REROUTE = "reroute"


class DirectiveState(StrEnum):
    """A directive is sent again and again until it leaves `issued`."""

    ISSUED = "issued"
    ACKNOWLEDGED = "acknowledged"
    SUPERSEDED = "superseded"  # another one took its place
    CLOSED = "closed"  # the run ended before it could follow


class Proof(StrEnum):
    """What the manifest that an acknowledgement names says of it."""

    UNNAMED = "unnamed"  # the acknowledgement names no manifest
    AWAITED = "awaited"  # that manifest has not arrived yet
    SHOWN = "shown"  # it says that the run has followed
    CONTRADICTED = "contradicted"  # it says otherwise


class Act(StrEnum):
    """What can happen to a directive."""

    ACKNOWLEDGE = "acknowledge"
    SUPERSEDE = "supersede"
    CLOSE = "close"


MOVES: dict[tuple[DirectiveState, Act], DirectiveState] = {
    (DirectiveState.ISSUED, Act.ACKNOWLEDGE): DirectiveState.ACKNOWLEDGED,
    (DirectiveState.ISSUED, Act.SUPERSEDE): DirectiveState.SUPERSEDED,
    (DirectiveState.ISSUED, Act.CLOSE): DirectiveState.CLOSED,
}

# These make sense only while a run goes on; the others still have to reach a run that
# the portal has ended but that may not know it.
FOR_OPEN_RUNS = frozenset({DirectiveKind.PAUSE, DirectiveKind.RESUME})
DUE_AFTER_S = 60
REROUTED = "rerouted"  # why the portal ended a run
STOPS = frozenset({DirectiveKind.CANCEL, DirectiveKind.REROUTE})
SHOWS: dict[DirectiveKind, frozenset[RunStatus]] = {
    DirectiveKind.PAUSE: frozenset({RunStatus.PAUSED}),
    DirectiveKind.RESUME: frozenset({RunStatus.RUNNING, RunStatus.COMPLETED}),
    **dict.fromkeys(STOPS, FINAL),
}


def proof(kind: DirectiveKind, *, revision: int | None, reported: str | None) -> Proof:
    """Whether the manifest with this revision shows that a run has followed.

    `reported` is the status in it; None as long as it has not arrived.
    """
    if revision is None:
        return Proof.UNNAMED
    if reported is None:
        return Proof.AWAITED
    return Proof.SHOWN if reported in SHOWS[kind] else Proof.CONTRADICTED


def kind_of(said: str) -> DirectiveKind:
    """What is asked, or `Invalid` (DIRECTIVE_UNKNOWN)."""
    try:
        return DirectiveKind(said)
    except ValueError:
        raise Invalid(
            f"A directive is {', '.join(DirectiveKind)}; {said!r} is none.",
            code="DIRECTIVE_UNKNOWN",
            errors=[{"pointer": "/kind", "detail": "is not known"}],
        ) from None


def after(state: DirectiveState, act: Act) -> DirectiveState:
    """The state that `act` leads to; `Conflict` (DIRECTIVE_STALE) if it is over."""
    try:
        return MOVES[state, act]
    except KeyError:
        raise Conflict(
            f"This directive is {state}; it cannot be {_PAST[act]} any more.",
            code="DIRECTIVE_STALE",
            state=str(state),
        ) from None


_PAST = {
    Act.ACKNOWLEDGE: "acknowledged",
    Act.SUPERSEDE: "superseded",
    Act.CLOSE: "closed",
}
