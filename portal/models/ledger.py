"""The ledger: who did what, when and why; nothing in it is ever changed."""

from django.db import models

from portal.domain.ledger import Line
from portal.models.tracked import Evidence


class LedgerEntry(Evidence):
    """One line. `body` is what counts; the other columns are for finding it."""

    seq = models.BigIntegerField(primary_key=True)
    uuid = models.UUIDField()
    at = models.DateTimeField()
    actor = models.ForeignKey(  # found by the index that has `seq` beside it
        "portal.Actor", models.PROTECT, related_name="+", db_index=False
    )
    actor_name = models.CharField(max_length=200)
    verb = models.CharField(max_length=80)
    subject_type = models.CharField(max_length=80)
    subject_id = models.CharField(max_length=200)
    subject_name = models.CharField(max_length=300)
    reason = models.TextField()
    request_id = models.CharField(max_length=64, blank=True)
    body = models.TextField(help_text="RFC 8785 JSON, exactly as it was hashed.")
    leaf = models.BinaryField(max_length=32)
    link = models.BinaryField(max_length=32)

    class Meta:
        verbose_name_plural = "ledger entries"
        ordering = ["-seq"]
        indexes = [
            models.Index(
                fields=["subject_type", "subject_id", "-seq"], name="ledger_subject"
            ),
            models.Index(fields=["verb", "-seq"], name="ledger_verb"),
            models.Index(fields=["actor", "-seq"], name="ledger_actor"),
            models.Index(fields=["request_id"], name="ledger_request"),
        ]

    def __str__(self) -> str:
        return f"{self.seq} {self.verb} {self.subject_name}"

    @property
    def line(self) -> Line:
        """This entry as the domain checks it."""
        return Line(self.seq, self.body.encode(), bytes(self.leaf), bytes(self.link))
