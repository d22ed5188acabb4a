"""What the vault holds: when it was last found intact, and how much it is."""

from django.db import models
from django.db.models import Q

from rollout.models.rollouts import Rollout


class Content(models.Model):
    """Bytes with one digest, however many artifacts name them. Operational."""

    digest = models.CharField(max_length=71, primary_key=True)
    size = models.PositiveBigIntegerField(help_text="In bytes.")
    checked_at = models.DateTimeField(
        help_text="When they were last read whole: at first when they were stored."
    )
    trouble = models.CharField(
        max_length=10, blank=True, help_text="missing or damaged; empty: intact."
    )

    class Meta:
        ordering = ["checked_at"]
        indexes = [
            models.Index(fields=["checked_at"], name="content_check"),
            models.Index(
                fields=["digest"], name="content_trouble", condition=~Q(trouble="")
            ),
        ]

    def __str__(self) -> str:
        return self.digest


class VaultUse(models.Model):
    """How much the artifacts of a rollout are, every version counted. Operational."""

    rollout = models.OneToOneField(
        Rollout, models.PROTECT, primary_key=True, related_name="vault_use"
    )
    bytes = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.rollout}: {self.bytes} bytes"
