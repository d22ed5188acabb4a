"""Where notifications go: webhooks, chat, e-mail."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from portal.domain.notifications import (
    EndpointKind,
    EndpointState,
    Filter,
    Severity,
)
from portal.models.choices import choices, is_known
from portal.models.tracked import Tracked


class Endpoint(Tracked):
    """Somebody who is told of events. Its address and its secrets are encrypted."""

    operational_fields = frozenset({"failing_since", "failures", "rests_until"})
    # What pages and histories leave out.
    encrypted_fields = frozenset({"address", "secret", "old_secret"})

    name = models.CharField(max_length=100)
    kind = models.CharField(max_length=10, choices=choices(EndpointKind))
    state = models.CharField(
        max_length=10, choices=choices(EndpointState), default=EndpointState.ACTIVE
    )
    shown = models.CharField(
        max_length=300, help_text="The part of its address that may be shown."
    )
    address = models.TextField(blank=True)
    secret = models.TextField(blank=True)
    old_secret = models.TextField(blank=True)
    old_secret_until = models.DateTimeField(null=True, blank=True)
    events = ArrayField(models.CharField(max_length=80))
    rollout = models.CharField(
        max_length=100, blank=True, help_text="Told of this rollout only."
    )
    at_least = models.CharField(max_length=10, choices=choices(Severity))
    created_at = models.DateTimeField()
    because = models.CharField(
        max_length=500, blank=True, help_text="Why it is told nothing."
    )
    failing_since = models.DateTimeField(null=True, blank=True)
    failures = models.PositiveIntegerField(default=0, help_text="In a row.")
    rests_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            is_known("kind", EndpointKind, name="endpoint_kind_is_known"),
            is_known("state", EndpointState, name="endpoint_state_is_known"),
            is_known("at_least", Severity, name="endpoint_severity_is_known"),
            models.UniqueConstraint(name="endpoint_has_its_name", fields=["name"]),
            models.CheckConstraint(
                name="a_webhook_signs",
                condition=~Q(kind="webhook") | ~Q(secret=""),
            ),
        ]
        indexes = [
            models.Index(
                fields=["id"], name="endpoint_active", condition=Q(state="active")
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def filter(self) -> Filter:
        """Which events it wants."""
        return Filter(tuple(self.events), self.rollout, Severity(self.at_least))

    @property
    def version(self) -> str:
        """Names the newest version; what it is edited by rests on it."""
        newest = self.history.order_by("-history_id").values_list("history_id")
        return str(newest.first()[0])
