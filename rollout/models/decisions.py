"""Which workflow a run got, with which limits, and why."""

from django.db import models
from django.db.models import Q

from portal.models.choices import choices, is_known
from portal.models.tracked import Evidence
from rollout.domain.decisions import Reason, Workflow
from rollout.models.rollouts import Rollout
from rollout.models.snapshots import Snapshot
from rollout.models.stages import Attempt


class Decision(Evidence):
    """The answer that a run got. It can be recomputed from snapshot and context.

    A run has one lasting decision; an `is_override` row is what it was told later,
    while the switch was engaged or after it had ended.
    """

    id = models.UUIDField(primary_key=True)
    rollout = models.ForeignKey(Rollout, models.PROTECT, related_name="decisions")
    run_id = models.CharField(max_length=200)
    unit = models.CharField(max_length=500, help_text="targetingKey: what sticks.")
    is_override = models.BooleanField(default=False)
    workflow = models.CharField(max_length=50)
    reason = models.CharField(max_length=30, choices=choices(Reason))
    stage_key = models.CharField(max_length=60, blank=True)
    attempt = models.ForeignKey(
        Attempt, models.PROTECT, related_name="decisions", null=True, blank=True
    )
    snapshot = models.ForeignKey(Snapshot, models.PROTECT, related_name="decisions")
    context = models.JSONField(help_text="What the decision was made from, all of it.")
    inputs_digest = models.CharField(max_length=71, help_text="Over what was asked.")
    flags = models.JSONField()
    constraints = models.JSONField(default=dict)
    bucket = models.PositiveIntegerField(null=True, blank=True)
    is_first_seen = models.BooleanField(
        default=False, help_text="The first decision for this unit (targetingKey)."
    )
    decided_by = models.ForeignKey("portal.Actor", models.PROTECT, related_name="+")
    decided_at = models.DateTimeField()

    class Meta:
        ordering = ["-decided_at", "-id"]
        constraints = [
            is_known("reason", Reason, name="decision_reason_is_known"),
            models.UniqueConstraint(
                name="a_run_has_one_lasting_decision",
                fields=["rollout", "run_id"],
                condition=Q(is_override=False),
            ),
            models.UniqueConstraint(
                name="an_override_is_recorded_once",
                fields=["rollout", "run_id", "snapshot", "reason"],
                condition=Q(is_override=True),
            ),
        ]
        indexes = [
            models.Index(
                fields=["rollout", "run_id", "decided_at"], name="decision_run"
            ),
            models.Index(fields=["-decided_at", "-id"], name="decision_list"),
            models.Index(fields=["rollout", "unit"], name="decision_unit"),
        ]

    def __str__(self) -> str:
        return f"{self.run_id}: {self.workflow} ({self.reason})"

    @property
    def is_option_c(self) -> bool:
        """Whether the run was let into Option C."""
        return self.workflow == Workflow.OPTION_C
