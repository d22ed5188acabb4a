"""The response matrix."""

from django.db import models
from django.db.models import Q

from drills.domain.incidents import Severity
from drills.domain.matrix import Row, read
from portal.models.tracked import Tracked

SEVERITIES = [(each.value, str(each.value)) for each in Severity]


class MatrixRow(Tracked):
    """From a symptom to diagnosis, trigger, action, artifacts; changed by two people.

    A row that somebody has proposed, and nobody has approved yet, has version 0.
    """

    key = models.CharField(max_length=60, unique=True)
    version = models.PositiveIntegerField(default=0)
    is_live = models.BooleanField(default=False)
    symptom = models.TextField()
    severity = models.PositiveSmallIntegerField(choices=SEVERITIES)
    matches = models.JSONField(help_text="The signs by which it is recognised.")
    diagnosis = models.JSONField(help_text="Steps; each incident gets them to tick.")
    rollback_trigger = models.TextField(help_text="What goes back by itself.")
    fallback_action = models.TextField(help_text="What people do.")
    artifacts = models.JSONField(help_text="Files of a run that tell more.")

    class Meta:
        verbose_name = "matrix row"
        ordering = ["key"]
        constraints = [
            models.CheckConstraint(
                name="row_severity_is_known", condition=Q(severity__in=[1, 2, 3, 4])
            ),
            models.CheckConstraint(
                name="a_live_row_was_approved",
                condition=Q(is_live=False) | Q(version__gt=0),
            ),
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def row(self) -> Row:
        """What it says."""
        return read(
            {
                "symptom": self.symptom,
                "severity": self.severity,
                "matches": self.matches,
                "diagnosis": self.diagnosis,
                "rollback_trigger": self.rollback_trigger,
                "fallback_action": self.fallback_action,
                "artifacts": self.artifacts,
            }
        )

    def say(self, row: Row) -> None:
        """Take over what a row says; saving it is the caller's."""
        for name, value in row.to_json().items():
            setattr(self, name, value)
