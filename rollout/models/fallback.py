"""The deterministic downgrade of one failed run to the standard workflow."""

from django.db import models

from portal.models.tracked import Evidence
from rollout.models.artifacts import Artifact
from rollout.models.runs import Run


class FallbackOffer(Evidence):
    """Made once per run, when the failure of a hard gate is confirmed."""

    run = models.OneToOneField(Run, models.PROTECT, related_name="fallback_offer")
    gate_id = models.CharField(max_length=1)
    gate_name = models.CharField(max_length=100)
    reason = models.TextField(help_text="Sanitised.")
    instruction = models.CharField(max_length=200)
    failure = models.JSONField(help_text="The failure entry, in the contract's form.")
    summary = models.ForeignKey(
        Artifact, models.PROTECT, related_name="+", null=True, blank=True
    )
    is_adopted = models.BooleanField(
        default=False, help_text="The research system made it, not the portal."
    )
    offered_at = models.DateTimeField()
    offered_by = models.ForeignKey("portal.Actor", models.PROTECT, related_name="+")

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"fallback of {self.run} (gate {self.gate_id})"
