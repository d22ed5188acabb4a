"""Writing and checking the ledger."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

import uuid_utils
from django.db import OperationalError, connection
from django.db.models import F, Func, Model, TextField, Value
from django.db.models.functions import Cast
from orjson import loads
from structlog.contextvars import get_contextvars

from portal import clock
from portal.domain.canonical import canonical
from portal.domain.ledger import (
    GENESIS,
    Fault,
    Finding,
    Line,
    findings,
    leaf_of,
    link_of,
)
from portal.domain.redaction import redact, redact_value
from portal.errors import Unavailable
from portal.models import Actor, LedgerEntry, name_versions
from portal.services import durability

# Held from `record` to the end of the transaction: entries come into being one after
# the other, so that `seq` has no holes and every link has its predecessor. Nobody holds
# it while he waits for the disk (`durability`).
LOCK = 0x1ED6E5

# Who else is told of a line, in its transaction: `listener(entry, subject, details)`.
Listener = Callable[[LedgerEntry, Model, dict[str, Any]], None]
_listeners: list[Listener] = []


def also_tell(listener: Listener) -> None:
    """Have `listener` called with every line, as a part of the act that writes it."""
    _listeners.append(listener)


def record(
    verb: StrEnum,
    subject: Model,
    /,
    *,
    by: Actor,
    reason: str,
    **details: object,
) -> LedgerEntry:
    """Write a line: `by` did `verb` to `subject`, for this reason.

    Call it as the last step of an act, in its transaction; everybody else's acts
    wait from here to the commit, and whoever began the transaction waits until it is
    on the disk. What the act has saved must be whole by now: a row without its version
    is refused here. The entry carries the digests of all versions that the transaction
    has written since its last line. Raises `Unavailable` when the
    ledger is busy for longer than the connection's lock timeout.
    """
    said = redact_value(plain(details))
    versions = name_versions()
    entry = LedgerEntry(
        uuid=UUID(str(uuid_utils.uuid7())),
        actor=by,
        actor_name=by.name,
        verb=str(verb),
        subject_type=subject._meta.label_lower,
        subject_id=str(subject.pk),
        subject_name=str(subject)[:300],
        reason=redact(reason),
        request_id=str(get_contextvars().get("request_id", "")),
    )
    entry.seq, prev = _next()  # only now: what could be done before, nobody waits for
    entry.at = clock.now()  # later than that of every line before
    body = canonical(
        {
            **_projection(entry),
            "actor": {"kind": by.kind, "id": str(by.pk), "name": by.name},
            "authenticated_by": str(by.authenticated_by),
            "details": said,
            "versions": versions,
        }
    )
    entry.body = body.decode()
    entry.leaf = leaf_of(body)
    entry.link = link_of(prev, entry.seq, entry.leaf)
    _write(entry)
    for listener in _listeners:
        listener(entry, subject, said)
    return entry


# One message: the second statement sees what was committed before it began, and it
# begins when the first one has the lock. What the database looks at when a transaction
# ends, it looks at before that as far as it can, so that nobody waits for it either.
_TAKE = f"""
SET CONSTRAINTS ALL IMMEDIATE;
SET CONSTRAINTS ALL DEFERRED;
{durability.LATER};
SELECT pg_advisory_xact_lock({LOCK});
SELECT seq, link FROM portal_ledgerentry ORDER BY seq DESC LIMIT 1
"""


def _next() -> tuple[int, bytes]:
    """Lock the ledger; the next place in it, and the link to continue from."""
    with connection.cursor() as cursor:
        try:
            cursor.execute(_TAKE)
        except OperationalError as error:
            raise Unavailable(
                "The ledger is busy; nothing was changed. Try again.",
                code="LEDGER_BUSY",
            ) from error
        while cursor.nextset():
            pass
        head = cursor.fetchone()
    durability.flush_at_commit()
    return (head[0] + 1, bytes(head[1])) if head else (1, GENESIS)


_FIELDS = LedgerEntry._meta.concrete_fields
_INSERT = f"""
INSERT INTO portal_ledgerentry ({", ".join(field.column for field in _FIELDS)})
VALUES ({", ".join("%s" for _ in _FIELDS)})
"""


def _write(entry: LedgerEntry) -> None:
    """Insert a line; by itself, because everybody waits twice as long for `save`."""
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, [getattr(entry, field.attname) for field in _FIELDS])
    entry._state.adding, entry._state.db = False, connection.alias


def plain(value: object) -> object:
    """A JSON value for anything that acts put into details; times and numbers as text
    where JSON could not keep them exactly."""
    match value:
        case None | bool() | str():
            return str(value) if isinstance(value, StrEnum) else value
        case int():
            return value if abs(value) < 2**53 else str(value)
        case datetime():
            return value.astimezone(UTC).isoformat()
        case date() | Decimal() | UUID():
            return str(value)
        case dict():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(item) for item in value]
        case Model():
            return str(value.pk)
        case _:
            return value


def _projection(entry: LedgerEntry) -> dict[str, object]:
    """What the columns of an entry say, as its body has to say it."""
    return {
        "seq": entry.seq,
        "uuid": str(entry.uuid),
        "at": entry.at.astimezone(UTC).isoformat(),
        "verb": str(entry.verb),
        "subject": {
            "type": entry.subject_type,
            "id": entry.subject_id,
            "name": entry.subject_name,
        },
        "reason": entry.reason,
        "request_id": entry.request_id,
    }


def verify() -> Iterator[Finding]:
    """Everything that is wrong with the ledger in itself, in its order.

    Reads the whole ledger once, in constant memory.
    """
    yield from findings(checked_lines(found := []))
    yield from found


# As text, because to make objects of a million times and ids takes longer than to hash.
_AT = Func(
    Func(Value("UTC"), F("at"), function="timezone"),
    Value('YYYY-MM-DD"T"HH24:MI:SS.US'),
    function="to_char",
    output_field=TextField(),
)
_READ = (
    *("seq", Cast("uuid", TextField()), _AT, "actor_id", "actor_name", "verb"),
    *("subject_type", "subject_id", "subject_name", "reason", "request_id"),
    *("body", "leaf", "link"),
)


def checked_lines(misprojected: list[Finding]) -> Iterator[Line]:
    """Every line; columns that belie their body go to `misprojected`.

    Rows and not objects, because there may be millions.
    """
    rows = LedgerEntry.objects.order_by("seq").values_list(*_READ)
    for row in rows.iterator(chunk_size=2000):
        *said, body, leaf, link = row
        if not _is_projection_true(said, body):
            misprojected.append(
                Finding(
                    row[0],
                    Fault.MISPROJECTED,
                    "its columns do not say what its text says",
                )
            )
        yield Line(row[0], body.encode(), bytes(leaf), bytes(link))


def _is_projection_true(said: list[Any], text: str) -> bool:
    seq, uuid, at, actor, actor_name, verb, *subject, reason, request_id = said
    try:
        body = loads(text)
        expected = (
            *(body["seq"], body["uuid"], body["at"]),
            *(body["actor"]["id"], body["actor"]["name"], body["verb"]),
            *(body["subject"][key] for key in ("type", "id", "name")),
            *(body["reason"], body["request_id"]),
        )
    except (ValueError, KeyError, TypeError):
        return False
    moment = f"{at.removesuffix('.000000')}+00:00"
    found = (seq, uuid, moment, str(actor), actor_name, verb)
    return expected == (*found, *subject, reason, request_id)
