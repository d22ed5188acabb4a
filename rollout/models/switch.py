"""The emergency switch of a rollout."""

from django.db import models

from portal.models.choices import choices, is_known
from portal.models.tracked import Tracked
from rollout.domain.switch import SwitchState
from rollout.models.rollouts import Rollout


class Switch(Tracked):
    """Engaged means: Option C is off everywhere. The epoch only ever rises."""

    rollout = models.OneToOneField(Rollout, models.PROTECT, related_name="switch")
    state = models.CharField(
        max_length=10, choices=choices(SwitchState), default=SwitchState.RELEASED
    )
    epoch = models.PositiveBigIntegerField(default=1)
    changed_at = models.DateTimeField()
    changed_by = models.ForeignKey("portal.Actor", models.PROTECT, related_name="+")
    reason = models.TextField()

    class Meta:
        verbose_name_plural = "switches"
        constraints = [is_known("state", SwitchState, name="switch_state_is_known")]

    def __str__(self) -> str:
        return f"switch of {self.rollout}"

    @property
    def is_engaged(self) -> bool:
        """Whether Option C is off everywhere."""
        return self.state == SwitchState.ENGAGED
