"""What a run wrote, kept for ever."""

from enum import StrEnum

from django.db import models

from portal.models.choices import choices, is_known
from portal.models.tracked import Evidence
from rollout.models.runs import Run


class Origin(StrEnum):
    """Who wrote an artifact."""

    RUN = "run"
    PORTAL = "portal"


class Artifact(Evidence):
    """One version of one file of a run; its bytes are found by their digest."""

    run = models.ForeignKey(Run, models.PROTECT, related_name="artifacts")
    path = models.CharField(max_length=500)
    version = models.PositiveIntegerField()
    digest = models.CharField(max_length=71)
    size = models.PositiveBigIntegerField(help_text="In bytes.")
    origin = models.CharField(
        max_length=10, choices=choices(Origin), default=Origin.RUN
    )
    received_at = models.DateTimeField()
    received_from = models.ForeignKey("portal.Actor", models.PROTECT, related_name="+")

    class Meta:
        ordering = ["run", "path", "-version"]
        constraints = [
            is_known("origin", Origin, name="artifact_origin_is_known"),
            models.UniqueConstraint(
                name="artifact_version_is_unique_in_its_path",
                fields=["run", "path", "version"],
            ),
        ]
        indexes = [models.Index(fields=["digest"], name="artifact_digest")]

    def __str__(self) -> str:
        return f"{self.run} {self.path} version {self.version}"
