"""Bells: whoever waits for news of the database is woken at the commit."""

from django.db import connection

EDGE = "portal_edge"  # what decides, who may ask, or what is asked of runs has changed
JOBS = "portal_jobs"  # a job is due


def ring(channel: str) -> None:
    """Wake the listeners of a channel when this transaction commits; not before."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, '')", [channel])
