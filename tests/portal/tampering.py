"""Changing the database as somebody would who owns it: past every trigger."""

import json
from hashlib import sha256

from django.db import connection

from portal.domain.ledger import leaf_of, link_of


def tamper(sql: str, *params: object) -> None:
    """Change something while the triggers sleep, which have done their work so far."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(sql, params)
        cursor.execute("RESET session_replication_role")


def rehash(first: int) -> None:
    """Make all hashes good again, from this entry on, and the tree with them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT link FROM portal_ledgerentry WHERE seq < %s "
            "ORDER BY seq DESC LIMIT 1",
            [first],
        )
        found = cursor.fetchone()
        cursor.execute(
            "SELECT seq, body FROM portal_ledgerentry WHERE seq >= %s ORDER BY seq",
            [first],
        )
        rows = cursor.fetchall()
    prev = bytes(found[0]) if found else bytes(32)
    for seq, body in rows:
        leaf = leaf_of(body.encode())
        prev = link_of(prev, seq, leaf)
        tamper(
            "UPDATE portal_ledgerentry SET leaf = %s, link = %s WHERE seq = %s",
            *(leaf, prev, seq),
        )


def edit(seq: int) -> None:
    """Let an entry say something else, in its text and in its columns."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT body FROM portal_ledgerentry WHERE seq = %s", [seq])
        body = json.loads(cursor.fetchone()[0])
    reason = f"as if {sha256(str(seq).encode()).hexdigest()[:8]}"
    said = json.dumps(
        body | {"reason": reason},
        separators=(",", ":"),
        sort_keys=True,
        ensure_ascii=False,
    )
    tamper(
        "UPDATE portal_ledgerentry SET body = %s, reason = %s WHERE seq = %s",
        *(said, reason, seq),
    )
