"""What happened in an incident, in its order, and what it is about."""

from django.db import models
from django.db.models import F, Q

from drills.domain.timeline import EntryKind
from drills.models.incidents import Incident
from portal.models.choices import choices, is_known
from portal.models.tracked import Evidence


class TimelineEntry(models.Model):
    """One line of the timeline; only the count of an equal one grows.

    What people do and say is written once. What machines see again and again (entries
    with a `key`) is counted, within a chapter; the database lets nothing else change.
    """

    incident = models.ForeignKey(Incident, models.PROTECT, related_name="timeline")
    kind = models.CharField(max_length=10, choices=choices(EntryKind))
    key = models.CharField(max_length=71, blank=True)
    says = models.TextField()
    actor = models.ForeignKey("portal.Actor", models.PROTECT, related_name="+")
    at = models.DateTimeField()
    chapter = models.PositiveIntegerField()
    count = models.PositiveBigIntegerField(default=1)
    last_at = models.DateTimeField()

    class Meta:
        ordering = ["at", "pk"]
        verbose_name_plural = "timeline entries"
        constraints = [
            is_known("kind", EntryKind, name="timeline_kind_is_known"),
            models.UniqueConstraint(
                name="equal_entries_are_counted",
                fields=["incident", "key"],
                condition=~Q(key=""),
            ),
            models.CheckConstraint(
                name="an_entry_is_counted_from_one",
                condition=Q(count__gte=1, last_at__gte=F("at")),
            ),
        ]
        indexes = [
            models.Index(fields=["incident", "-at", "-id"], name="timeline_newest")
        ]

    def __str__(self) -> str:
        return f"{self.at:%H:%M:%S} {self.says[:80]}"


class IncidentLink(Evidence):
    """An incident is about this run, evaluation, rollback, directive or artifact."""

    incident = models.ForeignKey(Incident, models.PROTECT, related_name="links")
    subject_type = models.CharField(max_length=80)
    subject_id = models.CharField(max_length=200)
    subject_name = models.CharField(max_length=300)
    linked_by = models.ForeignKey("portal.Actor", models.PROTECT, related_name="+")
    linked_at = models.DateTimeField()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                name="a_thing_is_linked_once",
                fields=["incident", "subject_type", "subject_id"],
            )
        ]
        indexes = [
            models.Index(
                fields=["subject_type", "subject_id"], name="incidents_of_a_thing"
            )
        ]

    def __str__(self) -> str:
        return self.subject_name
