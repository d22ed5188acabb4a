"""Evidence packs: asked for, assembled once, and who had a part in what they hold."""

from django.db import models

from drills.models.release_gates import ReleaseGate
from portal.models import Person
from portal.models.tracked import Evidence


class PackOrder(Evidence):
    """Somebody wants the evidence of a gate put together; a worker does it."""

    gate = models.ForeignKey(ReleaseGate, models.PROTECT, related_name="orders")
    number = models.PositiveIntegerField(help_text="Within its gate.")
    reason = models.TextField()
    asked_at = models.DateTimeField()
    asked_by = models.ForeignKey("portal.Actor", models.PROTECT, related_name="+")

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                name="pack_number_is_unique_in_its_gate", fields=["gate", "number"]
            )
        ]

    def __str__(self) -> str:
        return f"pack {self.number} of {self.gate}"


class EvidencePack(Evidence):
    """Everything that signatures of a gate rest on, at one moment, under one hash.

    A pack is one round of signing: whoever rejects it closes the round.
    """

    order = models.OneToOneField(PackOrder, models.PROTECT, related_name="pack")
    gate = models.ForeignKey(ReleaseGate, models.PROTECT, related_name="packs")
    number = models.PositiveIntegerField()
    gate_version = models.PositiveIntegerField()
    manifest = models.TextField(help_text="RFC 8785 JSON, exactly as it was hashed.")
    pack_hash = models.CharField(max_length=71, unique=True)
    evidence_digest = models.CharField(
        max_length=71, help_text="Over what signatures rest on."
    )
    is_complete = models.BooleanField(
        help_text="Nothing is missing, wanting or unscanned; else nobody signs."
    )
    troubles = models.JSONField(default=list, help_text="What it lacks.")
    size = models.PositiveBigIntegerField(help_text="Of its files, in bytes.")
    assembled_at = models.DateTimeField()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                name="a_gate_has_a_pack_of_each_number", fields=["gate", "number"]
            ),
            models.CheckConstraint(
                name="a_complete_pack_lacks_nothing",
                condition=models.Q(is_complete=False) | models.Q(troubles=[]),
            ),
        ]
        indexes = [models.Index(fields=["gate", "-number"], name="pack_of_gate")]

    def __str__(self) -> str:
        return f"pack {self.number} of {self.gate}"


class PackParticipant(Evidence):
    """Somebody submitted, edited or conducted something in a pack; they cannot sign."""

    pack = models.ForeignKey(EvidencePack, models.PROTECT, related_name="participants")
    person = models.ForeignKey(Person, models.PROTECT, related_name="+")
    name = models.CharField(max_length=200, help_text="As it was then.")
    parts = models.JSONField(help_text="What they have done, in words.")

    class Meta:
        ordering = ["pack", "name"]
        constraints = [
            models.UniqueConstraint(
                name="a_person_takes_part_in_a_pack_once", fields=["pack", "person"]
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} in {self.pack}"
