"""Rows, their versions, and what the ledger says of them: do all three agree?"""

from collections.abc import Iterator
from contextlib import closing
from itertools import groupby

from django.apps import apps
from django.db import connection
from django.db.models import Model, TextField
from django.db.models.functions import Cast, Collate

from portal.domain.ledger import Fault, Finding
from portal.models import Tracked, version_digest

# Of one row: what lines name, or what is there.
_Named = Iterator[tuple[bytes, dict[str, int]]]
_Found = Iterator[tuple[bytes, set[str]]]

# What an act wrote, as its line names it: `portal.person:5`, and its versions' digests.
_NAMED = """
    SELECT said.key COLLATE "C" AS key, digest, seq
    FROM portal_ledgerentry,
        jsonb_each(body::jsonb -> 'versions') said,
        jsonb_array_elements_text(said.value) digest
    ORDER BY 1, seq
"""


def tracked_models() -> list[type[Model]]:
    """Every governed table of ours."""
    return [
        model
        for model in apps.get_models()
        if issubclass(model, Tracked)
        and model.__module__.split(".")[0] in ("portal", "rollout", "drills")
    ]


def silent_changes(model: type[Model]) -> Iterator[str]:
    """Rows that are not what their last version says, in a sentence each."""
    history = model.history.model
    names = [
        field.attname
        for field in history.tracked_fields
        if field.name not in model.operational_fields
    ]
    key = model._meta.pk.attname
    latest = history.objects.order_by(key, "-history_id").distinct(key)
    known = {row[0]: row[1:] for row in latest.values_list(key, *names).iterator()}
    for row in model._base_manager.values_list("pk", *names).iterator():
        before = known.pop(row[0], None)
        if before is None:
            yield f"{model._meta.label} {row[0]} has no history"
        elif before != row[1:]:
            changed = [
                name
                for name, new, old in zip(names, row[1:], before, strict=True)
                if new != old
            ]
            yield f"{model._meta.label} {row[0]} was changed silently: {changed}"
    for gone in known:
        yield f"{model._meta.label} {gone} was deleted"


def disagreements() -> Iterator[Finding]:
    """Where versions are not those that the ledger names, and rows not their versions.

    Two sorted streams side by side: one pass, in constant memory.
    """
    with closing(_written()) as written, closing(_kept()) as kept:
        yield from _compared(written, kept)
    for model in tracked_models():
        for said in silent_changes(model):
            yield Finding(0, Fault.ROW_CHANGED, said)


def _compared(written: _Named, kept: _Found) -> Iterator[Finding]:
    line, version = next(written, None), next(kept, None)
    while line or version:
        key = min(each[0] for each in (line, version) if each)
        named = line[1] if line and line[0] == key else {}
        found = version[1] if version and version[0] == key else set()
        for digest, seq in named.items():
            if digest not in found:
                said = f"the version of {_shown(key)} that it names is lost or altered"
                yield Finding(seq, Fault.VERSION_LOST, said)
        for _ in found - named.keys():
            said = f"no line of the ledger names a version of {_shown(key)}"
            yield Finding(0, Fault.VERSION_UNNAMED, said)
        if line and line[0] == key:
            line = next(written, None)
        if version and version[0] == key:
            version = next(kept, None)


def _shown(key: bytes) -> str:
    return key.decode().replace(":", " ")


def _written() -> _Named:
    """Per row: the digests that lines of the ledger name, and the first such line."""
    with connection.cursor() as plain:
        plain.execute(f"DECLARE named_versions CURSOR WITH HOLD FOR {_NAMED}")
        try:
            for key, rows in groupby(_fetched(plain), key=lambda row: row[0]):
                named: dict[str, int] = {}
                for _, digest, seq in rows:
                    named.setdefault(digest, seq)
                yield key.encode(), named
        finally:
            plain.execute("CLOSE named_versions")


def _fetched(cursor) -> Iterator[tuple[str, str, int]]:
    while True:
        cursor.execute("FETCH 2000 FROM named_versions")
        rows = cursor.fetchall()
        if not rows:
            return
        yield from rows


def _kept() -> _Found:
    """Per row: the digests of the versions that are there."""
    for model in sorted(tracked_models(), key=lambda each: _prefix(each).encode()):
        key = model._meta.pk.attname
        text = Collate(Cast(key, TextField()), "C")
        rows = model.history.model.objects.alias(sorts_as=text).order_by("sorts_as")
        by_row = groupby(
            rows.iterator(chunk_size=2000), key=lambda row, key=key: getattr(row, key)
        )
        for pk, found in by_row:
            yield f"{_prefix(model)}{pk}".encode(), {version_digest(r) for r in found}


def _prefix(model: type[Model]) -> str:
    return f"{model._meta.label_lower}:"
