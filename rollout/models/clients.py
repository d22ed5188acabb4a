"""What the edge's clients have: written now and then, kept while they come back."""

from django.db import models

from portal.models import ApiToken
from rollout.models.rollouts import Rollout


class EdgeClient(models.Model):
    """A client of the edge, and the newest epoch of the switch that it was given."""

    token = models.ForeignKey(ApiToken, models.PROTECT, related_name="+")
    client = models.CharField(
        max_length=100, help_text="What it calls itself (X-Client-Id), or its address."
    )
    rollout = models.ForeignKey(Rollout, models.PROTECT, related_name="clients")
    epoch = models.PositiveBigIntegerField()
    seen_at = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name = "client"
        ordering = ["epoch", "-seen_at"]
        constraints = [
            models.UniqueConstraint(
                name="edge_client_is_known_once", fields=["rollout", "token", "client"]
            )
        ]

    def __str__(self) -> str:
        return self.client


class FlagUse(models.Model):
    """When a flag was last asked for; what nobody asks for can go."""

    rollout = models.ForeignKey(Rollout, models.PROTECT, related_name="flag_uses")
    key = models.CharField(max_length=100)
    last_asked_at = models.DateTimeField(
        null=True, blank=True, help_text="By its name."
    )
    last_bulk_at = models.DateTimeField(
        null=True, blank=True, help_text="Together with all others."
    )

    class Meta:
        ordering = ["rollout", "key"]
        constraints = [
            models.UniqueConstraint(
                name="flag_use_is_known_once", fields=["rollout", "key"]
            )
        ]

    def __str__(self) -> str:
        return self.key
