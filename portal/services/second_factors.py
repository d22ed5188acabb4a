"""Second factors: enrolled and taken off by people themselves, asked for again and
again."""

import secrets
from base64 import b64decode, b64encode

from django.conf import settings
from django.db import transaction

from portal import clock
from portal.domain import second_factors as domain
from portal.domain.encryption import decrypt, encrypt
from portal.domain.roles import May
from portal.domain.tokens import keyed_hash
from portal.domain.verbs import Verb
from portal.errors import NotAllowed, NotFound, WrongMoment
from portal.models import Actor, Person, RecoveryCode, SecondFactor
from portal.services.access import require, require_password
from portal.services.ledger import record

ISSUER = "Rollout Governance Portal"


class WrongCode(NotAllowed):
    """This is not the code of now, or it was used already."""

    code = "CODE_WRONG"


@transaction.atomic
def begin(person: Person) -> bytes:
    """The secret for a telephone to take up; it counts once a code has shown that the
    telephone has it. Asked again before that, it is the same."""
    found = _locked(person.pk)
    if found is not None and found.confirmed_at is not None:
        raise WrongMoment("You have a second factor already.", possible=["take it off"])
    if found is None:
        found = SecondFactor(
            person=person,
            encrypted_secret=_sealed(secrets.token_bytes(domain.SECRET_BYTES)),
            begun_at=clock.now(),
        )
        found.save()
    return _secret_of(found)


@transaction.atomic
def enrol(code: str, *, by: Actor, reason: str) -> list[str]:
    """Have one's second factor count from now on; returns the recovery codes.

    The password was entered again, and `code` shows that the telephone has the secret.
    All other sessions of this person end. Raises `WrongCode`.
    """
    require_password(by, first_factor_only=True)
    person = _oneself(by)
    found = _locked(person.pk)
    if found is None or found.confirmed_at is not None:
        raise WrongMoment("There is nothing to confirm.", possible=["begin"])
    now = clock.now()
    step = domain.step_of(code, secret=_secret_of(found), now=now, after=0)
    if step is None:
        raise WrongCode(
            "This is not the code of now. Look at the clock of your telephone, and "
            "type the next one."
        )
    found.confirmed_at, found.last_step = now, step
    found.save()
    person.second_factor_since = now
    person.save_as(by, reason=reason)
    codes = _new_recovery_codes(person)
    record(Verb.SECOND_FACTOR_ENROLLED, person, by=by, reason=reason)
    return codes


@transaction.atomic
def renew_recovery_codes(*, by: Actor, reason: str) -> list[str]:
    """New recovery codes for oneself; the old ones are worth nothing any more."""
    require_password(by)
    person = _oneself(by)
    if person.second_factor_since is None:
        raise WrongMoment("You have no second factor.", possible=["enrol"])
    codes = _new_recovery_codes(person)
    record(Verb.RECOVERY_CODES_RENEWED, person, by=by, reason=reason)
    return codes


@transaction.atomic
def take_off(*, by: Actor, reason: str) -> Person:
    """Do without one's second factor, or make room for one on another telephone."""
    require_password(by)
    person = _oneself(by)
    _forget(person, by=by, reason=reason)
    record(Verb.SECOND_FACTOR_REMOVED, person, by=by, reason=reason, own=True)
    return person


@transaction.atomic
def remove(person_id: int, *, by: Actor, reason: str) -> Person:
    """Take the second factor off somebody who has lost telephone and recovery codes."""
    require(by, May.MANAGE_ACCESS)
    require_password(by)
    person = Person.objects.select_for_update(no_key=True).filter(pk=person_id).first()
    if person is None:
        raise NotFound(f"There is no person {person_id}.")
    if by.person_behind is not None and by.person_behind.pk == person.pk:
        raise NotAllowed("Take off your own second factor on its own page.")
    person.credentials_reset_at = clock.now()
    _forget(person, by=by, reason=reason)
    record(Verb.SECOND_FACTOR_REMOVED, person, by=by, reason=reason, own=False)
    return person


