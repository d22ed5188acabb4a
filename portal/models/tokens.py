"""API tokens: scoped, expiring, stored as a keyed hash."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from portal.domain.roles import Scope
from portal.models.choices import choices
from portal.models.people import Person
from portal.models.tracked import Tracked


class ApiToken(Tracked):
    """What a service shows to be let in. Its secret was shown once."""

    operational_fields = frozenset({"last_used_at"})

    name = models.CharField(max_length=100)
    shown = models.CharField(max_length=16, help_text="The part that may be shown.")
    keyed_hash = models.CharField(max_length=64, unique=True)
    owner = models.ForeignKey(Person, models.PROTECT, related_name="tokens")
    rollout = models.CharField(
        max_length=100, blank=True, help_text="Good for this rollout only."
    )
    scopes = ArrayField(models.CharField(max_length=20, choices=choices(Scope)))
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    replaces = models.ForeignKey(
        "self", models.PROTECT, related_name="replaced_by", null=True, blank=True
    )

    class Meta:
        verbose_name = "API token"
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name} ({self.shown}…)"
