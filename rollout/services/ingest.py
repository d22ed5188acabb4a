"""Importing a run root: what the research system left on a disk, file by file."""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from django.db import transaction

from portal.domain.roles import May
from portal.domain.strict_json import read
from portal.errors import (
    Conflict,
    Invalid,
    NoRoom,
    NotAllowed,
    NotFound,
    Refusal,
    TooLarge,
    Unavailable,
)
from portal.models import Actor
from portal.services.access import require
from portal.services.ledger import record
from rollout.domain.artifacts import safe_path
from rollout.domain.runs import RunKind
from rollout.domain.verbs import Verb
from rollout.services import artifacts, documents, events, fallback, runs

CHUNK = 1024 * 1024
LARGEST_DOCUMENT = 16 * 1024 * 1024
OPTIONAL = {"gates.json", "logs/telemetry.jsonl"}


@dataclass(slots=True)
class Imported:
    """What an import found and did; `left_out` says why, per path."""

    run_id: str
    manifest: str = "missing"
    gates: str = "missing"
    new_events: int = 0
    new_artifacts: int = 0
    known_artifacts: int = 0
    has_adopted_fallback: bool = False
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def has_changed_anything(self) -> bool:
        """Whether the import left the portal other than it was."""
        return bool(
            "accepted" in (self.manifest, self.gates)
            or self.new_events
            or self.new_artifacts
            or self.has_adopted_fallback
        )


def ingest_root(root: Path, *, rollout_key: str, by: Actor, reason: str) -> Imported:
    """Import the run under `root`; importing it again changes nothing.

    Each file is an act of its own, so that an import that was interrupted is simply
    done again. Imported runs are not watched, not directed, and no evidence.
    """
    require(by, May.INGEST, rollout=rollout_key)
    manifest = root / "manifest.json"
    try:
        raw = _document(manifest)
    except FileNotFoundError:
        raise NotFound(f"{root} is no run root: it has no manifest.json.") from None
    document = read(raw, limit=LARGEST_DOCUMENT)
    run_id = document.get("run_id") if isinstance(document, dict) else None
    if not isinstance(run_id, str):
        raise Invalid(f"{manifest} names no run_id.")
    done = Imported(run_id)
    act = {"by": by, "reason": reason, "kind": RunKind.IMPORTED}
    done.manifest = _take(
        done, manifest, documents.receive_manifest(rollout_key, run_id, raw, **act)
    )

    def take_gates() -> None:
        given = _document(root / "gates.json")
        receipt = documents.receive_gates(rollout_key, run_id, given, **act)
        done.gates = _take(done, root / "gates.json", receipt)

    def take_events() -> None:
        given = _document(root / "logs" / "telemetry.jsonl")
        done.new_events = events.receive(rollout_key, run_id, given, **act).new

    _try(done, "gates.json", take_gates)
    _try(done, "logs/telemetry.jsonl", take_events)
    for path, relative in _files(root, done):

        def take_artifact(path: Path = path, relative: str = relative) -> None:
            with _opened(path) as file:
                chunks = _unchanging(file)
                _, is_new = artifacts.store(
                    rollout_key, run_id, relative, chunks, **act
                )
            done.new_artifacts += is_new
            done.known_artifacts += not is_new

        _try(done, relative, take_artifact)
    run = runs.find(rollout_key, run_id)
    adopted = fallback.adopt(run.pk, by=by, reason=reason)
    done.has_adopted_fallback = adopted is not None
    if done.has_changed_anything:
        _note(done, rollout_key, run_id, by=by, reason=reason)
    return done


def _try(done: Imported, name: str, take: Callable[[], None]) -> None:
    """Take one file; what cannot be taken is left out, and the others are not.

    When nothing can be taken, for want of room or of a right, the import ends.
    """
    try:
        take()
    except FileNotFoundError:
        if name not in OPTIONAL:
            done.left_out[name] = "it was gone when its turn came"
    except (NoRoom, Unavailable, NotAllowed):
        raise
    except Refusal as refusal:
        done.left_out.setdefault(name, str(refusal))


def _opened(path: Path) -> IO[bytes]:
    """A regular file, whatever it was a moment ago: no link, no device, no pipe."""
    try:
        # Without waiting for whoever might write into a pipe.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise Invalid(f"{path.name} is not a regular file.") from None
        raise
    file = os.fdopen(descriptor, "rb")
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        file.close()
        raise Invalid(f"{path.name} is not a regular file.")
    return file


def _document(path: Path) -> bytes:
    with _opened(path) as file:
        if os.fstat(file.fileno()).st_size > LARGEST_DOCUMENT:
            raise TooLarge(f"{path.name} has more than {LARGEST_DOCUMENT} bytes.")
        return b"".join(_unchanging(file))


def _unchanging(file: IO[bytes]) -> Iterator[bytes]:
    """The chunks of a file, or a refusal at their end when somebody wrote to it."""
    before = os.fstat(file.fileno())
    size = 0
    while chunk := file.read(CHUNK):
        size += len(chunk)
        yield chunk
    after = os.fstat(file.fileno())
    if size != before.st_size or after.st_mtime_ns != before.st_mtime_ns:
        raise Conflict(
            "It changed while it was read; import the run again.",
            code="CHANGED_WHILE_READ",
        )


def _take(done: Imported, path: Path, receipt: documents.Receipt) -> str:
    if receipt.refusal is not None:
        done.left_out[path.name] = str(receipt.refusal)
    return receipt.outcome


@transaction.atomic
def _note(
    done: Imported, rollout_key: str, run_id: str, *, by: Actor, reason: str
) -> None:
    record(
        Verb.RUN_IMPORTED,
        runs.find(rollout_key, run_id),
        by=by,
        reason=reason,
        new_events=done.new_events,
        new_artifacts=done.new_artifacts,
        left_out=done.left_out,
    )


def _files(root: Path, done: Imported) -> Iterator[tuple[Path, str]]:
    """The regular files under `root` that can be artifacts, in a fixed order."""
    for folder, folders, names in os.walk(root, followlinks=False):
        for name in [each for each in folders if (Path(folder) / each).is_symlink()]:
            done.left_out[_printable(Path(folder, name), root)] = "not a regular file"
        folders.sort()
        for name in sorted(names):
            path = Path(folder) / name
            relative = path.relative_to(root).as_posix()
            shown = _printable(path, root)
            if not stat.S_ISREG(path.lstat().st_mode):
                done.left_out[shown] = "not a regular file"
            elif ".tmp." in name or name.endswith(".tmp"):
                done.left_out[shown] = "half-written"
            else:
                try:
                    safe_path(relative)
                except Refusal as refusal:
                    done.left_out[shown] = str(refusal)
                    continue
                yield path, relative


def _printable(path: Path, root: Path) -> str:
    """A name that can be shown and kept, also of a file whose name is no UTF-8."""
    relative = path.relative_to(root).as_posix()
    return os.fsencode(relative).decode(errors="backslashreplace").replace("\0", "?")
