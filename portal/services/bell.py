"""Bells: whoever waits for news of the database is woken at the commit."""

from django.db import connection

EDGE = "portal_edge"  # what decides, who may ask, or what is asked of runs has changed
JOBS = "portal_jobs"  # a job is due
SEAL = "portal_seal"  # a line of the ledger shall be sealed at once


def listen(channel: str) -> None:
    """Have this connection woken by a channel; a pooler's will not do."""
    with connection.cursor() as cursor:
        cursor.execute(f"LISTEN {channel}")


def wait(timeout_s: float) -> bool:
    """Sleep until a bell rings, or for so long; whether one rang. What fails is
    Django's `Error`."""
    with connection.wrap_database_errors:
        for _ in connection.connection.notifies(timeout=timeout_s, stop_after=1):
            return True
    return False


def ring(channel: str) -> None:
    """Wake the listeners of a channel when this transaction commits; not before."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, '')", [channel])
