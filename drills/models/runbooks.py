"""Runbooks, and each time that somebody followed one."""

from django.db import models
from django.db.models import Q

from drills.domain.runbooks import Result, Runbook, read
from drills.models.drills import Drill
from drills.models.incidents import Incident
from portal.models.choices import choices, is_known
from portal.models.tracked import Evidence, Tracked


class OperatorRunbook(Tracked):
    """Markdown with steps, for rows of the matrix and scenarios; two people change it.

    A runbook that somebody has proposed, and nobody has approved yet, has version 0.
    """

    key = models.CharField(max_length=60, unique=True)
    version = models.PositiveIntegerField(default=0)
    is_live = models.BooleanField(default=False)
    title = models.CharField(max_length=120)
    body = models.TextField(help_text="Markdown; its numbered lists are the steps.")
    rows = models.JSONField(
        default=list, help_text="Rows of the matrix that it is for."
    )
    scenarios = models.JSONField(default=list, help_text="Drills that practise it.")

    class Meta:
        verbose_name = "runbook"
        ordering = ["key"]
        constraints = [
            models.CheckConstraint(
                name="a_live_runbook_was_approved",
                condition=Q(is_live=False) | Q(version__gt=0),
            ),
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def runbook(self) -> Runbook:
        """What it says."""
        return read(
            {
                "title": self.title,
                "body": self.body,
                "rows": self.rows,
                "scenarios": self.scenarios,
            }
        )

    def say(self, runbook: Runbook) -> None:
        """Take over what a runbook says; saving it is the caller's."""
        for name, value in runbook.to_json().items():
            setattr(self, name, value)


class RunbookUse(Evidence):
    """Somebody began to follow a runbook, in an incident or in a drill."""

    runbook = models.ForeignKey(OperatorRunbook, models.PROTECT, related_name="uses")
    version = models.PositiveIntegerField()
    incident = models.ForeignKey(
        Incident, models.PROTECT, related_name="runbook_uses", null=True, blank=True
    )
    drill = models.ForeignKey(
        Drill, models.PROTECT, related_name="runbook_uses", null=True, blank=True
    )
    is_practice = models.BooleanField(help_text="In a drill, or a drill's incident.")
    steps = models.JSONField(help_text="As they were then.")
    started_by = models.ForeignKey("portal.Actor", models.PROTECT, related_name="+")
    started_at = models.DateTimeField()

    class Meta:
        verbose_name = "use of a runbook"
        verbose_name_plural = "uses of runbooks"
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                name="a_runbook_is_used_in_one_place",
                condition=Q(incident=None) ^ Q(drill=None),
            ),
        ]
        indexes = [
            models.Index(
                fields=["runbook", "is_practice", "-id"], name="runbook_use_newest"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.runbook} in {self.incident or self.drill}"


class RunbookTick(Evidence):
    """What came of a step; the newest counts, the others stay."""

    use = models.ForeignKey(RunbookUse, models.PROTECT, related_name="ticks")
    number = models.PositiveSmallIntegerField(help_text="Of the step, from 1.")
    result = models.CharField(max_length=10, choices=choices(Result))
    note = models.TextField(blank=True)
    ticked_by = models.ForeignKey("portal.Actor", models.PROTECT, related_name="+")
    ticked_at = models.DateTimeField()

    class Meta:
        verbose_name = "tick of a runbook's step"
        ordering = ["pk"]
        constraints = [is_known("result", Result, name="tick_result_is_known")]

    def __str__(self) -> str:
        return f"step {self.number}: {self.get_result_display()}"
