"""What is being rolled out."""

from enum import StrEnum

from django.db import models

from portal.models.choices import choices, is_known
from portal.models.tracked import Tracked
from rollout.domain.runs import RunKind


class RolloutKind(StrEnum):
    """A drill's twin governs nothing real."""

    LIVE = "live"
    DRILL = "drill"


class Rollout(Tracked):
    """The thing being rolled out: it has flags, stages, a switch, runs and gates."""

    key = models.SlugField(max_length=100, unique=True)
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    kind = models.CharField(
        max_length=10, choices=choices(RolloutKind), default=RolloutKind.LIVE
    )
    fallback_workflow = models.CharField(max_length=50, default="standard")
    salt = models.CharField(
        max_length=64,
        help_text="Fixed at creation, so that the cohort never changes by itself.",
    )

    class Meta:
        ordering = ["key"]
        constraints = [is_known("kind", RolloutKind, name="rollout_kind_is_known")]

    def __str__(self) -> str:
        return self.key

    @property
    def kind_of_runs(self) -> RunKind:
        """What the runs of its own accord count as: those of a twin, as a drill."""
        return RunKind.DRILL if self.kind == RolloutKind.DRILL else RunKind.LIVE
