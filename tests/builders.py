"""The shortest valid thing of each kind; a test states only what matters to it."""

from itertools import count

from django.utils.text import slugify

from portal.domain.roles import Role
from portal.models import Actor, Authentication, LedgerEntry, Person
from portal.services import actors, people
from tests.live import PASSWORD

_numbers = count(1)


def a_person(*roles: Role | str, name: str | None = None) -> Person:
    """Somebody who can sign in with `PASSWORD` and holds these roles."""
    name = name or f"{'-'.join(roles) or 'person'}-{next(_numbers)}"
    host = actors.host()
    person = people.invite(
        slugify(name), by=host, reason="test", full_name=name, password=PASSWORD
    )
    for role in roles:
        people.install_role(person.pk, Role(role), by=host, reason="test")
    return person


def an_actor(
    *roles: Role | str,
    name: str | None = None,
    authenticated_by: Authentication = Authentication.SESSION,
) -> Actor:
    """A person with these roles, signed in."""
    return actors.for_person(
        a_person(*roles, name=name), authenticated_by=authenticated_by
    )


def with_password(actor: Actor) -> Actor:
    """The same person, who has just entered the password again."""
    return actors.for_person(actor.person, authenticated_by=Authentication.PASSWORD)


def the_last_line() -> tuple[str, str, str]:
    """Who did what, and why, according to the ledger's last entry."""
    entry = LedgerEntry.objects.order_by("-seq")[0]
    return (entry.actor_name, entry.verb, entry.reason)
