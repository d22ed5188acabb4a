"""Requests that another person has to confirm."""

from django.db import models
from django.db.models import F, Q

from portal.domain.approvals import ApprovalState
from portal.models.choices import choices, is_known
from portal.models.people import Person
from portal.models.tracked import Tracked


class Approval(Tracked):
    """Somebody wants `act` done to a subject; somebody else has to confirm."""

    act = models.CharField(max_length=80)
    title = models.CharField(max_length=80, help_text="The act in words.")
    subject_type = models.CharField(max_length=80)
    subject_id = models.CharField(max_length=200)
    subject_name = models.CharField(max_length=300)
    payload = models.JSONField(default=dict, blank=True)
    base = models.JSONField(help_text="What the request rests on, as it was then.")
    digest = models.CharField(
        max_length=71, help_text="Over act, subject, payload and base."
    )
    state = models.CharField(
        max_length=10, choices=choices(ApprovalState), default=ApprovalState.PENDING
    )
    reason = models.TextField()
    requester = models.ForeignKey("portal.Actor", models.PROTECT, related_name="+")
    requester_person = models.ForeignKey(Person, models.PROTECT, related_name="+")
    requested_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    decider = models.ForeignKey(
        "portal.Actor", models.PROTECT, related_name="+", null=True, blank=True
    )
    decider_person = models.ForeignKey(
        Person, models.PROTECT, related_name="+", null=True, blank=True
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    decision_reason = models.TextField(blank=True)
    told = models.JSONField(
        default=list,
        blank=True,
        help_text="What was asked for, in sentences, as whoever decided could read it.",
    )

    class Meta:
        ordering = ["-requested_at", "-pk"]
        constraints = [
            is_known("state", ApprovalState, name="approval_state_is_known"),
            models.CheckConstraint(
                name="approval_is_confirmed_by_another_person",
                condition=~Q(state="confirmed")
                | Q(decider_person__isnull=False)
                & ~Q(decider_person=F("requester_person")),
            ),
            models.UniqueConstraint(
                name="approval_is_pending_once",
                fields=["act", "subject_type", "subject_id"],
                condition=Q(state="pending"),
            ),
        ]
        indexes = [
            models.Index(
                fields=["subject_type", "subject_id", "-id"], name="approval_subject"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.title}: {self.subject_name} ({self.state})"
