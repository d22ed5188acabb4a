"""Four eyes: somebody asks, somebody else confirms, and only what was asked."""

from datetime import datetime, timedelta
from enum import StrEnum

from portal.errors import NotAllowed, WrongMoment

VALID_FOR = timedelta(hours=24)


class ApprovalState(StrEnum):
    """Where a request for approval is."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    VOIDED = "voided"
    EXPIRED = "expired"


class Act(StrEnum):
    """What can be done with a pending request."""

    CONFIRM = "confirm"
    REJECT = "reject"
    WITHDRAW = "withdraw"
    VOID = "void"
    EXPIRE = "expire"


MOVES = {
    (ApprovalState.PENDING, Act.CONFIRM): ApprovalState.CONFIRMED,
    (ApprovalState.PENDING, Act.REJECT): ApprovalState.REJECTED,
    (ApprovalState.PENDING, Act.WITHDRAW): ApprovalState.WITHDRAWN,
    (ApprovalState.PENDING, Act.VOID): ApprovalState.VOIDED,
    (ApprovalState.PENDING, Act.EXPIRE): ApprovalState.EXPIRED,
}


def after(state: ApprovalState, act: Act) -> ApprovalState:
    """The state that `act` leads to, or a refusal."""
    try:
        return MOVES[state, act]
    except KeyError:
        raise WrongMoment(
            f"This request is {state}; only a pending one can be decided.",
            state=state,
            possible=[],
        ) from None


def check_another_person(*, requester: int | None, approver: int | None) -> None:
    """Refuse one person in both parts. A token counts as its owner."""
    if approver is None:
        raise NotAllowed("Only a person can confirm, not a token or the system.")
    if requester == approver:
        raise NotAllowed(
            "You asked for this yourself; another person has to confirm it.",
            code="CANNOT_CONFIRM_OWN_REQUEST",
        )


def check_unchanged(*, asked: str, found: str) -> None:
    """Refuse when what the request rests on is no longer what it was."""
    if asked != found:
        raise WrongMoment(
            "What this request rests on has changed since it was made. "
            "Look again and ask anew.",
            code="APPROVAL_STALE",
            possible=["request again"],
        )


def has_lapsed(expires_at: datetime, *, now: datetime) -> bool:
    """An old request confirms nothing."""
    return now >= expires_at
