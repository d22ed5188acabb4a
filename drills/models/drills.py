"""Drills: what was practised, step by step, with what was there before and after."""

from django.db import models
from django.db.models import Q

from drills.domain.drills import UNDER_WAY, VERDICTS, Means, Moment, Outcome, State
from drills.domain.scenarios import Phase, Scenario
from portal.models.choices import choices, is_known
from portal.models.tracked import Evidence, Tracked
from rollout.models import Rollout, Stage


class Drill(Tracked):
    """One scenario, practised once for a stage of a live rollout."""

    rollout = models.ForeignKey(Rollout, models.PROTECT, related_name="drills")
    stage = models.ForeignKey(Stage, models.PROTECT, related_name="drills")
    scenario = models.CharField(max_length=30, choices=choices(Scenario))
    means = models.CharField(max_length=10, choices=choices(Means))
    state = models.CharField(
        max_length=10, choices=choices(State), default=State.WAITING
    )
    reasons = models.JSONField(default=list, help_text="What stands against it.")
    environment = models.CharField(max_length=60)
    fingerprint = models.CharField(
        max_length=71, help_text="Of the stage's configuration that it was tried on."
    )
    plan = models.JSONField(default=list, help_text="The steps, as they were planned.")
    reason = models.TextField()

    conductor = models.ForeignKey("portal.Actor", models.PROTECT, related_name="+")
    observer = models.ForeignKey(
        "portal.Actor", models.PROTECT, related_name="+", null=True, blank=True
    )
    observed_at = models.DateTimeField(null=True, blank=True)
    asked_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    twin = models.OneToOneField(
        Rollout, models.PROTECT, related_name="drill", null=True, blank=True
    )
    run_id = models.CharField(max_length=200, blank=True)
    token = models.ForeignKey(
        "portal.ApiToken", models.PROTECT, related_name="+", null=True, blank=True
    )
    stop_reason = models.TextField(
        blank=True, help_text="Why somebody wants it to stop, if somebody does."
    )

    class Meta:
        ordering = ["-pk"]
        constraints = [
            is_known("scenario", Scenario, name="drill_scenario_is_known"),
            is_known("means", Means, name="drill_means_is_known"),
            is_known("state", State, name="drill_state_is_known"),
            models.UniqueConstraint(
                name="one_drill_of_a_rollout_is_under_way",
                fields=["rollout"],
                condition=Q(state__in=list(UNDER_WAY)),
            ),
            models.CheckConstraint(
                name="a_drill_with_a_verdict_has_ended",
                condition=Q(state__in=list(VERDICTS)) ^ Q(ended_at=None),
            ),
            models.CheckConstraint(
                name="an_observed_drill_names_when",
                condition=Q(observer=None, observed_at=None)
                | Q(observer__isnull=False, observed_at__isnull=False),
            ),
            models.CheckConstraint(
                name="nobody_observes_what_they_conduct",
                condition=~Q(observer=models.F("conductor")) | Q(observer=None),
            ),
        ]
        indexes = [
            models.Index(
                fields=["stage", "scenario", "-ended_at"],
                name="drill_passed",
                condition=Q(state="passed"),
            ),
            models.Index(fields=["rollout", "-id"], name="drill_of_rollout"),
            models.Index(
                fields=["id"],
                name="drill_under_way",
                condition=Q(state__in=list(UNDER_WAY)),
            ),
        ]

    def __str__(self) -> str:
        return f"drill {self.pk}: {self.get_scenario_display()}"


class DrillStep(Evidence):
    """What was done at a step, what was expected, and what was seen."""

    drill = models.ForeignKey(Drill, models.PROTECT, related_name="steps")
    number = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=60, blank=True)
    phase = models.CharField(max_length=10, choices=choices(Phase))
    does = models.TextField()
    expects = models.TextField()
    actual = models.TextField()
    outcome = models.CharField(max_length=15, choices=choices(Outcome))
    facts = models.JSONField(default=dict)
    target_s = models.FloatField(null=True, blank=True, help_text="In seconds.")
    took_s = models.FloatField(null=True, blank=True, help_text="In seconds.")
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField()

    class Meta:
        ordering = ["drill", "number"]
        constraints = [
            is_known("phase", Phase, name="drill_phase_is_known"),
            is_known("outcome", Outcome, name="drill_outcome_is_known"),
            models.UniqueConstraint(
                name="a_step_is_carried_out_once", fields=["drill", "number"]
            ),
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.does}"


class DrillCapture(Evidence):
    """An artifact as it was at a moment of a drill; its bytes are in the vault."""

    drill = models.ForeignKey(Drill, models.PROTECT, related_name="captures")
    moment = models.CharField(max_length=10, choices=choices(Moment))
    path = models.CharField(max_length=600)
    digest = models.CharField(max_length=71)
    size = models.PositiveBigIntegerField(help_text="In bytes.")
    trouble = models.CharField(
        max_length=20, blank=True, help_text="What is wrong with its bytes."
    )
    captured_at = models.DateTimeField()
    captured_by = models.ForeignKey("portal.Actor", models.PROTECT, related_name="+")

    class Meta:
        ordering = ["drill", "path", "pk"]
        constraints = [
            is_known("moment", Moment, name="capture_moment_is_known"),
            models.UniqueConstraint(
                name="a_path_is_captured_once_at_a_moment",
                fields=["drill", "moment", "path"],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.path} ({self.moment})"


class DrillNote(Evidence):
    """What a person has seen at a drill, or answered to an item of its checklist."""

    drill = models.ForeignKey(Drill, models.PROTECT, related_name="notes")
    item = models.CharField(
        max_length=30, blank=True, help_text="Of the checklist; empty: an observation."
    )
    text = models.TextField()
    noted_by = models.ForeignKey("portal.Actor", models.PROTECT, related_name="+")
    noted_at = models.DateTimeField()

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.text[:80]


class DrillSchedule(Tracked):
    """How often a scenario is practised for a rollout."""

    rollout = models.ForeignKey(Rollout, models.PROTECT, related_name="drill_schedules")
    scenario = models.CharField(max_length=30, choices=choices(Scenario))
    every_days = models.PositiveSmallIntegerField()
    starts_by_itself = models.BooleanField(
        default=False, help_text="Else people are reminded of it."
    )
    next_at = models.DateTimeField(help_text="When it is due.")
    reminded_at = models.DateTimeField(
        null=True, blank=True, help_text="When people were last told that it is due."
    )

    operational_fields = frozenset({"reminded_at", "next_at"})

    class Meta:
        ordering = ["rollout", "scenario"]
        constraints = [
            is_known("scenario", Scenario, name="scheduled_scenario_is_known"),
            models.UniqueConstraint(
                name="a_scenario_has_one_schedule", fields=["rollout", "scenario"]
            ),
            models.CheckConstraint(
                name="a_schedule_is_of_days_to_a_year",
                condition=Q(every_days__gte=1, every_days__lte=366),
            ),
        ]
        indexes = [models.Index(fields=["next_at"], name="drill_schedule_due")]

    def __str__(self) -> str:
        return f"{self.get_scenario_display()} every {self.every_days} days"


class DrillLever(Tracked):
    """The safety lever: while it is pulled, no drill goes on and none begins."""

    is_pulled = models.BooleanField(default=False)
    reason = models.TextField()
    moved_at = models.DateTimeField()
    moved_by = models.ForeignKey("portal.Actor", models.PROTECT, related_name="+")

    class Meta:
        constraints = [
            models.CheckConstraint(name="there_is_one_lever", condition=Q(pk=1))
        ]

    def __str__(self) -> str:
        return "pulled" if self.is_pulled else "released"
