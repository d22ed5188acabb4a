"""What a row keeps of its past, and what it refuses so that nothing gets lost.

Three kinds of table (decision 23): *governed* rows are `Tracked`, every version is
kept with who made it and why; *evidence* rows are `Evidence`, written once; and
*operational* rows (jobs, heartbeats, idempotency keys) are plain models.
"""

from datetime import UTC, datetime
from typing import Any

from django.db import models
from django.db.models.signals import pre_save
from django.dispatch import receiver
from simple_history.models import HistoricalRecords
from simple_history.signals import post_create_historical_record

from portal import clock
from portal.domain.canonical import digest_of


class SilentChange(TypeError):
    """A write that would leave no trace; a mistake in code, not of a user."""


class TrackedQuerySet(models.QuerySet):
    """Reads freely; refuses the writes that would bypass history."""

    def update(self, **values):
        raise SilentChange("update() leaves no history; load rows and save_as() each.")

    def delete(self):
        raise SilentChange("Nothing governed is ever deleted.")

    def bulk_create(self, *args, **kwargs):
        raise SilentChange("bulk_create() leaves no history; save_as() each row.")

    def bulk_update(self, *args, **kwargs):
        raise SilentChange("bulk_update() leaves no history; save_as() each row.")


class History(HistoricalRecords):
    """Versions of a row, without the fields that its class calls operational."""

    def fields_included(self, model):
        return [
            field
            for field in super().fields_included(model)
            if field.name not in model.operational_fields
        ]

    def create_history_model(self, model, inherited):
        history_model = super().create_history_model(model, inherited)
        history_model._history_excluded_fields = sorted(model.operational_fields)
        return history_model


class Tracked(models.Model):
    """A row whose every version is kept, with who changed it and why."""

    # Fields that say nothing about governance (a last use, a password hash) may be
    # saved alone and without a version.
    operational_fields: frozenset[str] = frozenset()

    objects = TrackedQuerySet.as_manager()
    history = History(inherit=True, user_model="portal.Actor")

    class Meta:
        abstract = True
        base_manager_name = "objects"  # else it would be a way around

    def save_as(self, actor, *, reason: str) -> None:
        """Save this version in the name of `actor`, who says why."""
        self._history_user, self._change_reason = actor, reason
        self._history_date = clock.now()
        try:
            self.save()
        finally:
            # These name this save only; the next one has to say it again.
            del self._history_user, self._change_reason, self._history_date

    def save(self, *args, **kwargs) -> None:
        fields = kwargs.get("update_fields")
        if fields is not None and set(fields) <= self.operational_fields:
            self.skip_history_when_saving = True
            try:
                return super().save(*args, **kwargs)
            finally:
                del self.skip_history_when_saving
        if not hasattr(self, "_history_user"):
            raise SilentChange(
                f"save() of a {type(self).__name__} names nobody; use save_as()."
            )
        return super().save(*args, **kwargs)

    def delete(self, *args, **kwargs):
        raise SilentChange("Nothing governed is ever deleted.")

    @property
    def version_digest(self) -> str | None:
        """The digest of the version that the last `save_as` wrote, if any."""
        row = getattr(self, "_version", None)
        return version_digest(row) if row is not None else None


@receiver(pre_save)
def refuse_fixtures(sender, instance, raw: bool = False, **_: Any) -> None:
    """Fixtures are loaded past `save`, and would name nobody."""
    if raw and isinstance(instance, Tracked | Evidence):
        raise SilentChange(f"A {sender.__name__} is never loaded from a fixture.")


@receiver(post_create_historical_record)
def remember_version(sender, instance, history_instance, **_: Any) -> None:
    """Keep the version in reach, so that the ledger can name its digest."""
    instance._version = history_instance


def version_digest(row: models.Model) -> str:
    """The digest of a history row: every field, the same before and after storing."""
    return digest_of(
        {
            field.attname: _as_text(getattr(row, field.attname))
            for field in row._meta.concrete_fields
        }
    )


def _as_text(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, dict | list):
        return digest_of(value)  # jsonb does not keep the order of keys
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    return str(value)


class EvidenceQuerySet(models.QuerySet):
    """Reads and inserts; what is written stays as it is."""

    def update(self, **values):
        raise SilentChange("Evidence is written once.")

    def delete(self):
        raise SilentChange("Evidence is never deleted.")

    def bulk_update(self, *args, **kwargs):
        raise SilentChange("Evidence is written once.")


class Evidence(models.Model):
    """A row that is written once; its digest is in the ledger."""

    objects = EvidenceQuerySet.as_manager()

    class Meta:
        abstract = True
        base_manager_name = "objects"

    def save(self, *args, **kwargs) -> None:
        if not self._state.adding:
            raise SilentChange("Evidence is written once.")
        super().save(*args, **{**kwargs, "force_insert": True})

    def delete(self, *args, **kwargs):
        raise SilentChange("Evidence is never deleted.")
