"""What is in the archive of a run, under which names, and how it is checked.

The archive is a ZIP without compression, in a fixed order and with one fixed date, so
that the same data are the same bytes. Two members are about the others:
`manifest.json` (RFC 8785) gives path, size and SHA-256 of each, and what is left out;
`SHA256SUMS` says the same to `sha256sum --check`, and covers the manifest.
"""

import re
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from io import RawIOBase
from typing import Any
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from portal.domain.canonical import canonical, digest
from rollout.domain.artifacts import safe_path

FORMAT = "run-export/1"
MANIFEST = "manifest.json"
SUMS = "SHA256SUMS"
LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the first date that a ZIP can say
LONGEST_PATH = 520  # that of an artifact, and what stands before it
_READABLE = 0o100644 << 16


@dataclass(frozen=True, slots=True)
class Member:
    """A file of the archive; `chunks()` fetches its bytes when their turn comes."""

    path: str
    size: int
    digest: str
    chunks: Callable[[], Iterable[bytes]]

    @classmethod
    def of(cls, path: str, content: bytes) -> "Member":
        """A member whose bytes are at hand."""
        return cls(path, len(content), digest(content), lambda: [content])


@dataclass(frozen=True, slots=True)
class Missing:
    """What is not in the archive: its bytes are gone, damaged, or held back."""

    path: str
    digest: str
    trouble: str


@dataclass(frozen=True, slots=True)
class Contents:
    """Everything that an archive will hold, known before its first byte."""

    members: list[Member]
    left_out: list[Missing] = field(default_factory=list)


def manifest_of(contents: Contents, **about: str) -> bytes:
    """The archive's manifest, in its canonical form."""
    return canonical(
        {
            "format": FORMAT,
            **about,
            "is_complete": not contents.left_out,
            "members": {
                member.path: {"sha256": _hex(member.digest), "size": member.size}
                for member in contents.members
            },
            "left_out": {
                each.path: {"sha256": _hex(each.digest), "trouble": each.trouble}
                for each in contents.left_out
            },
        }
    )


def sums_of(members: Iterable[Member]) -> bytes:
    """What `sha256sum --check` reads; names hold neither backslash nor line break."""
    lines = (f"{_hex(member.digest)}  {member.path}\n" for member in in_order(members))
    return "".join(lines).encode()


def _hex(named: str) -> str:
    return named.removeprefix("sha256:")


def archive_path(path: str, version: int) -> str:
    """Where a version of a run's file is in the archive: nothing else can be there."""
    return safe_path(f"artifacts/v{version}/{path}", longest=LONGEST_PATH)


def file_name(run_id: str) -> str:
    """A name for the archive that every disk and every header can hold."""
    return f"run-{re.sub(r'[^A-Za-z0-9._-]', '_', run_id)[:100]}.zip"


class NotWhatItWas(RuntimeError):
    """Bytes changed between being checked and being sent; the archive ends short."""


def archive(contents: Contents, manifest: bytes) -> Generator[bytes, None, None]:
    """The bytes of the archive, as they come; never more than a chunk in memory.

    Raises `NotWhatItWas` before the archive is whole when the bytes of a member are
    not those that the manifest names.
    """
    about = Member.of(MANIFEST, manifest)
    sums = Member.of(SUMS, sums_of([about, *contents.members]))
    sink = _Sink()
    with ZipFile(sink, "w", ZIP_STORED) as zipped:
        for member in [about, sums, *in_order(contents.members)]:
            info = ZipInfo(member.path, LONG_AGO)
            info.external_attr = _READABLE
            info.create_system = 3  # whatever system writes it
            hasher = sha256()
            with zipped.open(info, "w", force_zip64=True) as file:
                for chunk in member.chunks():
                    hasher.update(chunk)
                    file.write(chunk)
                    yield from sink.taken()
            if hasher.hexdigest() != _hex(member.digest):
                raise NotWhatItWas(member.path)
    yield from sink.taken()


def in_order(members: Iterable[Member]) -> list[Member]:
    """Members in the order of the archive."""
    return sorted(members, key=lambda member: member.path)


class _Sink(RawIOBase):
    """What a ZIP is written to, and taken from at once."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.waiting.append(bytes(data))
        return len(data)

    def taken(self) -> Iterator[bytes]:
        if self.waiting:
            yield b"".join(self.waiting)
            self.waiting.clear()
