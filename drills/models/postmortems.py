"""What is to be learned from an incident."""

from django.db import models

from drills.models.incidents import Incident
from portal.models.tracked import Tracked


class Postmortem(Tracked):
    """A text that begins as a draft from the timeline; every revision is kept."""

    incident = models.OneToOneField(Incident, models.PROTECT, related_name="postmortem")
    revision = models.PositiveIntegerField(help_text="1 is the draft.")
    text = models.TextField()
    written_by = models.ForeignKey("portal.Actor", models.PROTECT, related_name="+")
    written_at = models.DateTimeField()

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"postmortem of {self.incident}"

    @property
    def is_written(self) -> bool:
        """Whether a person has gone on from the draft."""
        return self.revision > 1
