"""The agents beside installations, as they last reported themselves."""

from django.db import models

from portal.models import ApiToken
from portal.models.choices import choices
from rollout.domain.installations import SettingsState
from rollout.models.rollouts import Rollout


class Agent(models.Model):
    """An agent, the installation that it governs, and how both were when it last said.

    Operational: what it says is overwritten by what it says next.
    """

    rollout = models.ForeignKey(Rollout, models.PROTECT, related_name="agents")
    name = models.CharField(max_length=100)
    token = models.ForeignKey(ApiToken, models.PROTECT, related_name="+")
    version = models.CharField(max_length=50)
    team = models.CharField(max_length=200, blank=True)
    environment = models.CharField(max_length=200, blank=True)
    host = models.CharField(max_length=200, blank=True)
    roots = models.PositiveIntegerField(help_text="Run roots that it knows.")
    open_roots = models.PositiveIntegerField(help_text="Those whose run goes on.")
    lag_s = models.FloatField(
        help_text="From a file's change to its receipt, the worst of the last minute."
    )
    settings_state = models.CharField(max_length=12, choices=choices(SettingsState))
    is_enabled = models.BooleanField(
        help_text="Whether its settings file lets Option C run."
    )
    epoch = models.PositiveBigIntegerField(
        null=True, help_text="Of the switch, as its settings file goes by it."
    )
    revision = models.PositiveBigIntegerField(null=True)
    problems = models.JSONField(default=list)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField(db_index=True)

    class Meta:
        ordering = ["rollout", "name"]
        constraints = [
            models.UniqueConstraint(
                name="agent_is_known_once", fields=["rollout", "name"]
            )
        ]

    def __str__(self) -> str:
        return self.name
