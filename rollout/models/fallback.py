"""The deterministic downgrade of one failed run to the standard workflow."""

from django.db import models

from portal.models.choices import choices, is_known
from portal.models.tracked import Evidence, Tracked
from rollout.domain.fallback import Means
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


class Routing(Tracked):
    """An offer was taken: the request of a failed run went to the standard workflow."""

    offer = models.OneToOneField(FallbackOffer, models.PROTECT, related_name="routing")
    workflow = models.CharField(max_length=50)
    standard_run_id = models.CharField(
        max_length=200, blank=True, help_text="The run that took over, if anybody said."
    )
    means = models.CharField(max_length=10, choices=choices(Means))
    reason = models.TextField()
    taken_at = models.DateTimeField()
    taken_by = models.ForeignKey("portal.Actor", models.PROTECT, related_name="+")

    class Meta:
        ordering = ["-pk"]
        constraints = [is_known("means", Means, name="routing_means_is_known")]

    def __str__(self) -> str:
        return f"{self.offer.run} to {self.workflow}"
