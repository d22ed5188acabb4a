"""The immutable compilation of everything that decides."""

from django.db import models

from portal.models.tracked import Evidence
from rollout.models.rollouts import Rollout


class Snapshot(Evidence):
    """Flags, rules, stages, coverage and switch of a rollout at one moment."""

    rollout = models.ForeignKey(Rollout, models.PROTECT, related_name="snapshots")
    revision = models.PositiveBigIntegerField()
    epoch = models.PositiveBigIntegerField(help_text="Of the switch.")
    digest = models.CharField(max_length=71)
    body = models.TextField(help_text="RFC 8785 JSON, exactly as it was hashed.")
    reason = models.TextField()
    created_by = models.ForeignKey("portal.Actor", models.PROTECT, related_name="+")
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["rollout", "-revision"]
        constraints = [
            models.UniqueConstraint(
                name="snapshot_revision_is_unique_in_its_rollout",
                fields=["rollout", "revision"],
            )
        ]

    def __str__(self) -> str:
        return f"{self.rollout} revision {self.revision}"
