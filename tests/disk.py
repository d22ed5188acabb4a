"""What is on the disk of the database, and what is not yet."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction
from simple_history.signals import post_create_historical_record

from portal.services import durability

HEADER = 40  # of a page of the log, which may be counted before anything follows it


@contextmanager
def not_waited_for() -> Iterator[None]:
    """Acts whose transaction is committed, and which nobody was told of so far."""
    with transaction.atomic():
        yield
        connection.run_on_commit = [
            hook for hook in connection.run_on_commit if hook[1] is not durability.flush
        ]


@contextmanager
def lost_after_the_commit() -> Iterator[None]:
    """Acts that lose their connection between the commit and the disk."""

    def lose(**_: object) -> None:
        transaction.on_commit(_end_this_session)

    post_create_historical_record.connect(lose)
    try:
        yield
    finally:
        post_create_historical_record.disconnect(lose)
        connection.close()


def _end_this_session() -> None:
    beside = connection.copy()
    pid = connection.connection.info.backend_pid
    with beside.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    beside.close()


def log_end() -> int:
    """How far the database's log goes."""
    return _one("SELECT pg_current_wal_insert_lsn() - '0/0'")


def is_on_disk(end: int) -> bool:
    """Whether all that the log said then is where a power failure leaves it."""
    return _one("SELECT pg_current_wal_flush_lsn() - '0/0'") + HEADER >= end


def _one(sql: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return int(cursor.fetchone()[0])
