"""People come, get roles from others, and go; nobody is ever deleted."""

import secrets
from datetime import datetime

from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.tokens import default_token_generator
from django.core.exceptions import ValidationError
from django.db import transaction

from portal import clock
from portal.domain import people as domain
from portal.domain.people import check_grant, role_named
from portal.domain.roles import May, Role
from portal.domain.verbs import Verb
from portal.errors import Conflict, Invalid, NotAllowed, NotFound, WrongMoment
from portal.models import Actor, LedgerEntry, Person, RoleGrant
from portal.services import actors
from portal.services.access import require
from portal.services.approvals import Approvable, request
from portal.services.ledger import record

GRANT_ROLE = "portal.role.grant"


def new_one_time_password() -> str:
    """A password to be shown once, and changed at the first sign-in."""
    return secrets.token_urlsafe(18)


@transaction.atomic
def invite(
    username: str,
    *,
    by: Actor,
    reason: str,
    full_name: str = "",
    email: str = "",
    password: str | None = None,
) -> Person:
    """Let somebody in, without any role yet.

    With a `password` they can sign in at once and have to choose their own first;
    else `one_time_key` lets them choose it.
    """
    require(by, May.MANAGE_ACCESS)
    if Person.objects.filter(username=username).exists():
        raise Conflict(f"There is a person {username!r} already.", code="PERSON_EXISTS")
    person = Person(
        username=username,
        full_name=full_name,
        email=email,
        is_staff=True,
        must_change_password=password is not None,
    )
    if password is None:
        person.set_unusable_password()
    else:
        person.set_password(password)
    try:
        person.full_clean(exclude=["password"])
    except ValidationError as error:
        raise _invalid(error) from None
    person.save_as(by, reason=reason)
    actors.for_person(person)
    record(Verb.PERSON_INVITED, person, by=by, reason=reason, username=username)
    return person


@transaction.atomic
def change_password(person_id: int, password: str, *, by: Actor, reason: str) -> Person:
    """Choose one's own password; sessions elsewhere end."""
    person = _locked(person_id)
    if by.person_behind is None or by.person_behind.pk != person.pk:
        raise NotAllowed("Everybody chooses their password themselves.")
    try:
        validate_password(password, person)
    except ValidationError as error:
        raise _invalid(error) from None
    person.set_password(password)
    person.must_change_password = False
    person.save_as(by, reason=reason)
    record(Verb.PASSWORD_CHANGED, person, by=by, reason=reason)
    return person


@transaction.atomic
def reset_password(person_id: int, *, by: Actor, reason: str) -> Person:
    """End somebody's password and sessions; `one_time_key` lets them choose anew."""
    require(by, May.MANAGE_ACCESS)
    person = _locked(person_id)
    if by.person_behind is not None and by.person_behind.pk == person.pk:
        raise NotAllowed("Change your own password on its own page.")
    if not person.is_active:
        raise WrongMoment(f"{person} is locked out.", possible=[])
    person.set_unusable_password()
    person.credentials_reset_at = clock.now()
    person.save_as(by, reason=reason)
    record(Verb.PASSWORD_RESET, person, by=by, reason=reason)
    return person


def one_time_key(person: Person) -> str:
    """What lets a person choose a password, once and for a day (`keyholder`)."""
    return default_token_generator.make_token(person)


def keyholder(person_id: int, key: str) -> Person | None:
    """Whom this key lets choose a password now, if anybody."""
    person = Person.objects.filter(pk=person_id, is_active=True).first()
    is_good = person and default_token_generator.check_token(person, key)
    return person if is_good else None


@transaction.atomic
def choose_password(person_id: int, key: str, password: str) -> Person:
    """Choose a password with a one-time key, which is worth nothing afterwards."""
    _locked(person_id)
    person = keyholder(person_id, key)
    if person is None:
        raise NotAllowed("This link was used, or is too old.", code="KEY_SPENT")
    return change_password(
        person_id,
        password,
        by=actors.for_person(person),
        reason="chose a password by a one-time link",
    )


@transaction.atomic
def correct(
    person_id: int, *, full_name: str, email: str, by: Actor, reason: str
) -> Person:
    """Put a name or an address right. What the ledger said before stays as it was."""
    require(by, May.MANAGE_ACCESS)
    person = _locked(person_id)
    before = {"full_name": person.full_name, "email": person.email}
    person.full_name, person.email = full_name, email
    try:
        person.full_clean(exclude=["password"])
    except ValidationError as error:
        raise _invalid(error) from None
    person.save_as(by, reason=reason)
    actors.rename(person)
    record(Verb.PERSON_CORRECTED, person, by=by, reason=reason, before=before)
    return person


