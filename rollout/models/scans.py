"""What the safety scan found in the bytes of artifacts, and what people allow of it."""

from django.db import models
from django.db.models import F, Q

from portal.models import Approval
from portal.models.choices import choices, is_known
from portal.models.tracked import Evidence, Tracked
from rollout.domain.scanning import FINGERPRINT_LENGTH, Verdict


class Scan(Evidence):
    """One reading of one content by one version of the rules, wherever it is used."""

    digest = models.CharField(max_length=71)
    rules = models.CharField(max_length=40, help_text="The version of rules and key.")
    verdict = models.CharField(
        max_length=11,
        choices=choices(Verdict),
        help_text="As found; what is allowed since is not in it.",
    )
    troubles = models.JSONField(default=list, help_text="Why it was not read in full.")
    is_final = models.BooleanField(
        help_text="False: with other limits, or other bytes, it may come out otherwise."
    )
    size_read = models.PositiveBigIntegerField(help_text="In bytes.")
    size_unpacked = models.PositiveBigIntegerField(help_text="In bytes.")
    scanned_at = models.DateTimeField()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            is_known("verdict", Verdict, name="scan_verdict_is_known"),
            models.UniqueConstraint(
                name="scan_is_final_once_by_its_rules",
                fields=["digest", "rules"],
                condition=Q(is_final=True),
            ),
            models.CheckConstraint(
                name="a_clean_scan_has_read_everything",
                condition=~Q(verdict="clean") | Q(troubles=[]),
            ),
        ]
        indexes = [
            models.Index(fields=["digest", "-id"], name="scan_of_digest"),
            models.Index(fields=["verdict", "-id"], name="scan_list"),
        ]

    def __str__(self) -> str:
        return f"scan of {self.digest[:19]} ({self.verdict})"


class Finding(Evidence):
    """A secret that a scan has met; the secret itself is not kept."""

    scan = models.ForeignKey(Scan, models.PROTECT, related_name="findings")
    family = models.CharField(max_length=60)
    is_certain = models.BooleanField(help_text="It is a secret by its very shape.")
    line = models.PositiveBigIntegerField(help_text="In what `chain` leads to.")
    offset = models.PositiveBigIntegerField(help_text="A byte of the artifact.")
    chain = models.JSONField(default=list, help_text="What was unpacked there.")
    preview = models.CharField(max_length=80)
    fingerprint = models.CharField(
        max_length=FINGERPRINT_LENGTH,
        help_text="Keyed; the same for the same secret, and says nothing of it.",
    )
    count = models.PositiveIntegerField(default=1)

    class Meta:
        ordering = ["scan", "offset", "pk"]
        constraints = [
            models.UniqueConstraint(
                name="finding_is_kept_once_in_its_scan", fields=["scan", "fingerprint"]
            )
        ]
        indexes = [models.Index(fields=["fingerprint"], name="finding_fingerprint")]

    def __str__(self) -> str:
        return f"{self.family} {self.preview}"


class Allowance(Tracked):
    """An entry of the allow list: what was found is no secret, until it expires."""

    finding = models.ForeignKey(Finding, models.PROTECT, related_name="allowances")
    family = models.CharField(max_length=60)
    fingerprint = models.CharField(max_length=FINGERPRINT_LENGTH)
    reason = models.TextField()
    approval = models.OneToOneField(Approval, models.PROTECT, related_name="+")
    allowed_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.ForeignKey(
        "portal.Actor", models.PROTECT, related_name="+", null=True, blank=True
    )

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                name="an_allowance_ends_after_it_began",
                condition=Q(expires_at__gt=F("allowed_at")),
            ),
            models.CheckConstraint(
                name="an_ended_allowance_names_somebody",
                condition=Q(ended_at=None, ended_by=None)
                | Q(ended_at__isnull=False, ended_by__isnull=False),
            ),
        ]
        indexes = [
            models.Index(
                fields=["fingerprint", "expires_at"],
                name="allowance_on",
                condition=Q(ended_at=None),
            )
        ]

    def __str__(self) -> str:
        return f"{self.family} allowed until {self.expires_at:%Y-%m-%d}"


class PendingScan(models.Model):
    """A content that wants to be scanned; the row goes when it has been."""

    digest = models.CharField(max_length=71, unique=True)
    asked_at = models.DateTimeField(
        null=True, help_text="When a worker was last asked to."
    )

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.digest
