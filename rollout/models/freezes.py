"""Times in which nothing is exposed to more, and who is on call."""

from django.db import models
from django.db.models import F, Q

from portal.models import Person
from portal.models.choices import choices, is_known
from portal.models.tracked import Evidence, Tracked
from rollout.domain.freezes import Scope
from rollout.models.rollouts import Rollout


class Freeze(Tracked):
    """Whoever owns a freeze answers for it; everybody may still go towards safety."""

    rollout = models.ForeignKey(Rollout, models.PROTECT, related_name="freezes")
    scope = models.CharField(max_length=15, choices=choices(Scope))
    reason = models.TextField()
    owner = models.ForeignKey("portal.Actor", models.PROTECT, related_name="+")
    begun_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    lifted_at = models.DateTimeField(null=True, blank=True)
    lifted_by = models.ForeignKey(
        "portal.Actor", models.PROTECT, related_name="+", null=True, blank=True
    )

    class Meta:
        ordering = ["-pk"]
        constraints = [
            is_known("scope", Scope, name="freeze_scope_is_known"),
            models.CheckConstraint(
                name="a_freeze_ends_after_it_began",
                condition=Q(expires_at__gt=F("begun_at")),
            ),
            models.CheckConstraint(
                name="a_lifted_freeze_names_somebody",
                condition=Q(lifted_at=None, lifted_by=None)
                | Q(lifted_at__isnull=False, lifted_by__isnull=False),
            ),
        ]
        indexes = [
            models.Index(
                fields=["rollout", "expires_at"],
                name="freeze_on",
                condition=Q(lifted_at=None),
            )
        ]

    def __str__(self) -> str:
        return f"freeze of {self.scope} until {self.expires_at:%d %b %H:%M} UTC"


class OnCall(Evidence):
    """Somebody has confirmed to be on call, until then."""

    rollout = models.ForeignKey(Rollout, models.PROTECT, related_name="on_call")
    person = models.ForeignKey(Person, models.PROTECT, related_name="+")
    confirmed_by = models.ForeignKey("portal.Actor", models.PROTECT, related_name="+")
    confirmed_at = models.DateTimeField()
    until = models.DateTimeField()

    class Meta:
        verbose_name = "on-call confirmation"
        ordering = ["-pk"]
        indexes = [models.Index(fields=["rollout", "-until"], name="on_call_now")]

    def __str__(self) -> str:
        return f"{self.person} is on call until {self.until:%d %b %H:%M} UTC"
