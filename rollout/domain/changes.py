"""Change requests: what can be done with a proposed edit of the configuration."""

from datetime import datetime, timedelta
from enum import StrEnum

from portal.errors import Conflict, Invalid, NotAllowed, WrongMoment
from rollout.domain.exposure import Risk

VALID_FOR = timedelta(days=14)
PREVIEWED = timedelta(days=7)  # of recorded decisions, made again with the change
MOST_PREVIEWED = 2_000


class ChangeState(StrEnum):
    """Where a change request is."""

    OPEN = "open"
    APPROVED = "approved"
    SCHEDULED = "scheduled"
    BLOCKED = "blocked"  # its time came, and it could not be applied
    APPLIED = "applied"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class Origin(StrEnum):
    """Where a change's new configuration came from."""

    EDIT = "edit"
    IMPORT = "import"
    RESTORE = "restore"


class Act(StrEnum):
    """What can be done with a change request."""

    EDIT = "edit"
    APPROVE = "approve"
    REJECT = "reject"
    SCHEDULE = "schedule"
    APPLY = "apply"
    BLOCK = "block"
    CANCEL = "cancel"
    EXPIRE = "expire"


_S, _A = ChangeState, Act
PENDING = (_S.OPEN, _S.APPROVED, _S.SCHEDULED, _S.BLOCKED)
MOVES: dict[tuple[ChangeState, Act], ChangeState] = {
    **{(state, _A.EDIT): _S.OPEN for state in PENDING},  # and every approval is void
    (_S.OPEN, _A.APPROVE): _S.APPROVED,
    **{(state, _A.REJECT): _S.REJECTED for state in PENDING},
    (_S.OPEN, _A.SCHEDULE): _S.SCHEDULED,
    (_S.APPROVED, _A.SCHEDULE): _S.SCHEDULED,
    (_S.SCHEDULED, _A.SCHEDULE): _S.SCHEDULED,
    (_S.OPEN, _A.APPLY): _S.APPLIED,
    (_S.APPROVED, _A.APPLY): _S.APPLIED,
    (_S.SCHEDULED, _A.APPLY): _S.APPLIED,
    (_S.SCHEDULED, _A.BLOCK): _S.BLOCKED,
    **{(state, _A.CANCEL): _S.CANCELLED for state in PENDING},
    **{(state, _A.EXPIRE): _S.EXPIRED for state in PENDING},
}


def after(state: ChangeState, act: Act) -> ChangeState:
    """The state that `act` leads to, or a refusal that says what is possible."""
    try:
        return MOVES[state, act]
    except KeyError:
        raise WrongMoment(
            f"A change that is {state} cannot {act}.",
            state=str(state),
            possible=[str(each) for found, each in MOVES if found == state],
        ) from None


def check_agreed(
    risk: Risk, *, author: int | None, approver: int | None, is_still_entitled: bool
) -> None:
    """Refuse to use a change that takes approval and has none that still counts.

    `author` and `approver` are people; a token counts as its owner.
    """
    if not risk.takes_approval:
        return
    if approver is None:
        raise WrongMoment(
            "This exposes more than before, or may: another person has to approve it.",
            code="APPROVAL_REQUIRED",
            possible=["approve"],
        )
    if author is None or author == approver:
        raise NotAllowed(
            "Whoever proposed a change does not approve it.",
            code="CANNOT_CONFIRM_OWN_REQUEST",
        )
    if not is_still_entitled:
        raise WrongMoment(
            "Whoever approved this may not do so any more; it has to be approved anew.",
            code="APPROVAL_STALE",
            possible=["edit"],
        )


def check_base(*, rests_on: str, found: str, moved: list[dict[str, object]]) -> None:
    """Refuse a change whose base has moved; `moved` is where it conflicts, if so."""
    if rests_on == found:
        return
    where = ", ".join(str(each["path"]) for each in moved)
    raise Conflict(
        "The configuration has changed since this was proposed"
        + (f", also where this edits it: {where}." if where else ", elsewhere.")
        + " Put it on the newest configuration and have it approved anew.",
        code="CHANGE_BASE_MOVED",
        conflicts=moved,
        possible=["edit"],
    )


def check_unexpired(expires_at: datetime, *, now: datetime) -> None:
    """Refuse a change whose time is over; it has to be proposed anew."""
    if now >= expires_at:
        raise WrongMoment(
            "This change has expired; it has to be proposed anew.",
            code="CHANGE_EXPIRED",
            expired_at=expires_at.isoformat(),
            possible=[],
        )


def check_due(at: datetime, *, now: datetime, expires_at: datetime) -> None:
    """Refuse a schedule in the past, or after the change has expired."""
    if now < at < expires_at:
        return
    raise Invalid(
        "A change is scheduled for a time that is still to come, before it expires.",
        errors=[
            {
                "pointer": "/at",
                "detail": f"is between now and {expires_at.isoformat()}",
            }
        ],
    )
