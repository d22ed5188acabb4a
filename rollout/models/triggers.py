"""Triggers, what they saw, and what came of it."""

from django.db import models

from portal.models.choices import choices, is_known
from portal.models.tracked import Evidence, Tracked
from rollout.domain.symptoms import SymptomKind
from rollout.domain.triggers import Action, Outcome, TriggerKind
from rollout.models.evaluations import Evaluation
from rollout.models.rollouts import Rollout
from rollout.models.runs import Run
from rollout.models.stages import Attempt, Stage


class Trigger(Tracked):
    """Turns evidence into a hold, a rollback or the switch; edited by changes only."""

    rollout = models.ForeignKey(Rollout, models.PROTECT, related_name="triggers")
    key = models.CharField(max_length=100)
    kind = models.CharField(max_length=30, choices=choices(TriggerKind))
    description = models.TextField(blank=True)
    action = models.CharField(max_length=15, choices=choices(Action))
    cooldown_s = models.PositiveIntegerField(
        default=0, help_text="How long it rests after it has fired."
    )
    is_dry_run = models.BooleanField(
        default=False, help_text="It says what it would do, and does nothing."
    )
    threshold = models.FloatField(null=True, blank=True, help_text="A rate.")
    at_least = models.PositiveIntegerField(null=True, blank=True, help_text="A count.")
    window_s = models.PositiveIntegerField(null=True, blank=True)
    is_live = models.BooleanField(default=True)

    class Meta:
        ordering = ["rollout", "key"]
        constraints = [
            is_known("kind", TriggerKind, name="trigger_kind_is_known"),
            is_known("action", Action, name="trigger_action_is_known"),
            models.UniqueConstraint(
                name="trigger_key_is_unique_in_its_rollout", fields=["rollout", "key"]
            ),
        ]

    def __str__(self) -> str:
        return self.key


class Symptom(Evidence):
    """Something that a run's own documents say went wrong around it."""

    run = models.ForeignKey(Run, models.PROTECT, related_name="symptoms")
    kind = models.CharField(max_length=20, choices=choices(SymptomKind))
    source = models.CharField(max_length=550, help_text="Where in its documents.")
    place = models.PositiveBigIntegerField(help_text="In the order of its source.")
    count = models.PositiveIntegerField()
    says = models.TextField()
    rules = models.CharField(max_length=40, help_text="Version of the patterns.")
    digest = models.CharField(max_length=71, help_text="Of the document.")
    noticed_at = models.DateTimeField()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            is_known("kind", SymptomKind, name="symptom_kind_is_known"),
            models.UniqueConstraint(
                name="a_symptom_is_noticed_once", fields=["run", "kind", "source"]
            ),
        ]

    def __str__(self) -> str:
        return f"{self.run}: {self.get_kind_display()}"


class TriggerFiring(Evidence):
    """A trigger fired about a subject, once: why, and what came of it."""

    trigger = models.ForeignKey(Trigger, models.PROTECT, related_name="firings")
    trigger_digest = models.CharField(
        max_length=71, help_text="Of the trigger as it was then."
    )
    stage = models.ForeignKey(Stage, models.PROTECT, related_name="firings")
    attempt = models.ForeignKey(Attempt, models.PROTECT, related_name="firings")
    subject = models.CharField(max_length=300, help_text="What it fired about.")
    run = models.ForeignKey(
        Run, models.PROTECT, related_name="firings", null=True, blank=True
    )
    evaluation = models.ForeignKey(
        Evaluation, models.PROTECT, related_name="firings", null=True, blank=True
    )
    says = models.TextField()
    facts = models.JSONField(help_text="All that was known.")
    action = models.CharField(max_length=15, choices=choices(Action))
    outcome = models.CharField(max_length=15, choices=choices(Outcome))
    at = models.DateTimeField()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            is_known("action", Action, name="firing_action_is_known"),
            is_known("outcome", Outcome, name="firing_outcome_is_known"),
            models.UniqueConstraint(
                name="a_trigger_fires_once_about_a_subject",
                fields=["trigger", "subject"],
                condition=~models.Q(outcome=Outcome.COOLING_DOWN),
            ),
        ]
        indexes = [models.Index(fields=["trigger", "-at"], name="firing_latest")]

    def __str__(self) -> str:
        return f"{self.trigger} about {self.subject}: {self.get_outcome_display()}"


class Watch(models.Model):
    """How far the watch over one gate of an attempt has come; operational."""

    attempt = models.ForeignKey(Attempt, models.PROTECT, related_name="watches")
    gate = models.CharField(max_length=1)
    floor = models.FloatField()
    runs = models.PositiveIntegerField(default=0, help_text="That said something.")
    sums = models.JSONField(help_text="The detector's sums; it goes on from them.")
    upto = models.PositiveIntegerField(help_text="Start order of the last run seen.")
    seen_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "watches"
        constraints = [
            models.UniqueConstraint(
                name="one_watch_over_a_gate_of_an_attempt", fields=["attempt", "gate"]
            )
        ]

    def __str__(self) -> str:
        return f"watch over gate {self.gate} of {self.attempt}"
