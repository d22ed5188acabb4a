"""The artifact vault: bytes found by their digest, written once, never deleted."""

import errno
import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import storages

from portal.errors import Conflict, NoRoom, NotFound, Refusal, TooLarge, Unavailable

CHUNK = 1024 * 1024
IS_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True, slots=True)
class Stored:
    """What was put away."""

    digest: str
    size: int


def _storage() -> Any:
    return storages["artifacts"]


def _name_of(digest: str) -> str:
    name = digest.removeprefix("sha256:")
    return f"sha256/{name[:2]}/{name[2:4]}/{name}"


def path_of(digest: str) -> Path:
    """Where the bytes with this digest are, when the vault is a directory."""
    return Path(_storage().path(_name_of(digest)))


def put(
    chunks: Iterable[bytes],
    *,
    limit: int,
    expected: str | None = None,
    allow: Callable[[Stored], None] = lambda stored: None,
) -> Stored:
    """Store bytes and return their digest; they are safe when this returns.

    `allow` is asked before they are kept, and may refuse. Raises `TooLarge` beyond
    `limit` bytes, `Conflict` (DIGEST_MISMATCH) when they are not what was announced,
    (ARTIFACT_DAMAGED) when they are there, but no more what they were, `NoRoom`
    (STORAGE_FULL) when the disk takes no more, `Unavailable` when the storage cannot be
    reached. In each case nothing is left behind.
    """
    storage = _storage()
    try:
        with storage.incoming() as file:
            stored = _take(chunks, file, limit)
            if expected is not None and stored.digest != expected:
                raise Conflict(
                    "These bytes are not what Content-Digest announced.",
                    code="DIGEST_MISMATCH",
                    announced=expected,
                    found=stored.digest,
                )
            allow(stored)
            name = _name_of(stored.digest)
            if not storage.exists(name):
                storage.save(name, File(file, name))
            elif check(stored.digest) is not None:
                raise Conflict(
                    "The vault holds damaged bytes under this digest, and overwrites "
                    "nothing; restore them from a backup, then send this again.",
                    code="ARTIFACT_DAMAGED",
                )
    except OSError as error:
        raise _no_room(error) from error
    return stored


def _take(chunks: Iterable[bytes], file: Any, limit: int) -> Stored:
    hasher, size = sha256(), 0
    for chunk in chunks:
        size += len(chunk)
        if size > limit:
            raise TooLarge(f"At most {limit} bytes are taken.", limit=limit)
        hasher.update(chunk)
        file.write(chunk)
    return Stored(f"sha256:{hasher.hexdigest()}", size)


class Reading:
    """The bytes of an open file, chunk by chunk; closed at their end."""

    def __init__(self, file: Any) -> None:
        self.file = file

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self.file.closed or not (chunk := self.file.read(CHUNK)):
            self.close()
            raise StopIteration
        return chunk

    def close(self) -> None:
        """Whoever reads no further says so."""
        self.file.close()


def stream(digest: str) -> Reading:
    """The bytes with this digest, chunk by chunk, unchecked: the caller hashes them.

    Raises `NotFound` (ARTIFACT_MISSING), and `Unavailable` when the storage cannot be
    reached.
    """
    try:
        return Reading(_storage().open(_name_of(digest)))
    except FileNotFoundError:
        raise NotFound(
            "The bytes of this artifact are gone.", code="ARTIFACT_MISSING"
        ) from None
    except OSError as error:
        raise _unreadable(error) from error


def read(digest: str) -> Reading:
    """The bytes with this digest, chunk by chunk, after checking all of them.

    They are read twice, therefore, from one open file. Raises what `stream` raises, and
    `Conflict` (ARTIFACT_DAMAGED): damaged bytes are never given out.
    """
    reading = stream(digest)
    file = reading.file
    if not _is_intact(file, digest):
        file.close()
        raise Conflict(
            "The bytes of this artifact are damaged.", code="ARTIFACT_DAMAGED"
        )
    file.seek(0)
    return reading


def read_object(digest: str, size: int) -> dict[str, Any]:
    """The object in a small JSON file, or nothing when there is none to read."""
    if size > settings.MAX_DOCUMENT_BYTES:
        return {}
    try:
        content = json.loads(b"".join(read(digest)))
    except (Refusal, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def check(digest: str) -> str | None:
    """None when the bytes are there and intact; else `missing` or `damaged`.

    Raises `Unavailable` when the storage cannot be reached: that says nothing about
    the bytes.
    """
    try:
        file = _storage().open(_name_of(digest))
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        raise _unreadable(error) from error
    with closing(file):
        return None if _is_intact(file, digest) else "damaged"


def _is_intact(file: Any, digest: str) -> bool:
    hasher = sha256()
    try:
        while chunk := file.read(CHUNK):
            hasher.update(chunk)
    except OSError:  # a disk that cannot read what it holds
        return False
    return f"sha256:{hasher.hexdigest()}" == digest


def free_bytes() -> int | None:
    """The free space where artifacts are kept; None in a bucket, which has no end."""
    if settings.ARTIFACTS_S3_BUCKET:
        return None
    settings.ARTIFACTS_DIR.mkdir(parents=True, exist_ok=True)
    return shutil.disk_usage(settings.ARTIFACTS_DIR).free


def _no_room(error: OSError) -> Refusal:
    if error.errno in IS_FULL:
        return NoRoom(
            "There is no room left for this artifact; nothing was changed.",
            code="STORAGE_FULL",
        )
    return Unavailable(
        f"The artifact cannot be stored now ({error.strerror}); nothing was changed.",
        code="STORAGE_UNAVAILABLE",
    )


def _unreadable(error: OSError) -> Unavailable:
    return Unavailable(
        f"The artifact cannot be read now ({error.strerror}).",
        code="STORAGE_UNAVAILABLE",
    )
