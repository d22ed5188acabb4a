"""Jobs as rows, and the signs of life of the processes that carry them out."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from portal.domain.jobs import JobState, Queue
from portal.models.choices import choices, is_known


class Job(models.Model):
    """Something that is wanted, written down in the transaction that wants it.

    The row is the promise. Redis only rings the bell: it carries the row's id and
    can forget it at any time.
    """

    kind = models.CharField(max_length=120, help_text="Dotted path of the function.")
    queue = models.CharField(max_length=10, choices=choices(Queue))
    payload = models.JSONField(default=dict)
    state = models.CharField(
        max_length=10, choices=choices(JobState), default=JobState.WAITING
    )
    attempt = models.PositiveIntegerField(default=0)
    fence = models.PositiveBigIntegerField(
        default=0, help_text="Rises with every claim; a write names the one it holds."
    )
    run_after = models.DateTimeField(db_default=Now())
    handed_at = models.DateTimeField(null=True, blank=True)
    handings = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    worker = models.CharField(max_length=120, blank=True)
    error = models.TextField(blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True, blank=True)
    once = models.CharField(
        max_length=200,
        blank=True,
        help_text="At most one unfinished job has this name, if it has any.",
    )

    class Meta:
        ordering = ["-pk"]
        constraints = [
            is_known("state", JobState, name="job_state_is_known"),
            is_known("queue", Queue, name="job_queue_is_known"),
            models.UniqueConstraint(
                name="job_is_wanted_once",
                fields=["once"],
                condition=Q(state__in=["waiting", "running"]) & ~Q(once=""),
            ),
        ]
        indexes = [
            models.Index(
                fields=["run_after"], name="job_due", condition=Q(state="waiting")
            ),
            models.Index(
                fields=["lease_until"], name="job_leased", condition=Q(state="running")
            ),
            models.Index(fields=["state", "-id"], name="job_list"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.payload}"


class Heartbeat(models.Model):
    """When a process last said that it is alive."""

    name = models.CharField(max_length=60, primary_key=True)
    at = models.DateTimeField()
    pid = models.PositiveIntegerField()
    host = models.CharField(max_length=120)
    details = models.JSONField(default=dict)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
