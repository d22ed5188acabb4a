"""Glass that was broken: by whom, for what, until when, and what came of it."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from drills.domain.break_glass import LONGEST, Precaution
from drills.models.incidents import Incident
from drills.models.tasks import IncidentTask
from portal.models import Person
from portal.models.choices import choices
from portal.models.tracked import Tracked
from rollout.models import Rollout


class BreakGlass(Tracked):
    """Two people pass over precautions because of an incident; a third reviews it."""

    rollout = models.ForeignKey(Rollout, models.PROTECT, related_name="broken_glass")
    incident = models.ForeignKey(Incident, models.PROTECT, related_name="broken_glass")
    precautions = ArrayField(
        models.CharField(max_length=20, choices=choices(Precaution))
    )
    reason = models.TextField()
    asked_by = models.ForeignKey(Person, models.PROTECT, related_name="+")
    confirmed_by = models.ForeignKey(Person, models.PROTECT, related_name="+")
    begun_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.ForeignKey(
        "portal.Actor", models.PROTECT, related_name="+", null=True, blank=True
    )
    task = models.OneToOneField(
        IncidentTask, models.PROTECT, related_name="broken_glass"
    )
    review_due_at = models.DateTimeField()
    reviewed_at = models.DateTimeField(null=True, blank=True)
    reviewed_by = models.ForeignKey(
        Person, models.PROTECT, related_name="+", null=True, blank=True
    )
    finding = models.TextField(blank=True)

    class Meta:
        verbose_name = "break-glass"
        verbose_name_plural = "break-glass"
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                name="glass_is_broken_by_two",
                condition=~Q(asked_by=F("confirmed_by")),
            ),
            models.CheckConstraint(
                name="glass_is_broken_for_a_while",
                condition=Q(expires_at__gt=F("begun_at"))
                & Q(expires_at__lte=F("begun_at") + LONGEST),
            ),
            models.CheckConstraint(
                name="glass_is_ended_by_somebody",
                condition=Q(ended_at=None, ended_by=None)
                | Q(ended_at__isnull=False, ended_by__isnull=False),
            ),
            models.CheckConstraint(
                name="broken_glass_is_reviewed_by_a_third",
                condition=Q(reviewed_at=None, reviewed_by=None, finding="")
                | Q(reviewed_at__isnull=False, reviewed_by__isnull=False)
                & ~Q(finding="")
                & ~Q(reviewed_by=F("asked_by"))
                & ~Q(reviewed_by=F("confirmed_by")),
            ),
        ]
        indexes = [
            models.Index(
                fields=["rollout", "expires_at"],
                name="glass_in_force",
                condition=Q(ended_at=None),
            ),
            models.Index(
                fields=["rollout", "review_due_at"],
                name="glass_not_reviewed",
                condition=Q(reviewed_at=None),
            ),
        ]

    def __str__(self) -> str:
        return f"break-glass {self.pk}"
