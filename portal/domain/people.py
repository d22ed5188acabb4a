"""Rules about people and their roles."""

from portal.domain.roles import Role
from portal.errors import Invalid, NotAllowed


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
