"""The emergency switch: engaged by one, released by two."""

from enum import StrEnum

from portal.errors import WrongMoment


class SwitchState(StrEnum):
    """Engaged means: Option C is off everywhere."""

    RELEASED = "released"
    ENGAGED = "engaged"


class Act(StrEnum):
    """What can be done with the switch."""

    ENGAGE = "engage"
    RELEASE = "release"


MOVES = {
    (SwitchState.RELEASED, Act.ENGAGE): SwitchState.ENGAGED,
    (SwitchState.ENGAGED, Act.ENGAGE): SwitchState.ENGAGED,  # throwing it never fails
    (SwitchState.ENGAGED, Act.RELEASE): SwitchState.RELEASED,
}


def after(state: SwitchState, act: Act) -> SwitchState:
    """The state that `act` leads to, or a refusal."""
    try:
        return MOVES[state, act]
    except KeyError:
        raise WrongMoment(
            "The switch is released already; there is nothing to release.",
            state=str(state),
            possible=[str(Act.ENGAGE)],
        ) from None
