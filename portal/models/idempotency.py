"""What was answered to a request, so that a repetition gets the same answer."""

from django.db import models
from django.db.models.functions import Now


class IdempotencyKey(models.Model):
    """A key that a caller used, inserted in the transaction of its effect."""

    actor = models.ForeignKey("portal.Actor", models.PROTECT, related_name="+")
    key = models.CharField(max_length=255)
    request_digest = models.CharField(
        max_length=71, help_text="Over method, path and body."
    )
    status = models.PositiveSmallIntegerField(null=True)
    headers = models.JSONField(default=dict)
    body = models.BinaryField(default=b"")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="idempotency_key_is_used_once", fields=["actor", "key"]
            )
        ]

    def __str__(self) -> str:
        return self.key
