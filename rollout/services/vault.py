"""The artifact vault: bytes found by their digest, written once, never deleted."""

import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from django.conf import settings

from portal.errors import Conflict, NotFound, Refusal, TooLarge, Unavailable

CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Stored:
    """What was put away."""

    digest: str
    size: int


def path_of(digest: str) -> Path:
    """Where the bytes with this digest are."""
    name = digest.removeprefix("sha256:")
    return Path(settings.ARTIFACTS_DIR) / "sha256" / name[:2] / name[2:4] / name


def put(chunks: Iterable[bytes], *, limit: int, expected: str | None = None) -> Stored:
    """Store bytes and return their digest; they are on the disk when this returns.

    Raises `TooLarge` beyond `limit` bytes, `Conflict` (DIGEST_MISMATCH) when they are
    not what was announced, `Unavailable` when the disk takes no more. In each case
    nothing is left behind.
    """
    root = Path(settings.ARTIFACTS_DIR)
    try:
        root.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=root, prefix="incoming-")
    except OSError as error:
        raise _no_room(error) from error
    incoming = Path(name)
    try:
        hasher, size = sha256(), 0
        with os.fdopen(descriptor, "wb") as file:
            for chunk in chunks:
                size += len(chunk)
                if size > limit:
                    raise TooLarge(f"At most {limit} bytes are taken.", limit=limit)
                hasher.update(chunk)
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        digest = f"sha256:{hasher.hexdigest()}"
        if expected is not None and digest != expected:
            raise Conflict(
                "These bytes are not what Content-Digest announced.",
                code="DIGEST_MISMATCH",
                announced=expected,
                found=digest,
            )
        _move_into_place(incoming, path_of(digest))
    except OSError as error:
        raise _no_room(error) from error
    finally:
        with suppress(FileNotFoundError):
            incoming.unlink()
    return Stored(digest, size)


def _move_into_place(incoming: Path, place: Path) -> None:
    if place.exists():
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    incoming.chmod(0o440)
    incoming.rename(place)
    # The names themselves have to survive a power failure too.
    for folder in (place.parent, place.parent.parent, place.parent.parent.parent):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def read(digest: str) -> Iterator[bytes]:
    """The bytes with this digest, chunk by chunk, after checking all of them.

    Raises `NotFound` (ARTIFACT_MISSING) or `Conflict` (ARTIFACT_DAMAGED): damaged
    bytes are never given out.
    """
    trouble = check(digest)
    if trouble == "missing":
        raise NotFound("The bytes of this artifact are gone.", code="ARTIFACT_MISSING")
    if trouble is not None:
        raise Conflict(
            "The bytes of this artifact are damaged.", code="ARTIFACT_DAMAGED"
        )
    return _chunks(path_of(digest))


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
    """None when the bytes are there and intact; else `missing` or `damaged`."""
    hasher = sha256()
    try:
        for chunk in _chunks(path_of(digest)):
            hasher.update(chunk)
    except FileNotFoundError:
        return "missing"
    return None if f"sha256:{hasher.hexdigest()}" == digest else "damaged"


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def _no_room(error: OSError) -> Unavailable:
    return Unavailable(
        f"The artifact cannot be stored now ({error.strerror}); nothing was changed.",
        code="STORAGE_UNAVAILABLE",
    )
