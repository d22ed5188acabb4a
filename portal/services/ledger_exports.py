"""The ledger, or an extract of it, for somebody who trusts nobody here.

An export holds the exact text of every entry, its hashes, every checkpoint, how each
key came to be trusted, and a verifier that needs nothing of the portal.
"""

import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

from django.db import transaction

from portal.domain.roles import May
from portal.domain.verbs import Verb
from portal.errors import Conflict, Invalid
from portal.models import Actor, Checkpoint, LedgerEntry
from portal.services import durability, nodes, proofs
from portal.services.access import require
from portal.services.ledger import record

FORMAT = "ledger-export/1"
TELL_EVERY = 10_000
JOINED = 500  # lines written at once

Lines = Iterable[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Written:
    """What an export holds."""

    entries: int
    last: int
    size: int  # of its last checkpoint
    is_extract: bool


@transaction.atomic
def announce(*, by: Actor, reason: str, **details: object) -> LedgerEntry:
    """Write down that somebody takes the ledger out, or which part of it.

    A whole export has this line in it. Raises `WrongMoment` before the first
    checkpoint.
    """
    require(by, May.READ)
    last = proofs.latest_checkpoint()
    return record(Verb.LEDGER_EXPORTED, last, by=by, reason=reason, **details)


def write(
    output: Path,
    *,
    first: int = 1,
    last: int = 0,
    tell: Callable[[int], None] = lambda entries: None,
) -> Written:
    """Write entries `first` … `last` (0: to the end) to a ZIP, or a directory.

    From 1 to the end it is the whole ledger, with the unsealed tail; else an extract,
    each entry with the proof that the last checkpoint covers it. It is there whole, or
    not at all. Raises `Conflict` when `output` is there, `Invalid` for a range that no
    checkpoint covers.
    """
    if output.exists():
        raise Conflict(f"{output} is there already; nothing was written.")
    checkpoint = proofs.latest_checkpoint()
    head = LedgerEntry.objects.order_by("-seq").values_list("seq", flat=True)[0]
    is_extract = first > 1 or 0 < last < head
    until = last or (checkpoint.size if is_extract else head)
    if not 1 <= first <= until <= (checkpoint.size if is_extract else head):
        raise Invalid(
            f"Entries {first} to {until} are not all there and sealed: the last "
            f"checkpoint is of {checkpoint.size}."
        )
    durability.flush()  # the tail, of which no checkpoint vouches that it stays
    with _place(output) as place:
        written = Written(until - first + 1, until, checkpoint.size, is_extract)
        target = _Target(place)
        if is_extract:
            seqs = range(first, until + 1)
            entries: Lines = proofs.extract(seqs, size=checkpoint.size)
            signed = [checkpoint]
        else:
            rows = LedgerEntry.objects.filter(seq__lte=until).order_by("seq")
            entries = map(proofs.as_line, rows.iterator(chunk_size=2000))
            known = Checkpoint.objects.filter(origin=checkpoint.origin)
            signed = known.filter(size__lte=until).order_by("size").iterator()
            target.lines("nodes.jsonl", nodes.every(checkpoint.size))
        target.lines("entries.jsonl", _told(entries, tell))
        notes = ({"at": each.at.isoformat(), "note": each.note} for each in signed)
        target.lines("checkpoints.jsonl", notes)
        target.lines("keys.jsonl", proofs.introductions(checkpoint.origin))
        target.text("verify_ledger.py", proofs.verifier())
        target.text("README.md", _read_me())
        target.finish(
            {
                "format": FORMAT,
                "origin": checkpoint.origin,
                "is_extract": is_extract,
                "entries": written.entries,
                "last": written.last,
            }
        )
    return written


class _Target:
    """Files of an export, in a directory or a ZIP, with their digests."""

    def __init__(self, place: Path) -> None:
        self.place = place
        is_zip = not place.is_dir()
        self.zip = (
            zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED, compresslevel=1)
            if is_zip
            else None
        )
        self.digests: dict[str, str] = {}

    def lines(self, name: str, lines: Lines) -> None:
        """One JSON object a line."""
        self._write(name, (f"{json.dumps(line)}\n".encode() for line in lines))

    def text(self, name: str, text: str) -> None:
        """A file that is small."""
        self._write(name, [text.encode()])

    def finish(self, manifest: dict[str, Any]) -> None:
        """The manifest comes last, and names the digest of everything else."""
        said = manifest | {"files": dict(self.digests)}
        self.text("export.json", f"{json.dumps(said, indent=1)}\n")
        if self.zip is not None:
            self.zip.close()

    def _write(self, name: str, chunks: Iterable[bytes]) -> None:
        hasher = sha256()
        file = (
            self.zip.open(name, "w", force_zip64=True)
            if self.zip is not None
            else (self.place / name).open("wb")
        )
        with file:
            for chunk in _joined(chunks):
                hasher.update(chunk)
                file.write(chunk)
        self.digests[name] = f"sha256:{hasher.hexdigest()}"


class _place:
    """Somewhere beside the output, that takes its place when all went well."""

    def __init__(self, output: Path) -> None:
        self.output = output

    def __enter__(self) -> Path:
        beside = {"dir": self.output.parent, "prefix": f".{self.output.name}."}
        if self.output.suffix == ".zip":
            descriptor, name = tempfile.mkstemp(**beside)
            os.close(descriptor)
        else:
            name = tempfile.mkdtemp(**beside)
        self.half = Path(name)
        return self.half

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.half.chmod(0o755 if self.half.is_dir() else 0o644)
            self.half.rename(self.output)
        elif self.half.is_dir():
            shutil.rmtree(self.half, ignore_errors=True)
        else:
            with suppress(FileNotFoundError):
                self.half.unlink()


def _joined(chunks: Iterable[bytes]) -> Iterator[bytes]:
    waiting: list[bytes] = []
    for chunk in chunks:
        waiting.append(chunk)
        if len(waiting) == JOINED:
            yield b"".join(waiting)
            waiting.clear()
    yield b"".join(waiting)


def _told(lines: Lines, tell: Callable[[int], None]) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, start=1):
        yield line
        if number % TELL_EVERY == 0:
            tell(number)


def _read_me() -> str:
    return files("portal.standalone").joinpath("README.md").read_text()
