"""Runs that hung."""

from django.db import models

from portal.models.tracked import Evidence
from rollout.models.artifacts import Artifact
from rollout.models.runs import Run


class RunTimeout(Evidence):
    """The watchdog ended a run; at most once."""

    run = models.OneToOneField(Run, models.PROTECT, related_name="timeout")
    stage = models.CharField(max_length=15)
    timeout_s = models.PositiveIntegerField()
    elapsed_s = models.PositiveIntegerField(help_text="Without the time it was paused.")
    failure = models.JSONField(help_text="The failure entry, in the contract's form.")
    checkpoint = models.ForeignKey(Artifact, models.PROTECT, related_name="+")
    at = models.DateTimeField()

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"timeout of {self.run} in {self.stage}"
