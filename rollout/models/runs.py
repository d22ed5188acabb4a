"""Research runs, as the portal knows them, and the documents that they sent."""

from enum import StrEnum

from django.db import models
from django.db.models import Q

from portal.models.choices import choices, is_known
from portal.models.tracked import Evidence, Tracked
from rollout.domain.runs import RunKind, RunStage, RunStatus
from rollout.models.decisions import Decision
from rollout.models.rollouts import Rollout
from rollout.models.stages import Attempt


class Run(Tracked):
    """One research run: what it reported, and what the portal made of it.

    `reported_status` is what the research system says, `status` the portal's own
    verdict; they differ once the portal has failed or cancelled a run.
    """

    rollout = models.ForeignKey(Rollout, models.PROTECT, related_name="runs")
    run_id = models.CharField(max_length=200)
    kind = models.CharField(
        max_length=10, choices=choices(RunKind), default=RunKind.LIVE
    )
    status = models.CharField(
        max_length=10, choices=choices(RunStatus), default=RunStatus.CREATED
    )
    reported_status = models.CharField(
        max_length=10, choices=choices(RunStatus), blank=True
    )
    cause = models.CharField(
        max_length=60, blank=True, help_text="Why the portal ended it, if it did."
    )
    awaits_fallback = models.BooleanField(
        default=False, help_text="It has a fallback offer that nobody has taken yet."
    )
    stage = models.CharField(max_length=15, choices=choices(RunStage), blank=True)
    mode = models.CharField(max_length=20, blank=True)

    # Stored when it is first heard of, because evidence must not move (decision 17).
    decision = models.ForeignKey(
        Decision, models.PROTECT, related_name="+", null=True, blank=True
    )
    is_admitted = models.BooleanField(
        default=False, help_text="It was told option_c before it reported."
    )
    attempt = models.ForeignKey(
        Attempt, models.PROTECT, related_name="runs", null=True, blank=True
    )
    start_order = models.PositiveIntegerField(
        null=True, blank=True, help_text="Its place among the runs of its attempt."
    )
    fingerprint = models.CharField(max_length=71, blank=True)
    no_web = models.BooleanField(default=False)
    system_version = models.CharField(max_length=100, default="unknown")

    manifest_revision = models.PositiveBigIntegerField(default=0)
    manifest_digest = models.CharField(max_length=71, blank=True)
    gates_revision = models.PositiveBigIntegerField(default=0)
    gates_digest = models.CharField(max_length=71, blank=True)
    last_seq = models.PositiveBigIntegerField(default=0)
    gates = models.JSONField(
        default=dict,
        help_text="Per gate: status, retries, drift, when its failure was confirmed.",
    )

    created_at = models.DateTimeField()
    reported_at = models.DateTimeField(
        null=True, blank=True, help_text="When something last arrived."
    )
    stage_since = models.DateTimeField(
        null=True, blank=True, help_text="Receipt of what changed stage or progress."
    )
    finished_at = models.DateTimeField(null=True, blank=True)

    # The watchdog's timer (decision 20).
    times_out_at = models.DateTimeField(
        null=True, blank=True, help_text="When it will have hung, unless it reports."
    )
    time_left = models.DurationField(
        null=True, blank=True, help_text="While it is paused: what its timer has left."
    )
    timeouts = models.JSONField(
        default=dict, help_text="Seconds per stage, from the run's own policy."
    )

    class Meta:
        ordering = ["-pk"]
        constraints = [
            is_known("kind", RunKind, name="run_kind_is_known"),
            is_known("status", RunStatus, name="run_status_is_known"),
            models.UniqueConstraint(
                name="run_id_is_unique_in_its_rollout", fields=["rollout", "run_id"]
            ),
            models.UniqueConstraint(
                name="start_order_is_unique_in_its_attempt",
                fields=["attempt", "start_order"],
                condition=Q(attempt__isnull=False),
            ),
            models.CheckConstraint(
                name="a_final_run_has_an_end",
                condition=Q(status__in=["failed", "completed", "cancelled"])
                ^ Q(finished_at=None),
            ),
            # No open run can be forgotten by the watchdog.
            models.CheckConstraint(
                name="an_open_run_has_a_timer",
                condition=Q(kind="imported", times_out_at=None, time_left=None)
                | Q(finished_at__isnull=False, times_out_at=None, time_left=None)
                | Q(status="paused", times_out_at=None, time_left__isnull=False)
                | Q(
                    status__in=["created", "running"],
                    times_out_at__isnull=False,
                    time_left=None,
                ),
            ),
        ]
        indexes = [
            models.Index(fields=["rollout", "status", "-id"], name="run_by_status"),
            models.Index(
                fields=["stage_since"],
                name="run_open",
                condition=Q(finished_at=None),
            ),
            models.Index(
                fields=["rollout", "-finished_at"],
                name="run_ended_unheeded",
                condition=Q(
                    reported_status__in=["created", "running", "paused"],
                    finished_at__isnull=False,
                ),
            ),
            models.Index(
                fields=["fingerprint", "attempt", "start_order"],
                name="run_evidence",
                condition=Q(attempt__isnull=False),
            ),
            models.Index(
                fields=["rollout", "-id"],
                name="run_told_its_version",
                condition=Q(attempt__isnull=False) & ~Q(system_version="unknown"),
            ),
            models.Index(
                fields=["rollout", "-id"],
                name="run_awaits_fallback",
                condition=Q(awaits_fallback=True),
            ),
            models.Index(
                fields=["times_out_at"],
                name="run_timer",
                condition=Q(times_out_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.run_id


class DocumentKind(StrEnum):
    """What kind of document a run sends, revision by revision."""

    MANIFEST = "manifest"
    GATES = "gates"


class Standing(StrEnum):
    """What a document counts for."""

    ACCEPTED = "accepted"  # it moved the run
    KEPT = "kept"  # it came after the portal's verdict, or contradicts what is known


class RunDocument(Evidence):
    """One revision of a run's manifest or gates, byte for byte."""

    run = models.ForeignKey(Run, models.PROTECT, related_name="documents")
    kind = models.CharField(max_length=10, choices=choices(DocumentKind))
    revision = models.PositiveBigIntegerField()
    standing = models.CharField(
        max_length=10, choices=choices(Standing), default=Standing.ACCEPTED
    )
    note = models.CharField(max_length=200, blank=True)
    raw = models.BinaryField()
    digest = models.CharField(max_length=71)
    content = models.JSONField()
    received_at = models.DateTimeField()
    received_from = models.ForeignKey("portal.Actor", models.PROTECT, related_name="+")

    class Meta:
        ordering = ["-pk"]
        constraints = [
            is_known("kind", DocumentKind, name="document_kind_is_known"),
            is_known("standing", Standing, name="document_standing_is_known"),
            models.UniqueConstraint(
                name="a_revision_is_accepted_once",
                fields=["run", "kind", "revision"],
                condition=Q(standing="accepted"),
            ),
            models.UniqueConstraint(
                name="a_document_is_kept_once",
                fields=["run", "kind", "revision", "digest"],
            ),
        ]
        indexes = [models.Index(fields=["run", "kind", "-id"], name="document_latest")]

    def __str__(self) -> str:
        return f"{self.run} {self.kind} revision {self.revision}"


class RunEvent(Evidence):
    """One telemetry event. Never evidence for a stage (decision 19)."""

    run = models.ForeignKey(Run, models.PROTECT, related_name="events")
    seq = models.PositiveBigIntegerField()
    at = models.DateTimeField(help_text="As the run says.")
    event_type = models.CharField(max_length=40)
    content = models.JSONField()
    digest = models.CharField(max_length=71)
    received_at = models.DateTimeField()

    class Meta:
        ordering = ["run", "seq"]
        constraints = [
            models.UniqueConstraint(
                name="event_seq_is_unique_in_its_run", fields=["run", "seq"]
            )
        ]

    def __str__(self) -> str:
        return f"{self.run} event {self.seq}"


class Advance(Evidence):
    """A run asked whether it may go on to its next stage, and what it was told."""

    run = models.ForeignKey(Run, models.PROTECT, related_name="advances")
    from_stage = models.CharField(max_length=15, choices=choices(RunStage))
    to_stage = models.CharField(max_length=15, choices=choices(RunStage))
    is_allowed = models.BooleanField()
    code = models.CharField(max_length=40, blank=True)
    preconditions = models.JSONField(default=list)
    asked_at = models.DateTimeField()
    asked_by = models.ForeignKey("portal.Actor", models.PROTECT, related_name="+")

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        answer = "allowed" if self.is_allowed else self.code
        return f"{self.run} {self.from_stage} to {self.to_stage}: {answer}"
