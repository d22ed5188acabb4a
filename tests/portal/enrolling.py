"""People with a password of their own, and with a second factor."""

from datetime import timedelta

import time_machine

from portal import clock
from portal.domain.second_factors import code_at
from portal.models import Person, SecondFactor
from portal.services import actors, second_factors
from tests.builders import a_person, with_password

BACKEND = "django.contrib.auth.backends.ModelBackend"


def settled(*roles: str) -> Person:
    """Somebody with a password of their own."""
    person = a_person(*roles)
    person.must_change_password = False
    person.save_as(actors.host(), reason="test")
    return person


def secret_of(person: Person) -> bytes:
    return second_factors._secret_of(SecondFactor.objects.get(person=person))


def enrolled(*roles: str) -> tuple[Person, bytes, list[str]]:
    """Somebody with a second factor, its secret, and the recovery codes."""
    person = settled(*roles)
    secret = second_factors.begin(person)
    earlier = clock.now() - timedelta(minutes=5)
    with time_machine.travel(earlier, tick=False):
        codes = second_factors.enrol(
            code_at(secret, earlier),
            by=with_password(actors.for_person(person)),
            reason="mine",
        )
    person.refresh_from_db()
    return person, secret, codes


def code_now(secret: bytes) -> str:
    return code_at(secret, clock.now())
