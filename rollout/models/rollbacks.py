"""Going back: what was there before, what was done, and that nothing was lost."""

from django.db import models
from django.db.models import Q

from portal.models.tracked import Evidence
from rollout.models.evaluations import Evaluation
from rollout.models.rollouts import Rollout
from rollout.models.snapshots import Snapshot
from rollout.models.stages import Attempt, Stage


class Rollback(Evidence):
    """A rollout left a stage for the last stable one, or for none."""

    rollout = models.ForeignKey(Rollout, models.PROTECT, related_name="rollbacks")
    stage = models.ForeignKey(Stage, models.PROTECT, related_name="rollbacks")
    attempt = models.OneToOneField(
        Attempt, models.PROTECT, related_name="rollback", help_text="It ended here."
    )
    to_stage = models.ForeignKey(
        Stage, models.PROTECT, related_name="+", null=True, blank=True
    )
    trigger = models.CharField(max_length=100, help_text="Who or what asked for it.")
    evaluation = models.ForeignKey(
        Evaluation, models.PROTECT, related_name="+", null=True, blank=True
    )
    reason = models.TextField()
    snapshot = models.ForeignKey(
        Snapshot, models.PROTECT, related_name="+", help_text="What decided afterwards."
    )
    affected_runs = models.PositiveIntegerField()
    inventory = models.BinaryField(
        help_text="What the affected runs had then: gzip of canonical JSON."
    )
    inventory_digest = models.CharField(max_length=71)
    rolled_back_by = models.ForeignKey("portal.Actor", models.PROTECT, related_name="+")
    rolled_back_at = models.DateTimeField()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                name="a_rollback_leads_elsewhere",
                condition=Q(to_stage=None) | ~Q(to_stage=models.F("stage")),
            )
        ]

    def __str__(self) -> str:
        return f"{self.stage} to {self.to_stage or 'off'}"


class Reconciliation(Evidence):
    """Whether all that was there before a rollback is there after it, byte for byte."""

    rollback = models.OneToOneField(
        Rollback, models.PROTECT, related_name="reconciliation"
    )
    is_clean = models.BooleanField()
    counts = models.JSONField(help_text="Per kind: how many before, and found after.")
    missing = models.JSONField(help_text="What is missing or altered, by name.")
    report = models.TextField(help_text="RFC 8785 JSON, exactly as it was hashed.")
    digest = models.CharField(max_length=71)
    reconciled_at = models.DateTimeField()

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.rollback}: {'clean' if self.is_clean else 'NOT CLEAN'}"
