"""The steps of the canary plan, and each pass through one."""

from django.db import models
from django.db.models import Q

from portal.models.choices import choices, is_known
from portal.models.tracked import Tracked
from rollout.domain.stages import StageState
from rollout.models.rollouts import Rollout

OPEN_STATES = [StageState.RUNNING, StageState.HOLDING, StageState.PROMOTABLE]


class Stage(Tracked):
    """Who is admitted, with which caps, and what it takes to move on."""

    rollout = models.ForeignKey(Rollout, models.PROTECT, related_name="stages")
    position = models.PositiveSmallIntegerField()
    key = models.SlugField(max_length=60)
    name = models.CharField(max_length=200)
    state = models.CharField(
        max_length=15, choices=choices(StageState), default=StageState.DRAFT
    )
    is_admitting = models.BooleanField(
        default=True, help_text="A hold can stop admission too: STAGE_PAUSED."
    )
    coverage = models.DecimalField(
        max_digits=5, decimal_places=2, default=100, help_text="Percent of the units."
    )
    plan = models.JSONField(help_text="The stage's plan, see rollout/domain/stages.py.")

    class Meta:
        ordering = ["rollout", "position"]
        constraints = [
            is_known("state", StageState, name="stage_state_is_known"),
            models.UniqueConstraint(
                name="stage_position_is_unique_in_its_rollout",
                fields=["rollout", "position"],
            ),
            models.UniqueConstraint(
                name="stage_key_is_unique_in_its_rollout", fields=["rollout", "key"]
            ),
            models.UniqueConstraint(
                name="one_stage_of_a_rollout_is_open",
                fields=["rollout"],
                condition=Q(state__in=[state.value for state in OPEN_STATES]),
            ),
            models.CheckConstraint(
                name="coverage_is_a_percentage",
                condition=Q(coverage__gte=0, coverage__lte=100),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.position} {self.name}"

    @property
    def lets_in(self) -> bool:
        """Whether it lets runs in now: it is open and admits, and nothing is off."""
        is_open = self.state in OPEN_STATES and self.is_admitting
        return is_open and not self.rollout.switch.is_engaged


class Attempt(Tracked):
    """One pass through a stage; never reused, never reset."""

    stage = models.ForeignKey(Stage, models.PROTECT, related_name="attempts")
    number = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    fingerprint = models.CharField(
        max_length=71, help_text="Of the configuration that it started with."
    )

    class Meta:
        ordering = ["stage", "-number"]
        constraints = [
            models.UniqueConstraint(
                name="attempt_number_is_unique_in_its_stage", fields=["stage", "number"]
            ),
            models.UniqueConstraint(
                name="one_attempt_of_a_stage_is_open",
                fields=["stage"],
                condition=Q(ended_at=None),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.stage}, attempt {self.number}"
