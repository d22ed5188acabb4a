"""Typed settings, their clamps, and the rules that aim them."""

from django.db import models
from django.db.models import F, Q

from portal.models.choices import choices, is_known
from portal.models.tracked import Tracked
from rollout.domain.flags import FlagType
from rollout.models.rollouts import Rollout


class Flag(Tracked):
    """A typed setting; its clamp is the range that its value can never leave."""

    rollout = models.ForeignKey(Rollout, models.PROTECT, related_name="flags")
    key = models.CharField(max_length=100)
    type = models.CharField(max_length=10, choices=choices(FlagType))
    description = models.TextField(blank=True)
    default = models.JSONField(null=True, blank=True)
    minimum = models.BigIntegerField(null=True, blank=True)
    maximum = models.BigIntegerField(null=True, blank=True)
    options = models.JSONField(
        default=list, blank=True, help_text="The values that an enum flag can have."
    )
    is_nullable = models.BooleanField(default=False)
    prerequisites = models.JSONField(
        default=list,
        blank=True,
        help_text="Other flags, and the values with which this one's rules count.",
    )
    owner = models.CharField(
        max_length=100, blank=True, help_text="Who answers for this flag."
    )
    expires_on = models.DateField(
        null=True, blank=True, help_text="When it should have been taken out."
    )
    position = models.PositiveSmallIntegerField(default=0)
    is_live = models.BooleanField(default=True)

    class Meta:
        ordering = ["rollout", "position", "key"]
        constraints = [
            is_known("type", FlagType, name="flag_type_is_known"),
            models.UniqueConstraint(
                name="flag_key_is_unique_in_its_rollout", fields=["rollout", "key"]
            ),
            models.CheckConstraint(
                name="flag_clamp_is_a_range",
                condition=Q(minimum=None)
                | Q(maximum=None)
                | Q(minimum__lte=F("maximum")),
            ),
        ]

    def __str__(self) -> str:
        return self.key


class Rule(Tracked):
    """Gives a flag another value where its conditions hold; the first match wins."""

    flag = models.ForeignKey(Flag, models.PROTECT, related_name="rules")
    position = models.PositiveSmallIntegerField()
    description = models.CharField(max_length=200, blank=True)
    conditions = models.JSONField(default=list, blank=True)
    percentage = models.DecimalField(
        max_digits=5,
        decimal_places=2,
        null=True,
        blank=True,
        help_text="Sticky share of the units that match; empty means all of them.",
    )
    value = models.JSONField(null=True, blank=True)
    variants = models.JSONField(
        default=list, blank=True, help_text="Weighted values, instead of one."
    )
    is_live = models.BooleanField(default=True)

    class Meta:
        ordering = ["flag", "position"]
        constraints = [
            models.UniqueConstraint(
                name="rule_position_is_unique_in_its_flag",
                fields=["flag", "position"],
                condition=Q(is_live=True),
            ),
            models.CheckConstraint(
                name="rule_percentage_is_one",
                condition=Q(percentage=None)
                | Q(percentage__gte=0, percentage__lte=100),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.flag} rule {self.position}"


class Segment(Tracked):
    """Conditions with a name, for rules to share."""

    rollout = models.ForeignKey(Rollout, models.PROTECT, related_name="segments")
    key = models.CharField(max_length=100)
    description = models.TextField(blank=True)
    conditions = models.JSONField()
    is_live = models.BooleanField(default=True)

    class Meta:
        ordering = ["rollout", "key"]
        constraints = [
            models.UniqueConstraint(
                name="segment_key_is_unique_in_its_rollout", fields=["rollout", "key"]
            )
        ]

    def __str__(self) -> str:
        return self.key
