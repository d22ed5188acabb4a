"""Judgements of a stage's evidence, each with all that it was computed from."""

from django.db import models

from portal.models.choices import choices, is_known
from portal.models.tracked import Evidence
from rollout.domain.evaluations import Mode
from rollout.domain.judgements import Verdict
from rollout.models.stages import Attempt, Stage


class Evaluation(Evidence):
    """One judgement; `body` holds criteria, facts and every number, and is hashed."""

    stage = models.ForeignKey(Stage, models.PROTECT, related_name="evaluations")
    attempt = models.ForeignKey(Attempt, models.PROTECT, related_name="evaluations")
    number = models.PositiveIntegerField(help_text="Within its attempt and mode.")
    mode = models.CharField(max_length=15, choices=choices(Mode))
    verdict = models.CharField(max_length=20, choices=choices(Verdict))
    sentence = models.TextField()
    rule = models.CharField(max_length=40)
    fingerprint = models.CharField(max_length=71)
    judged_runs = models.PositiveIntegerField(help_text="The prefix that is judged.")
    ratio_upto = models.UUIDField(
        null=True, blank=True, help_text="The last decision in the sample ratio."
    )
    body = models.TextField(help_text="RFC 8785 JSON, exactly as it was hashed.")
    digest = models.CharField(max_length=71)
    evaluated_by = models.ForeignKey("portal.Actor", models.PROTECT, related_name="+")
    evaluated_at = models.DateTimeField()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            is_known("mode", Mode, name="evaluation_mode_is_known"),
            is_known("verdict", Verdict, name="evaluation_verdict_is_known"),
            models.UniqueConstraint(
                name="evaluation_number_is_unique_in_its_attempt",
                fields=["attempt", "mode", "number"],
            ),
        ]
        indexes = [
            models.Index(fields=["stage", "-id"], name="evaluation_of_stage"),
        ]

    def __str__(self) -> str:
        return f"evaluation {self.number} of {self.attempt}: {self.verdict}"


class FailureReview(Evidence):
    """Somebody has looked at a hard gate that failed, and says what it was."""

    run = models.ForeignKey("rollout.Run", models.PROTECT, related_name="reviews")
    gate = models.CharField(max_length=1)
    note = models.TextField()
    reviewer = models.ForeignKey("portal.Actor", models.PROTECT, related_name="+")
    reviewed_at = models.DateTimeField()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                name="a_failure_is_reviewed_once", fields=["run", "gate"]
            )
        ]

    def __str__(self) -> str:
        return f"gate {self.gate} of {self.run}"
