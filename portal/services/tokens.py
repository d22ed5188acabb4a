"""API tokens: made once, shown once, checked at every request."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import transaction

from portal import clock
from portal.domain.roles import May, Scope
from portal.domain.tokens import is_well_formed, keyed_hash, shown, spell
from portal.domain.verbs import Verb
from portal.errors import Invalid, NotFound, Refusal, WrongMoment
from portal.models import Actor, ApiToken, Authentication, Person
from portal.services import actors, bell
from portal.services.access import require
from portal.services.ledger import record

DEFAULT_LIFE = timedelta(days=90)
LONGEST_LIFE = timedelta(days=366)
OVERLAP = timedelta(hours=24)
NOTE_USE_EVERY = timedelta(minutes=1)
LONGEST_LOAN = timedelta(hours=1)


class BadToken(Refusal):
    """This token lets nobody in."""

    code = "TOKEN_INVALID"


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token that has just been made; `text` is never to be had again."""

    token: ApiToken
    text: str


@transaction.atomic
def create(
    name: str,
    *,
    owner: Person,
    scopes: Iterable[str],
    by: Actor,
    reason: str,
    rollout: str = "",
    life: timedelta = DEFAULT_LIFE,
) -> NewToken:
    """Make a token for a service; its owner answers for it."""
    require(by, May.MANAGE_ACCESS)
    wanted = _checked_scopes(scopes)
    if not timedelta(0) < life <= LONGEST_LIFE:
        raise Invalid(f"A token lives for at most {LONGEST_LIFE.days} days.")
    new = _make(name, owner, wanted, rollout, life)
    new.token.save_as(by, reason=reason)
    bell.ring(bell.EDGE)
    actors.for_token(new.token)
    record(
        Verb.TOKEN_CREATED,
        new.token,
        by=by,
        reason=reason,
        owner=owner.username,
        scopes=wanted,
        rollout=rollout,
        expires_at=new.token.expires_at,
    )
    return new


@transaction.atomic
def lend(
    name: str,
    *,
    owner: Person,
    scopes: Iterable[str],
    rollout: str,
    by: Actor,
    reason: str,
    life: timedelta = LONGEST_LOAN,
) -> NewToken:
    """Make a token for the twin of a drill; it is good for an hour at most."""
    require(by, May.CONDUCT_DRILL)
    new = _make(name, owner, _checked_scopes(scopes), rollout, min(life, LONGEST_LOAN))
    new.token.save_as(by, reason=reason)
    bell.ring(bell.EDGE)
    actors.for_token(new.token)
    record(
        Verb.TOKEN_CREATED,
        new.token,
        by=by,
        reason=reason,
        owner=owner.username,
        scopes=new.token.scopes,
        rollout=rollout,
        expires_at=new.token.expires_at,
    )
    return new


@transaction.atomic
def take_back(token_id: int, *, by: Actor, reason: str) -> ApiToken:
    """Let a token in no more that was lent to a drill."""
    require(by, May.CONDUCT_DRILL)
    token = _locked(token_id)
    if token.expires_at - token.created_at > LONGEST_LOAN:
        raise WrongMoment("This token was not lent.", possible=["revoke"])
    return _revoke(token, by=by, reason=reason)


@transaction.atomic
def rotate(token_id: int, *, by: Actor, reason: str) -> NewToken:
    """Make a successor; the old token works for another day, so that nothing stops."""
    require(by, May.MANAGE_ACCESS)
    old = _locked(token_id)
    if old.revoked_at is not None:
        raise WrongMoment("A revoked token has no successor.", possible=["create"])
    life = min(old.expires_at - old.created_at, LONGEST_LIFE)
    new = _make(old.name, old.owner, old.scopes, old.rollout, life)
    new.token.replaces = old
    new.token.save_as(by, reason=reason)
    actors.for_token(new.token)
    old.expires_at = min(old.expires_at, clock.now() + OVERLAP)
    old.save_as(by, reason=reason)
    bell.ring(bell.EDGE)
    record(
        Verb.TOKEN_ROTATED,
        new.token,
        by=by,
        reason=reason,
        replaces=old.shown,
        old_expires_at=old.expires_at,
    )
    return new


@transaction.atomic
def revoke(token_id: int, *, by: Actor, reason: str) -> ApiToken:
    """Let this token in no more, from the next request on."""
    require(by, May.MANAGE_ACCESS)
    return _revoke(_locked(token_id), by=by, reason=reason)


def _revoke(token: ApiToken, *, by: Actor, reason: str) -> ApiToken:
    if token.revoked_at is None:
        token.revoked_at = clock.now()
        token.save_as(by, reason=reason)
        bell.ring(bell.EDGE)
        record(Verb.TOKEN_REVOKED, token, by=by, reason=reason)
    return token


def authenticate(text: str) -> Actor:
    """The actor of a token, in one query. Raises `BadToken`, which says why."""
    if not is_well_formed(text):
        raise BadToken("This is not a token of this portal.", code="TOKEN_MALFORMED")
    token = (
        ApiToken.objects.select_related("owner", "actor")
        .filter(keyed_hash=_hash(text))
        .first()
    )
    if token is None:
        raise BadToken("This token is not known.")
    now = clock.now()
    if token.revoked_at is not None:
        raise BadToken("This token has been revoked.", code="TOKEN_REVOKED")
    if token.expires_at <= now:
        raise BadToken("This token has expired.", code="TOKEN_EXPIRED")
    if not token.owner.is_active:
        raise BadToken("The owner of this token has left.", code="TOKEN_OWNERLESS")
    if token.last_used_at is None or now - token.last_used_at > NOTE_USE_EVERY:
        token.last_used_at = now
        token.save(update_fields=["last_used_at"])
    actor = token.actor
    actor.token = token
    actor.authenticated_by = Authentication.TOKEN
    return actor


def _make(
    name: str, owner: Person, scopes: list[str], rollout: str, life: timedelta
) -> NewToken:
    text = spell(secrets.token_bytes(23))
    now = clock.now()
    token = ApiToken(
        name=name,
        shown=shown(text),
        keyed_hash=_hash(text),
        owner=owner,
        rollout=rollout,
        scopes=scopes,
        created_at=now,
        expires_at=now + life,
    )
    return NewToken(token, text)


def _hash(text: str) -> str:
    return keyed_hash(text, key=settings.TOKEN_KEY.encode())


def _checked_scopes(scopes: Iterable[str]) -> list[str]:
    wanted = sorted(set(scopes))
    unknown = [name for name in wanted if name not in set(Scope)]
    if unknown or not wanted:
        raise Invalid(
            f"Scopes are {', '.join(Scope)}; "
            + (
                f"{', '.join(unknown)} is not one." if unknown else "give at least one."
            ),
            errors=[{"pointer": "/scopes", "detail": "unknown scope"}],
        )
    return wanted


def _locked(token_id: int) -> ApiToken:
    token = (
        ApiToken.objects.select_for_update(of=["self"], no_key=True)
        .select_related("owner")
        .filter(pk=token_id)
        .first()
    )
    if token is None:
        raise NotFound(f"There is no token {token_id}.")
    return token
