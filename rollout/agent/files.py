"""Reading what somebody else is writing: whole or not at all, regular files only."""

import os
import stat
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from portal.domain.strict_json import read
from portal.errors import Refusal
from rollout.domain.artifacts import safe_path

CHUNK = 256 * 1024
SMALL = 1024 * 1024
LARGEST_DOCUMENT = 2 * 1024 * 1024
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Moving(Exception):
    """The file changes, or is half-written: look again soon."""


class NoFile(Exception):
    """What stands there is nothing to read, and why."""


@dataclass(frozen=True, slots=True)
class Signature:
    """What changes when a file does."""

    size: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, found: os.stat_result) -> "Signature":
        """From what the system says of a file."""
        return cls(found.st_size, found.st_mtime_ns, found.st_ino)

    def as_list(self) -> list[Any]:
        """To be kept."""
        return [self.size, self.mtime_ns, self.inode]


@dataclass(frozen=True, slots=True)
class Whole:
    """All bytes of a file, and what it was when they were read."""

    raw: bytes
    signature: Signature


def open_regular(path: Path) -> int:
    """A descriptor of a regular file; `NoFile` for whatever else has that name."""
    try:
        descriptor = os.open(path, _FLAGS)
    except FileNotFoundError:
        raise NoFile("it is gone") from None
    except OSError as error:
        raise NoFile(f"it cannot be opened ({error.strerror})") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NoFile("it is no regular file")
    return descriptor


def read_whole(path: Path, *, limit: int = LARGEST_DOCUMENT) -> Whole:
    """A small file that stands still."""
    with os.fdopen(open_regular(path), "rb") as file:
        before = Signature.of(os.fstat(file.fileno()))
        if before.size > limit:
            raise NoFile(f"it is longer than {limit} bytes")
        raw = file.read(limit + 1)
        if Signature.of(os.fstat(file.fileno())) != before or len(raw) != before.size:
            raise Moving
    return Whole(raw, before)


def read_document(path: Path) -> tuple[Whole, dict[str, Any]]:
    """A JSON object and its bytes; `Moving` while it is no whole one."""
    whole = read_whole(path)
    try:
        found = read(whole.raw, limit=LARGEST_DOCUMENT)
    except Refusal as refusal:
        raise Moving(str(refusal)) from None
    if not isinstance(found, dict):
        raise Moving("It is no JSON object.")
    return whole, found


def digest_of(path: Path) -> tuple[str, Signature]:
    """The digest of a file of any length that stands still meanwhile."""
    hasher = sha256()
    with os.fdopen(open_regular(path), "rb") as file:
        before = Signature.of(os.fstat(file.fileno()))
        while chunk := file.read(CHUNK):
            hasher.update(chunk)
        if Signature.of(os.fstat(file.fileno())) != before:
            raise Moving
    return f"sha256:{hasher.hexdigest()}", before


async def chunks_of(path: Path, size: int) -> AsyncIterator[bytes]:
    """The first `size` bytes; a file that has become shorter ends early."""
    with os.fdopen(open_regular(path), "rb") as file:
        left = size
        while left > 0 and (chunk := file.read(min(CHUNK, left))):
            left -= len(chunk)
            yield chunk


def lines_from(path: Path, offset: int, limit: int) -> tuple[bytes, int, int]:
    """Whole lines from `offset` on, up to `limit` bytes; the inode, the new offset.

    A file that has become shorter begins anew.
    """
    with os.fdopen(open_regular(path), "rb") as file:
        found = os.fstat(file.fileno())
        if found.st_size < offset:
            offset = 0
        file.seek(offset)
        raw = file.read(limit)
    end = raw.rfind(b"\n") + 1
    if not end and len(raw) == limit:
        raise NoFile("a line is longer than anybody takes")
    return raw[:end], found.st_ino, offset + end


@dataclass(frozen=True, slots=True)
class Listed:
    """A file that can be an artifact, or why it cannot."""

    path: str
    signature: Signature | None
    why_not: str = ""


def files_under(root: Path) -> Iterator[Listed]:
    """Everything under a run root, in a fixed order; nothing is followed out of it."""
    folders = [("", root)]
    while folders:
        prefix, folder = folders.pop()
        try:
            with os.scandir(folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            yield Listed(prefix or ".", None, f"cannot be listed ({error.strerror})")
            continue
        for entry in entries:
            path = f"{prefix}{entry.name}"
            try:
                if entry.is_dir(follow_symlinks=False):
                    folders.append((f"{path}/", Path(entry.path)))
                    continue
                yield _listed(path, entry.stat(follow_symlinks=False))
            except OSError:
                continue  # gone meanwhile


def _listed(path: str, found: os.stat_result) -> Listed:
    if not stat.S_ISREG(found.st_mode):
        return Listed(path, None, "is no regular file")
    name = path.rpartition("/")[2]
    if ".tmp." in name or name.endswith(".tmp"):
        return Listed(path, None)  # half-written: it gets its name when it is whole
    try:
        safe_path(path)
    except (Refusal, UnicodeError) as refusal:
        return Listed(path, None, str(refusal))
    return Listed(path, Signature.of(found))
