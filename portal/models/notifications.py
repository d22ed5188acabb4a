"""What endpoints are told, and how that went."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from portal.domain.notifications import DeliveryState, Severity
from portal.models.choices import choices, is_known
from portal.models.endpoints import Endpoint
from portal.models.tracked import Evidence


class Notification(Evidence):
    """A line of the ledger that somebody is told of; `body` is what is sent.

    Its id, which receivers drop repetitions by, is that of the line.
    """

    uuid = models.UUIDField(unique=True)
    entry = models.ForeignKey("portal.LedgerEntry", models.PROTECT, related_name="+")
    event = models.CharField(max_length=80)
    severity = models.CharField(max_length=10, choices=choices(Severity))
    rollout = models.CharField(max_length=100, blank=True)
    at = models.DateTimeField()
    body = models.TextField(help_text="RFC 8785 JSON, exactly as it is signed.")
    waits_for = ArrayField(
        models.CharField(max_length=20),
        default=list,
        blank=True,
        help_text="The roles of those who can confirm it.",
    )

    class Meta:
        ordering = ["-pk"]
        constraints = [
            is_known("severity", Severity, name="notification_severity_is_known")
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.uuid}"


class Delivery(models.Model):
    """One notification for one endpoint."""

    notification = models.ForeignKey(
        Notification, models.PROTECT, related_name="deliveries"
    )
    endpoint = models.ForeignKey(Endpoint, models.PROTECT, related_name="deliveries")
    state = models.CharField(
        max_length=10, choices=choices(DeliveryState), default=DeliveryState.WAITING
    )
    attempts = models.PositiveIntegerField(default=0)
    tries = models.PositiveIntegerField(
        default=0, help_text="Attempts since it was last asked for."
    )
    created_at = models.DateTimeField()
    next_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    status = models.PositiveIntegerField(null=True, blank=True)
    says = models.CharField(max_length=500, blank=True)

    class Meta:
        verbose_name_plural = "deliveries"
        ordering = ["-pk"]
        constraints = [
            is_known("state", DeliveryState, name="delivery_state_is_known"),
            models.UniqueConstraint(
                name="an_endpoint_is_told_once", fields=["notification", "endpoint"]
            ),
            models.CheckConstraint(
                name="a_delivery_that_waits_is_not_finished",
                condition=Q(state="waiting", finished_at=None)
                | ~Q(state="waiting") & Q(finished_at__isnull=False),
            ),
        ]
        indexes = [
            models.Index(fields=["endpoint", "-id"], name="delivery_of_endpoint"),
            models.Index(fields=["state", "-id"], name="delivery_list"),
            models.Index(
                fields=["endpoint", "next_at"],
                name="delivery_due",
                condition=Q(state="waiting"),
            ),
            models.Index(
                fields=["created_at"],
                name="delivery_waits",
                condition=Q(state="waiting"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.notification.event} to {self.endpoint}"


class DeliveryAttempt(Evidence):
    """One attempt, and what came of it."""

    delivery = models.ForeignKey(Delivery, models.PROTECT, related_name="log")
    number = models.PositiveIntegerField()
    at = models.DateTimeField()
    took_ms = models.PositiveIntegerField()
    status = models.PositiveIntegerField(null=True, blank=True)
    says = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                name="delivery_attempts_are_numbered", fields=["delivery", "number"]
            )
        ]

    def __str__(self) -> str:
        return f"attempt {self.number}"
