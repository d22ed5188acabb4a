"""What was found at the diagnosis steps."""

from django.db import models

from drills.domain.checklists import Finding
from drills.models.incidents import Incident
from portal.models.choices import choices, is_known
from portal.models.tracked import Evidence


class StepResult(Evidence):
    """What somebody found at a step; the newest counts, the others stay."""

    incident = models.ForeignKey(Incident, models.PROTECT, related_name="results")
    number = models.PositiveSmallIntegerField(help_text="Of the step, from 1.")
    step = models.TextField()
    finding = models.CharField(max_length=15, choices=choices(Finding))
    note = models.TextField()
    recorded_by = models.ForeignKey("portal.Actor", models.PROTECT, related_name="+")
    recorded_at = models.DateTimeField()

    class Meta:
        ordering = ["pk"]
        constraints = [is_known("finding", Finding, name="finding_is_known")]
        indexes = [
            models.Index(
                fields=["incident", "number", "-id"], name="step_result_newest"
            )
        ]

    def __str__(self) -> str:
        return f"step {self.number}: {self.get_finding_display()}"
