"""What the portal asks of many runs at once."""

from django.db import models
from django.db.models import Q

from portal.models.choices import choices, is_known
from portal.models.tracked import Tracked
from rollout.domain.directives import DirectiveKind
from rollout.models.rollouts import Rollout


class Broadcast(Tracked):
    """One directive to every run of a scope that is open when it is asked."""

    operational_fields = frozenset({"reached"})

    rollout = models.ForeignKey(Rollout, models.PROTECT, related_name="broadcasts")
    kind = models.CharField(max_length=10, choices=choices(DirectiveKind))
    scope = models.JSONField(
        default=dict, help_text="A team, a run stage; nothing: all."
    )
    reason = models.TextField()
    asked_at = models.DateTimeField()
    asked_by = models.ForeignKey("portal.Actor", models.PROTECT, related_name="+")
    upto = models.PositiveBigIntegerField(help_text="The last run that is meant.")
    reached = models.PositiveBigIntegerField(
        default=0, help_text="The last run that was looked at."
    )
    directed = models.PositiveIntegerField(
        default=0, help_text="How many runs were asked."
    )
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [is_known("kind", DirectiveKind, name="broadcast_kind_is_known")]
        indexes = [
            models.Index(
                fields=["-id"], name="broadcast_open", condition=Q(done_at=None)
            )
        ]

    def __str__(self) -> str:
        where = ", ".join(f"{name} {each}" for name, each in self.scope.items())
        return f"{self.kind} {where or 'all runs'}"
