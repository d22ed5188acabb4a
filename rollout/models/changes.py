"""Proposed edits of a rollout's configuration, and what was said about them."""

from django.db import models
from django.db.models import F, Q

from portal.models import Person
from portal.models.choices import choices, is_known
from portal.models.tracked import Evidence, Tracked
from rollout.domain.changes import ChangeState, Origin
from rollout.domain.exposure import Risk
from rollout.models.rollouts import Rollout
from rollout.models.snapshots import Snapshot


class Change(Tracked):
    """An exact difference against a base, approved by another person if need be."""

    rollout = models.ForeignKey(Rollout, models.PROTECT, related_name="changes")
    title = models.CharField(max_length=200)
    reason = models.TextField()
    origin = models.CharField(
        max_length=10, choices=choices(Origin), default=Origin.EDIT
    )
    state = models.CharField(
        max_length=10, choices=choices(ChangeState), default=ChangeState.OPEN
    )
    edits = models.JSONField(help_text="Path, before and after of every edit.")
    risks = models.JSONField(help_text="The risk of each edit, by its path.")
    risk = models.PositiveSmallIntegerField(
        choices=[(risk.value, str(risk)) for risk in Risk]
    )
    base_digest = models.CharField(
        max_length=71, help_text="Of the whole configuration that this rests on."
    )
    base_revision = models.PositiveBigIntegerField(
        help_text="Of the snapshot that was active then."
    )
    digest = models.CharField(max_length=71, help_text="Over the edits and the base.")
    author = models.ForeignKey("portal.Actor", models.PROTECT, related_name="+")
    author_person = models.ForeignKey(
        Person, models.PROTECT, related_name="changes", null=True, blank=True
    )
    proposed_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    approver = models.ForeignKey(
        "portal.Actor", models.PROTECT, related_name="+", null=True, blank=True
    )
    approver_person = models.ForeignKey(
        Person, models.PROTECT, related_name="+", null=True, blank=True
    )
    approved_at = models.DateTimeField(null=True, blank=True)
    approved_digest = models.CharField(max_length=71, blank=True)
    scheduled_for = models.DateTimeField(null=True, blank=True)
    blocked_because = models.TextField(blank=True)
    applier = models.ForeignKey(
        "portal.Actor", models.PROTECT, related_name="+", null=True, blank=True
    )
    applied_at = models.DateTimeField(null=True, blank=True)
    snapshot = models.ForeignKey(
        Snapshot,
        models.PROTECT,
        related_name="changes",
        null=True,
        blank=True,
        help_text="What decided from then on.",
    )

    class Meta:
        ordering = ["-pk"]
        constraints = [
            is_known("state", ChangeState, name="change_state_is_known"),
            is_known("origin", Origin, name="change_origin_is_known"),
            models.CheckConstraint(
                name="change_is_approved_by_another_person",
                condition=Q(approver_person=None)
                | Q(author_person__isnull=False)
                & ~Q(approver_person=F("author_person")),
            ),
            models.CheckConstraint(
                name="approval_is_of_this_very_change",
                condition=Q(approver_person=None) | Q(approved_digest=F("digest")),
            ),
            models.CheckConstraint(
                name="exposure_is_applied_with_approval",
                condition=~Q(state="applied")
                | Q(risk=Risk.SAFER)
                | Q(approver_person__isnull=False),
            ),
        ]
        indexes = [
            models.Index(fields=["rollout", "state", "-id"], name="change_list"),
            models.Index(
                fields=["expires_at"],
                name="change_pending",
                condition=Q(state__in=["open", "approved", "scheduled", "blocked"]),
            ),
        ]

    def __str__(self) -> str:
        return f"change {self.pk}: {self.title}"


class ChangeComment(Evidence):
    """What somebody said about a change while it was discussed."""

    change = models.ForeignKey(Change, models.PROTECT, related_name="comments")
    author = models.ForeignKey("portal.Actor", models.PROTECT, related_name="+")
    text = models.TextField()
    at = models.DateTimeField()

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.author} on {self.change}"