def check(person_id: int, code: str) -> None:
    """Refuse unless this is a code of now, or a recovery code; each is good once.

    A wrong one is remembered whatever becomes of the caller, who has not begun a
    transaction. After some wrong ones codes are looked at ever more rarely; recovery
    codes always are, so that nobody locks the owner out.
    """
    right = (
        _use_recovery_code(person_id, code)
        if domain.is_recovery(code)
        else _use_code(person_id, code)
    )
    if not right:
        raise WrongCode(
            "This is not the code of now, or it was used already. Wait for the next."
        )


def is_demanded(person: Person) -> bool:
    """Whether the settings demand a second factor of somebody with these roles."""
    return domain.is_demanded(person.roles, of=settings.SECOND_FACTOR_ROLES)


def lacks(person: Person) -> bool:
    """Whether somebody has to enrol before anything else."""
    return person.second_factor_since is None and is_demanded(person)


@transaction.atomic(durable=True)
def _use_code(person_id: int, code: str) -> bool:
    found = _locked(person_id)
    if found is None or found.confirmed_at is None:
        return False
    now = clock.now()
    until = domain.waits_until(found.failures, found.failed_at)
    if until is not None and now < until:
        seconds = int((until - now).total_seconds()) + 1
        raise WrongCode(
            f"Too many wrong codes. Wait {seconds} seconds, or use a recovery code.",
            code="TOO_MANY_CODES",
            wait_s=seconds,
        )
    step = domain.step_of(
        code, secret=_secret_of(found), now=now, after=found.last_step
    )
    if step is None:
        found.failures, found.failed_at = found.failures + 1, now
    else:
        found.failures, found.failed_at, found.last_step = 0, None, step
    found.save()
    return step is not None


@transaction.atomic(durable=True)
def _use_recovery_code(person_id: int, code: str) -> bool:
    found = (
        RecoveryCode.objects.select_for_update(no_key=True)
        .filter(
            person_id=person_id,
            keyed_hash=_hash(domain.typed_recovery(code)),
            used_at=None,
        )
        .first()
    )
    if found is None:
        return False
    found.used_at = clock.now()
    found.save()
    SecondFactor.objects.filter(person_id=person_id).update(failures=0, failed_at=None)
    return True


def _new_recovery_codes(person: Person) -> list[str]:
    person.recovery_codes.all().delete()
    codes = [
        domain.spell_recovery(secrets.token_bytes(domain.RECOVERY_BYTES))
        for _ in range(domain.RECOVERY_CODES)
    ]
    now = clock.now()
    RecoveryCode.objects.bulk_create(
        RecoveryCode(person=person, keyed_hash=_hash(code), made_at=now)
        for code in codes
    )
    return codes


def _forget(person: Person, *, by: Actor, reason: str) -> None:
    """Destroy the secret; what stays is that there was one, from when to when."""
    if person.second_factor_since is None:
        raise WrongMoment(f"{person} has no second factor.", possible=["enrol"])
    SecondFactor.objects.filter(person=person).delete()
    person.recovery_codes.all().delete()
    person.second_factor_since = None
    person.save_as(by, reason=reason)


def _oneself(by: Actor) -> Person:
    if by.person_behind is None:
        raise NotAllowed("Only people have a second factor.", code="PERSON_REQUIRED")
    return Person.objects.select_for_update(no_key=True).get(pk=by.person_behind.pk)


def _locked(person_id: int) -> SecondFactor | None:
    found = SecondFactor.objects.select_for_update(no_key=True)
    return found.filter(person_id=person_id).first()


def _sealed(secret: bytes) -> str:
    return encrypt(b64encode(secret).decode(), keys=settings.ENCRYPTION_KEYS)


def _secret_of(found: SecondFactor) -> bytes:
    return b64decode(decrypt(found.encrypted_secret, keys=settings.ENCRYPTION_KEYS))


def _hash(code: str) -> str:
    return keyed_hash(code, key=settings.TOKEN_KEY.encode())