@transaction.atomic
def deactivate(person_id: int, *, by: Actor, reason: str) -> Person:
    """Lock somebody out, at once; everything that they did stays theirs."""
    require(by, May.MANAGE_ACCESS)
    person = _locked(person_id)
    if by.person_behind is not None and by.person_behind.pk == person.pk:
        raise NotAllowed("Nobody can deactivate themselves.")
    person.is_active = False
    person.save_as(by, reason=reason)
    record(Verb.PERSON_DEACTIVATED, person, by=by, reason=reason)
    return person


@transaction.atomic
def install_role(person_id: int, role: Role, *, by: Actor, reason: str) -> RoleGrant:
    """Give a role before anybody signed in, from the host; the ledger shows it as such.

    Afterwards roles are granted by two people: `approvals.request(GRANT_ROLE, ...)`.
    """
    require(by, May.MANAGE_ACCESS)
    if is_in_use():
        raise NotAllowed(
            "Somebody has signed in already: roles are granted by two people now.",
            code="INSTALLATION_IS_OVER",
        )
    grant = _grant(
        _locked(person_id), role, granted_by=by, by=by, reason=reason, installing=True
    )
    record(Verb.ROLE_GRANTED, grant, by=by, reason=reason, **_said(grant))
    return grant


@transaction.atomic
def revoke_role(person_id: int, role: Role, *, by: Actor, reason: str) -> RoleGrant:
    """Take a role away, at once."""
    require(by, May.MANAGE_ACCESS)
    grant = (
        RoleGrant.objects.select_for_update(no_key=True)
        .filter(person_id=person_id, role=role, revoked_at=None)
        .first()
    )
    if grant is None:
        raise NotFound(f"This person does not hold the role {role}.")
    grant.revoked_at = clock.now()
    grant.save_as(by, reason=reason)
    grant.person.forget_roles()
    record(Verb.ROLE_REVOKED, grant, by=by, reason=reason, role=role)
    return grant


@transaction.atomic
def sign_in(*, by: Actor, reason: str = "signed in") -> None:
    """Note that a person signed in; the first one ends the installation."""
    record(Verb.PERSON_SIGNED_IN, by.person_behind, by=by, reason=reason)


def signs_from(grant: RoleGrant) -> datetime:
    """From when on the person may sign with this role, or could from when on."""
    return domain.signs_from(
        granted_at=grant.granted_at,
        at_installation=grant.at_installation,
        reset_at=grant.person.credentials_reset_at,
    )


def is_in_use() -> bool:
    """Whether anybody has ever signed in."""
    return LedgerEntry.objects.filter(verb=Verb.PERSON_SIGNED_IN).exists()


def _locked(person_id: int) -> Person:
    person = Person.objects.select_for_update(no_key=True).filter(pk=person_id).first()
    if person is None:
        raise NotFound(f"There is no person {person_id}.")
    return person


def _grant(
    person: Person,
    role: Role,
    *,
    granted_by: Actor,
    by: Actor,
    reason: str,
    installing: bool = False,
) -> RoleGrant:
    if person.role_grants.filter(role=role, revoked_at=None).exists():
        raise Conflict(f"{person} holds the role {role} already.", code="ROLE_HELD")
    grant = RoleGrant(
        person=person,
        role=role,
        granted_by=granted_by,
        confirmed_by=None if installing else by,
        granted_at=clock.now(),
        at_installation=installing,
    )
    grant.save_as(by, reason=reason)
    person.forget_roles()
    return grant


def _apply_grant(
    person: Person, payload: dict[str, str], *, by: Actor, reason: str
) -> None:
    if by.person_behind is not None:
        check_grant(to=person.pk, by=by.person_behind.pk)
    requester = Actor.objects.get(pk=payload["granted_by"])
    grant = _grant(
        person, role_named(payload["role"]), granted_by=requester, by=by, reason=reason
    )
    record(Verb.ROLE_GRANTED, grant, by=by, reason=reason, **_said(grant))


def _said(grant: RoleGrant) -> dict[str, object]:
    return {
        "role": grant.role,
        "person": grant.person.username,
        "at_installation": grant.at_installation,
    }


def request_role(person_id: int, role: Role, *, by: Actor, reason: str):
    """Ask that a person gets a role; another administrator or architect confirms."""
    if by.person_behind is not None:
        check_grant(to=int(person_id), by=by.person_behind.pk)
    return request(
        GRANT_ROLE,
        person_id,
        by=by,
        reason=reason,
        payload={"role": str(role), "granted_by": by.pk},
    )


role_grant = Approvable(
    act=GRANT_ROLE,
    title="Grant a role",
    ask=May.MANAGE_ACCESS,
    confirm=May.CONFIRM_ACCESS,
    subject=lambda subject_id: _locked(int(subject_id)),
    base=lambda person: {"roles": sorted(person.roles), "is_active": person.is_active},
    apply=_apply_grant,
)


def _invalid(error: ValidationError) -> Invalid:
    errors = [{"pointer": "", "detail": message} for message in error.messages]
    return Invalid(" ".join(error.messages), errors=errors)
