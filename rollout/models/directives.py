"""What the portal asks of runs."""

from django.db import models
from django.db.models import Q

from portal.models.choices import choices, is_known
from portal.models.tracked import Tracked
from rollout.domain.directives import DirectiveKind, DirectiveState, Proof
from rollout.models.runs import Run


class Directive(Tracked):
    """One thing asked of one run, sent again until the run acknowledges it."""

    id = models.UUIDField(primary_key=True, editable=False)
    run = models.ForeignKey(Run, models.PROTECT, related_name="directives")
    kind = models.CharField(max_length=10, choices=choices(DirectiveKind))
    state = models.CharField(
        max_length=15, choices=choices(DirectiveState), default=DirectiveState.ISSUED
    )
    reason = models.TextField()
    issued_at = models.DateTimeField()
    issued_by = models.ForeignKey("portal.Actor", models.PROTECT, related_name="+")
    due_at = models.DateTimeField(help_text="Overdue when not acknowledged by then.")
    ended_at = models.DateTimeField(null=True, blank=True)
    revision = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="Of the manifest that carried it out."
    )
    proof = models.CharField(
        max_length=15,
        choices=choices(Proof),
        blank=True,
        help_text="Whether that manifest shows it.",
    )
    overdue_at = models.DateTimeField(
        null=True, blank=True, help_text="When the portal told that it was overdue."
    )

    class Meta:
        ordering = ["-issued_at", "-pk"]
        constraints = [
            is_known("kind", DirectiveKind, name="directive_kind_is_known"),
            is_known("state", DirectiveState, name="directive_state_is_known"),
            models.UniqueConstraint(
                name="a_run_is_asked_one_thing_at_a_time",
                fields=["run"],
                condition=Q(state="issued"),
            ),
            models.CheckConstraint(
                name="a_directive_that_is_over_has_an_end",
                condition=Q(state="issued") ^ Q(ended_at__isnull=False),
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"], name="directive_open", condition=Q(state="issued")
            ),
            models.Index(
                fields=["due_at"],
                name="directive_not_told_of",
                condition=Q(state="issued", overdue_at=None),
            ),
            models.Index(
                fields=["run", "revision"],
                name="directive_awaits_proof",
                condition=Q(proof="awaited"),
            ),
            models.Index(
                fields=["-id"],
                name="directive_contradicted",
                condition=Q(proof="contradicted"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.run} ({self.state})"
