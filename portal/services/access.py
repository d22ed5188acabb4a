"""Asking, inside every act, whether this actor may do it."""

from django.conf import settings

from portal.domain.roles import (
    GRANTS,
    HOST_GRANTS,
    SCOPE_GRANTS,
    SYSTEM_GRANTS,
    May,
    Scope,
    lacks,
    roles_that,
    scopes_that,
)
from portal.domain.second_factors import is_demanded
from portal.errors import NotAllowed
from portal.models import Actor, ActorKind, Authentication


def grants_of(by: Actor) -> frozenset[May]:
    """Everything that this actor may do, as far as the table of roles goes."""
    if by.kind == ActorKind.SYSTEM:
        from_host = by.authenticated_by == Authentication.HOST
        return HOST_GRANTS if from_host else SYSTEM_GRANTS
    if by.kind == ActorKind.TOKEN:
        scopes = [SCOPE_GRANTS[Scope(name)] for name in by.token.scopes]
        return frozenset().union(*scopes)
    if not by.person.is_active:
        return frozenset()
    return frozenset().union(*(GRANTS[role] for role in by.person.roles))


def may(by: Actor, act: May, *, rollout: str | None = None) -> bool:
    """Whether `require` would let this pass; for showing or hiding a button."""
    return act in grants_of(by) and _knows(by, rollout)


def require(by: Actor, act: May, *, rollout: str | None = None) -> None:
    """Refuse unless `by` may do this, here.

    `rollout` is the key of the rollout that it is done to; a token is good for its
    own rollout only. Raises `NotAllowed`, which names the roles that would do.
    """
    if by.kind == ActorKind.PERSON:
        by.person.forget_roles()  # a role that was taken away is gone at once
    if act not in grants_of(by):
        roles = [str(role) for role in roles_that(act)]
        detail = f"{by.name} may not do this ({act})." + (
            f" It takes one of: {', '.join(roles)}." if roles else ""
        )
        raise NotAllowed(
            lacks(by.name, act) if by.kind == ActorKind.TOKEN else detail,
            act=str(act),
            roles=roles,
            scopes=[str(scope) for scope in scopes_that(act)],
        )
    if not _knows(by, rollout):
        raise NotAllowed(
            f"The token {by.name} is not good for the rollout {rollout!r}.",
            code="WRONG_ROLLOUT",
            rollout=rollout,
        )


def require_password(by: Actor, *, first_factor_only: bool = False) -> None:
    """Refuse unless they have shown again who they are, for this very act.

    That is the password, and a code of the second factor from whoever has one or has
    to have one (`reauthentication.prove` makes such an actor). `first_factor_only` is
    for enrolling.
    """
    if by.authenticated_by == Authentication.PASSWORD_AND_CODE:
        return
    if by.authenticated_by != Authentication.PASSWORD:
        raise NotAllowed(
            "This needs your password again, in the admin.", code="PASSWORD_REQUIRED"
        )
    if first_factor_only:
        return
    if by.person.second_factor_since is not None:
        raise NotAllowed(
            "This needs a code of your second factor, too.", code="CODE_REQUIRED"
        )
    if is_demanded(by.person.roles, of=settings.SECOND_FACTOR_ROLES):
        raise NotAllowed(
            "Your role takes a second factor; enrol one first.",
            code="SECOND_FACTOR_REQUIRED",
        )


def _knows(by: Actor, rollout: str | None) -> bool:
    if by.kind != ActorKind.TOKEN or rollout is None:
        return True
    return by.token.rollout in ("", rollout)
