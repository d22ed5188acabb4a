"""Rules about people and their roles."""

from datetime import datetime, timedelta

from portal.domain.roles import Role
from portal.errors import Invalid, NotAllowed

WAITS = timedelta(hours=24)


def check_grant(*, to: int, by: int | None) -> None:
    """Nobody gives themselves a role."""
    if to == by:
        raise NotAllowed(
            "Nobody can grant a role to themselves; ask another administrator.",
            code="CANNOT_GRANT_TO_ONESELF",
        )


def role_named(name: str) -> Role:
    """The role of that name, or a refusal that lists them."""
    try:
        return Role(name)
    except ValueError:
        raise Invalid(
            f"There is no role {name!r}. The roles are: {', '.join(Role)}.",
            errors=[{"pointer": "/role", "detail": "unknown role"}],
        ) from None


def signs_from(
    *, granted_at: datetime, at_installation: bool, reset_at: datetime | None
) -> datetime:
    """From when on somebody may sign with a role.

    A new role waits, unless it was set at the installation; and so does everybody whose
    password or second factor somebody else has just reset: it may be that somebody.
    """
    from_role = granted_at if at_installation else granted_at + WAITS
    return max(from_role, reset_at + WAITS) if reset_at else from_role
