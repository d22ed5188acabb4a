"""What the sealer has signed, the keys it signs with, and what proofs are made from."""

from django.db import models

from portal.models.tracked import Evidence


class SealerKey(Evidence):
    """A public key of the sealer, announced in the ledger.

    It takes over with the first checkpoint that covers its announcement, which the key
    that it replaces signs as well.
    """

    origin = models.CharField(max_length=200, help_text="The log that it vouches for.")
    text = models.CharField(max_length=300, unique=True, help_text="name+id+base64.")
    fingerprint = models.CharField(max_length=71)
    replaces = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="replaced_by"
    )
    announced_at = models.DateTimeField()

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.text.rsplit("+", 1)[0]


class Checkpoint(Evidence):
    """A signed note: so many entries, with this root. It vouches for the ledger; no
    entry of the ledger vouches for it, so that sealing makes nothing to be sealed."""

    origin = models.CharField(max_length=200)
    size = models.BigIntegerField()
    root = models.BinaryField(max_length=32)
    note = models.TextField(help_text="C2SP tlog-checkpoint, exactly as signed.")
    at = models.DateTimeField()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["origin", "size"], name="a_log_is_sealed_once_at_a_size"
            )
        ]

    def __str__(self) -> str:
        return f"{self.origin} {self.size}"


class LedgerNode(Evidence):
    """The root of a complete subtree of the ledger's Merkle tree, at every eighth
    height (`portal/domain/merkle.py`); a cache that every proof puts to the test."""

    height = models.PositiveSmallIntegerField()
    index = models.BigIntegerField()
    hash = models.BinaryField(max_length=32)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["height", "index"], name="a_subtree_has_one_root"
            )
        ]

    def __str__(self) -> str:
        return f"{self.height}/{self.index}"
