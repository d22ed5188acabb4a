"""Who acts: a person, a token, or the portal itself."""

from enum import StrEnum

from django.db import models
from django.db.models import Q

from portal.models.choices import choices, is_known
from portal.models.people import Person


class ActorKind(StrEnum):
    """What kind of somebody this is."""

    PERSON = "person"
    TOKEN = "token"
    SYSTEM = "system"


class Authentication(StrEnum):
    """How we know that it is them, this time."""

    PASSWORD = "password"  # entered again for this very act
    PASSWORD_AND_CODE = "password_and_code"  # and a code of the second factor
    SESSION = "session"
    TOKEN = "token"
    HOST = "host"  # a shell on the host
    SYSTEM = "system"


class Actor(models.Model):
    """One row per person, per token, and one for the system.

    `name` is what they are called now; each line of the ledger keeps the name of its
    own time. It stays readable whatever happens to the person or the token.
    """

    kind = models.CharField(max_length=10, choices=choices(ActorKind))
    person = models.OneToOneField(
        Person, models.PROTECT, related_name="actor", null=True, blank=True
    )
    token = models.OneToOneField(
        "portal.ApiToken", models.PROTECT, related_name="actor", null=True, blank=True
    )
    name = models.CharField(max_length=200)

    # Of this request, not of the row; whoever loads an actor says how they know.
    authenticated_by: Authentication = Authentication.SYSTEM
    is_authenticated = True  # what Django and REST framework ask of a user
    is_anonymous = False
    is_active = True

    class Meta:
        constraints = [
            is_known("kind", ActorKind, name="actor_kind_is_known"),
            models.CheckConstraint(
                name="actor_is_what_its_kind_says",
                condition=Q(kind="person", person__isnull=False, token=None)
                | Q(kind="token", person=None, token__isnull=False)
                | Q(kind="system", person=None, token=None),
            ),
            models.UniqueConstraint(
                name="there_is_one_system", fields=["kind"], condition=Q(kind="system")
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def id_of_person_behind(self) -> int | None:
        """The key of whoever is meant where people are counted."""
        if self.kind == ActorKind.TOKEN:
            return self.token.owner_id
        return self.person_id

    @property
    def person_behind(self) -> Person | None:
        """Who is meant where people are counted: a token counts as its owner."""
        if self.kind == ActorKind.PERSON:
            return self.person
        if self.kind == ActorKind.TOKEN:
            return self.token.owner
        return None
