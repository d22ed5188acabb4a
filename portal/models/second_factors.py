"""Second factors: credentials, so operational; that there is one is on the person."""

from django.db import models

from portal.models.people import Person


class SecondFactor(models.Model):
    """The secret that a person's telephone shares with us, encrypted.

    It counts from `confirmed_at` on. `last_step` is the newest code that was used: none
    is good twice.
    """

    person = models.OneToOneField(
        Person, models.CASCADE, related_name="second_factor", primary_key=True
    )
    encrypted_secret = models.TextField()
    begun_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(null=True, blank=True)
    last_step = models.BigIntegerField(default=0)
    failures = models.PositiveIntegerField(default=0, help_text="Since the last code.")
    failed_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"second factor of {self.person}"


class RecoveryCode(models.Model):
    """A code for whoever has lost the telephone; good once, stored as a keyed hash."""

    person = models.ForeignKey(Person, models.CASCADE, related_name="recovery_codes")
    keyed_hash = models.CharField(max_length=64, unique=True)
    made_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"recovery code of {self.person}"
