"""When something is on the disk, and who waits for that.

A transaction that has written a line of the ledger commits without waiting for the
disk, so that the next one can go on with the ledger; it waits afterwards, together
with others, before anybody is told that the act is done. The database's log is in the
order of the commits: a power failure takes back its end and never something before
that, so that nobody can build on what gets lost without getting lost as well. What is
left to see to is what leaves the database: whoever gives away something that others
have written calls `flush` first.
"""

from django.db import connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

# A part of the message in which a transaction takes the ledger's lock.
LATER = "SET LOCAL synchronous_commit = off"
# Whatever has written to the log waits at its commit, as the database is configured to:
# for this disk, or for standbys too. What was committed before is before it in the log.
# (A transaction with an id alone does not wait.)
_WAIT = "SELECT pg_logical_emit_message(true, 'portal', '')"


def flush() -> None:
    """Wait until all that could be read by now survives a power failure.

    Within a transaction as well, which pays for a connection of its own. Raises
    Django's `Error` when the database goes away meanwhile: then nobody knows.
    """
    if not connection.in_atomic_block:
        _wait(connection)
        return
    beside = connection.copy()
    try:
        _wait(beside)
    finally:
        beside.close()


def flush_at_commit() -> None:
    """Have this transaction wait for the disk before whoever began it goes on.

    Once, however often it is asked for; a savepoint that is taken back takes this back
    too. If the database goes away between commit and disk, `OperationalError` comes
    out of the transaction, as when it goes away in the midst of a commit.
    """
    waiting = transaction.get_connection().run_on_commit
    if not any(hook is flush for _, hook, _ in waiting):
        transaction.on_commit(flush)


def _wait(on: BaseDatabaseWrapper) -> None:
    with on.cursor() as cursor:
        cursor.execute(_WAIT)
