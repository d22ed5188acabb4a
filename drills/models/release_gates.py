"""Release gates of rollouts, and what is waived of them."""

from django.db import models
from django.db.models import F, Q

from drills.domain.release_gates import LETTERS, Gate, read
from drills.domain.waivers import LONGEST
from portal.models import Approval
from portal.models.tracked import Tracked
from rollout.models import Rollout


class ReleaseGate(Tracked):
    """What people sign before more is opened; changed by two people.

    A gate that somebody has proposed, and nobody has approved yet, has version 0.
    """

    rollout = models.ForeignKey(Rollout, models.PROTECT, related_name="release_gates")
    letter = models.CharField(max_length=1, choices=[(each, each) for each in LETTERS])
    version = models.PositiveIntegerField(default=0)
    title = models.TextField()
    purpose = models.TextField()
    rubric = models.JSONField(help_text="What signers tick, item by item.")
    requirements = models.JSONField(help_text="What each item rests on.")

    class Meta:
        verbose_name = "release gate"
        ordering = ["rollout", "letter"]
        constraints = [
            models.CheckConstraint(
                name="gate_letter_is_known", condition=Q(letter__in=list(LETTERS))
            ),
            models.UniqueConstraint(
                name="a_rollout_has_each_gate_once", fields=["rollout", "letter"]
            ),
        ]

    def __str__(self) -> str:
        return f"gate {self.letter} of {self.rollout}"

    @property
    def gate(self) -> Gate:
        """What it says."""
        return read(
            {
                "title": self.title,
                "purpose": self.purpose,
                "rubric": self.rubric,
                "requirements": self.requirements,
            }
        )

    def say(self, gate: Gate) -> None:
        """Take over what a gate says; saving it is the caller's."""
        for name, value in gate.to_json().items():
            setattr(self, name, value)


class Waiver(Tracked):
    """A requirement that need not be met until then; two people agreed to it."""

    gate = models.ForeignKey(ReleaseGate, models.PROTECT, related_name="waivers")
    requirement = models.CharField(max_length=100)
    reason = models.TextField()
    approval = models.OneToOneField(Approval, models.PROTECT, related_name="+")
    granted_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.ForeignKey(
        "portal.Actor", models.PROTECT, related_name="+", null=True, blank=True
    )

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                name="a_waiver_lasts_a_month_at_most",
                condition=Q(expires_at__gt=F("granted_at"))
                & Q(expires_at__lte=F("granted_at") + LONGEST),
            ),
            models.CheckConstraint(
                name="an_ended_waiver_names_somebody",
                condition=Q(ended_at=None, ended_by=None)
                | Q(ended_at__isnull=False, ended_by__isnull=False),
            ),
            models.UniqueConstraint(
                name="a_requirement_has_one_waiver",
                fields=["gate", "requirement"],
                condition=Q(ended_at=None),
            ),
        ]

    def __str__(self) -> str:
        return f"waiver {self.pk}: {self.requirement}"
