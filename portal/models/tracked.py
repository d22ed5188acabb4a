"""What a row keeps of its past, and what it refuses so that nothing gets lost.

Three kinds of table (decision 23): *governed* rows are `Tracked`, every version is
kept with who made it and why; *evidence* rows are `Evidence`, written once; and
*operational* rows (jobs, heartbeats, idempotency keys) are plain models.
"""

from datetime import UTC, datetime
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models, transaction
from django.db.backends.utils import format_number
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
            with transaction.atomic(savepoint=False):  # the row and its version
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


@receiver(pre_save)
def refuse_fixtures(sender, instance, raw: bool = False, **_: Any) -> None:
    """Fixtures are loaded past `save`, and would name nobody."""
    if raw and isinstance(instance, Tracked | Evidence):
        raise SilentChange(f"A {sender.__name__} is never loaded from a fixture.")


class _Version:
    """A version that a transaction wrote, and that a line has yet to name.

    It waits among what the transaction does at its commit, because what a savepoint
    takes back is taken back there as well.
    """

    def __init__(self, key: str, row: models.Model) -> None:
        self.key, self.row = key, row

    def __call__(self) -> None:
        """Nothing: `verify_ledger --deep` finds the versions that no line names."""


class _Named:
    """That a line has named these versions; a savepoint takes this back as well."""

    def __init__(self, versions: list[_Version]) -> None:
        self.versions = versions

    def __call__(self) -> None:
        """Nothing more to do."""


@receiver(post_create_historical_record)
def remember_version(sender, instance, history_instance, **_: Any) -> None:
    """Keep the version until the next line of the ledger names its digest."""
    key = f"{instance._meta.label_lower}:{instance.pk}"
    transaction.on_commit(_Version(key, history_instance))


def name_versions() -> dict[str, list[str]]:
    """The digests of the versions that this transaction wrote since it last asked.

    By row, as `rollout.stage:7`, in the order in which they were written.
    """
    waiting = [each[1] for each in transaction.get_connection().run_on_commit]
    named_before = [each for each in waiting if isinstance(each, _Named)]
    done = {id(version) for each in named_before for version in each.versions}
    new = [v for v in waiting if isinstance(v, _Version) and id(v) not in done]
    if new:
        transaction.on_commit(_Named(new))
    named: dict[str, list[str]] = {}
    for version in new:
        named.setdefault(version.key, []).append(version_digest(version.row))
    return named


def version_digest(row: models.Model) -> str:
    """The digest of a history row, the same before it is stored and after.

    A field at its default is left out, so that a column which is added later leaves
    the digests of what was there before as they are; a governed column's default is
    therefore never changed.
    """
    return digest_of(
        {
            field.attname: _as_text(field, value)
            for field in row._meta.concrete_fields
            if (value := getattr(row, field.attname)) != field.get_default()
        }
    )


def _as_text(field: models.Field, value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(field, models.JSONField | ArrayField):
        return digest_of(value)  # jsonb does not keep the order of keys
    value = field.to_python(value)  # a service may have set an enum or a whole number
    if isinstance(field, models.DecimalField):
        return format_number(value, field.max_digits, field.decimal_places)
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
