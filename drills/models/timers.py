"""What an incident has to have reached by when."""

from django.db import models
from django.db.models import Q

from drills.domain.timers import TimerKind
from drills.models.incidents import Incident
from portal.models.choices import choices, is_known


class IncidentTimer(models.Model):
    """A timer that runs, or has run; operational: what it does is in the ledger."""

    incident = models.ForeignKey(Incident, models.PROTECT, related_name="timers")
    kind = models.CharField(max_length=15, choices=choices(TimerKind))
    since = models.DateTimeField()
    due_at = models.DateTimeField()
    rings_at = models.DateTimeField(
        null=True, blank=True, help_text="When it is due, or reminds again."
    )
    stopped_at = models.DateTimeField(null=True, blank=True)
    reminders = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["due_at"]
        constraints = [
            is_known("kind", TimerKind, name="timer_kind_is_known"),
            models.UniqueConstraint(
                name="an_incident_has_a_timer_of_each_kind",
                fields=["incident", "kind"],
            ),
            models.CheckConstraint(
                name="a_timer_rings_until_it_is_stopped",
                condition=Q(stopped_at__isnull=True) ^ Q(rings_at__isnull=True),
            ),
        ]
        indexes = [
            models.Index(
                fields=["rings_at"],
                name="timer_rings",
                condition=Q(rings_at__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.incident}"
