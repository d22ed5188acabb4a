"""The baseline, seeded once by the act itself and put back as rows after that.

Nearly every test begins with it, and it takes longer than most of them. So what the act
has written is kept as it was, and copied into the next test's empty database: the same
rows, ledger and history among them.
"""

from datetime import datetime, timedelta

from django.apps import apps
from django.db import connection, transaction

from portal import clock
from portal.models import Actor, LedgerEntry
from portal.services import actors
from rollout.domain import baseline
from rollout.models import Rollout
from rollout.services import rollouts

OWN = ("portal", "rollout", "drills")
_rows: dict[str, bytes] = {}
_seeded_at: datetime | None = None


def seed() -> Rollout:
    """The baseline, in a database that may be empty or in use."""
    if known := Rollout.objects.filter(key=baseline.ROLLOUT).first():
        return known
    if LedgerEntry.objects.exists() or Actor.objects.exists():
        return _by_the_act()
    if _seeded_at is None or not _is_recent():
        made = _by_the_act()
        _keep()
        return made
    _put_back()
    return Rollout.objects.get(key=baseline.ROLLOUT)


def _by_the_act() -> Rollout:
    return rollouts.seed_baseline(by=actors.host(), reason="test")[0]


def _is_recent() -> bool:
    """A test that travels in time has its own; what it would find is of another day."""
    assert _seeded_at is not None
    return timedelta() <= clock.now() - _seeded_at < timedelta(hours=1)


def _tables() -> list[str]:
    return [
        model._meta.db_table
        for model in apps.get_models()
        if model._meta.app_label in OWN
    ]


def _keep() -> None:
    global _seeded_at
    _rows.clear()
    with connection.cursor() as cursor:
        for table in _tables():
            with cursor.copy(f"COPY {table} TO STDOUT (FORMAT binary)") as copy:
                content = b"".join(bytes(part) for part in copy)
            cursor.execute(f"SELECT EXISTS (SELECT FROM {table})")
            if cursor.fetchone()[0]:
                _rows[table] = content
    _seeded_at = clock.now()


@transaction.atomic
def _put_back() -> None:
    with connection.cursor() as cursor:
        # What was checked when it was written is not checked again.
        cursor.execute("SET LOCAL session_replication_role = replica")
        for table, content in _rows.items():
            with cursor.copy(f"COPY {table} FROM STDIN (FORMAT binary)") as copy:
                copy.write(content)
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")
