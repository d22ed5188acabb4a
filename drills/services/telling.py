"""What rows say, as lines of a document."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import Model, QuerySet

from portal.domain import markdown
from portal.domain.markdown import code, inline, said

CODES = ("digest", "fingerprint", "configuration", "path", "key")


def cell(row: Model, name: str) -> str:
    """What a field of a row says; names and digests as they are."""
    value = getattr(row, name)
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return "; ".join(inline(each) for each in value) or markdown.NOTHING
    if isinstance(value, str) and name.split("_")[-1] in CODES:
        return code(value)
    return said(str(value) if isinstance(value, Model) else value)


def facts(row: Model, *names: str) -> str:
    """Fields of a row, each on a line with its name in front."""
    return markdown.facts((name.replace("_", " "), cell(row, name)) for name in names)


def table(rows: Iterable[Model], *names: str) -> str:
    """Fields of rows, a row a line."""
    header = [name.replace("_", " ") for name in names]
    return markdown.table(header, ([cell(row, n) for n in names] for row in rows))


def newest(found: QuerySet, most: int) -> tuple[Sequence[Any], str]:
    """The newest of these rows, and a line that says so when there are more."""
    rows = list(found.order_by("-pk")[: most + 1])
    cut = f"The newest {most}; there are older ones." if len(rows) > most else ""
    return rows[:most], cut
