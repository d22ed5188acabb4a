"""What the portal asks of a run, and what can become of it."""

from enum import StrEnum

from portal.errors import Conflict


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
