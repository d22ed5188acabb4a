"""Finding lines of the ledger, at a cost that does not grow with its past."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from portal.domain.tables import harmless
from portal.models import Actor, LedgerEntry
from portal.services import proofs

WINDOW = 50_000  # lines that one page looks through
PAGE = 100
MOST_EXPORTED = 100_000
MOST_ACTORS = 200
COLUMNS = (
    *("seq", "at", "actor_name", "verb", "subject_type", "subject_id"),
    *("subject_name", "reason", "request_id"),
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody looks for; what is empty or None asks for nothing."""

    who: str = ""
    verb: str = ""
    subject: str = ""
    text: str = ""
    request_id: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A page of lines, the newest first; `before` leads on to older ones."""

    lines: list[LedgerEntry]
    before: int | None
    looked_down_to: int


def search(wanted: Wanted, *, before: int | None = None, limit: int = PAGE) -> Found:
    """The newest lines below `before` that are wanted.

    Looks at no more than `WINDOW` of them: the page may be short, or empty, and
    still lead on.
    """
    top = _below(before, wanted.until)
    bottom = _since(wanted.since)
    floor = max(bottom, top - WINDOW)
    found = list(
        matching(wanted)
        .filter(seq__lt=top, seq__gte=floor)
        .order_by("-seq")[: limit + 1]
    )
    if len(found) > limit:
        return Found(found[:limit], found[limit - 1].seq, found[limit - 1].seq)
    return Found(found, floor if floor > bottom else None, floor)


def everything(wanted: Wanted) -> Iterator[LedgerEntry]:
    """All that is wanted, the newest first, up to `MOST_EXPORTED`."""
    before: int | None = None
    left = MOST_EXPORTED
    while left:
        page = search(wanted, before=before, limit=min(2000, left))
        yield from page.lines
        left -= len(page.lines)
        before = page.before
        if before is None:
            return


def matching(wanted: Wanted) -> QuerySet[LedgerEntry]:
    """Lines with these properties, whenever they were written."""
    found = LedgerEntry.objects.all()
    if wanted.who:
        found = found.filter(actor__in=actors_named(wanted.who))
    if wanted.verb:
        found = found.filter(verb__startswith=wanted.verb)
    if wanted.subject:
        kind, _, key = wanted.subject.partition(":")
        named = Q(subject_name__icontains=wanted.subject)
        found = found.filter(named | Q(subject_type=kind, subject_id=key))
    if wanted.text:
        found = found.filter(reason__icontains=wanted.text)
    if wanted.request_id:
        found = found.filter(request_id=wanted.request_id)
    return found


def actors_named(name: str) -> list[int]:
    """The actors whose name has this in it."""
    found = Actor.objects.filter(name__icontains=name)
    return list(found.values_list("pk", flat=True)[:MOST_ACTORS])


def as_csv(lines: Iterator[LedgerEntry]) -> Iterator[bytes]:
    """A table that no program takes for formulas."""
    yield _row(COLUMNS)
    for line in lines:
        cells = (getattr(line, column) for column in COLUMNS if column != "at")
        seq, *rest = map(str, cells)
        yield _row([seq, line.at.isoformat(), *map(harmless, rest)])


def as_json_lines(lines: Iterator[LedgerEntry]) -> Iterator[bytes]:
    """Each line as exports have it: the exact text, and its hashes."""
    for line in lines:
        yield f"{json.dumps(proofs.as_line(line))}\n".encode()


def _row(cells: object) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerow(cells)
    return out.getvalue().encode()


def _below(before: int | None, until: datetime | None) -> int:
    newest = LedgerEntry.objects.order_by("-seq").values_list("seq", flat=True).first()
    top = (newest or 0) + 1
    if before is not None:
        top = min(top, before)
    return min(top, first_at(until)) if until else top


def _since(moment: datetime | None) -> int:
    return first_at(moment) if moment else 1


def first_at(moment: datetime) -> int:
    """The first entry at or after a moment. Entries stand in the order of time, so
    that halving finds it, and no index has to be kept."""
    newest = LedgerEntry.objects.order_by("-seq").values_list("seq", flat=True).first()
    low, high = 1, (newest or 0) + 1
    while low < high:
        middle = (low + high) // 2
        at = LedgerEntry.objects.values_list("at", flat=True).get(seq=middle)
        if at < moment:
            low = middle + 1
        else:
            high = middle
    return low
