"""Verification runs: which commands were carried out, and how each ended."""

from django.db import models

from drills.domain.verification import Outcome
from portal.models.choices import choices, is_known
from portal.models.tracked import Evidence
from rollout.models import Rollout


class VerificationHost(models.Model):
    """What a host of drills workers has in its verification file; operational."""

    name = models.CharField(max_length=120, primary_key=True)
    digest = models.CharField(max_length=71, blank=True)
    checks = models.JSONField(default=list)
    error = models.TextField(blank=True, help_text="Why the file cannot be used.")
    sandbox = models.CharField(max_length=60)
    looked_at = models.DateTimeField()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class VerificationRun(Evidence):
    """Every check of a suite, carried out once for a rollout."""

    rollout = models.ForeignKey(Rollout, models.PROTECT, related_name="verifications")
    reason = models.TextField()
    asked_at = models.DateTimeField()
    asked_by = models.ForeignKey("portal.Actor", models.PROTECT, related_name="+")

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["rollout", "-id"], name="verification_newest")]

    def __str__(self) -> str:
        return f"verification {self.pk} of {self.rollout}"


class VerificationVerdict(Evidence):
    """How a verification run ended; it has none while it goes on."""

    run = models.OneToOneField(VerificationRun, models.PROTECT, related_name="verdict")
    has_passed = models.BooleanField()
    says = models.TextField()
    suite = models.JSONField(default=list, help_text="Every check, as it was defined.")
    suite_digest = models.CharField(max_length=71, blank=True)
    host = models.CharField(max_length=120)
    finished_at = models.DateTimeField()

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.run}: {'passed' if self.has_passed else 'failed'}"


class VerificationResult(Evidence):
    """How the command of one check ended, with what it said, secrets removed."""

    run = models.ForeignKey(VerificationRun, models.PROTECT, related_name="results")
    name = models.CharField(max_length=60)
    suite_digest = models.CharField(max_length=71)
    outcome = models.CharField(max_length=15, choices=choices(Outcome))
    exit_code = models.PositiveSmallIntegerField(null=True, blank=True)
    started_at = models.DateTimeField()
    duration_s = models.FloatField(help_text="In seconds.")
    transcript = models.TextField(blank=True)
    transcript_digest = models.CharField(max_length=71)
    output_size = models.PositiveBigIntegerField(
        help_text="Of all that it said, in bytes."
    )
    outlived = models.PositiveIntegerField(
        default=0, help_text="Processes that went on after it, and were ended."
    )
    tools = models.JSONField(default=dict)
    sandbox = models.CharField(max_length=60)

    class Meta:
        ordering = ["pk"]
        constraints = [
            is_known("outcome", Outcome, name="verification_outcome_is_known"),
            models.UniqueConstraint(
                name="a_check_is_carried_out_once_in_a_run", fields=["run", "name"]
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.outcome}"
