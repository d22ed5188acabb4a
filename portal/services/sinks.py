"""Where checkpoints go that no change of the database can reach.

A sink is a class with `publish(note)` and `latest(origin)`; `CHECKPOINT_SINKS` names
it. Whoever owns the database must not own the sinks too: that is their whole point.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from django.conf import settings
from django.utils.module_loading import import_string

from portal import clock
from portal.domain.checkpoints import read_note
from portal.errors import Malformed, Unavailable

TAIL = 256 * 1024


class Sink(Protocol):
    """Keeps every checkpoint, in order; never forgets one."""

    def publish(self, note: str) -> None:
        """Keep it for good; raises `Unavailable` unless it is safe."""

    def latest(self, origin: str) -> str | None:
        """The last one of a log; raises `Unavailable` when that cannot be told."""

    def notes(self) -> Iterator[str]:
        """Every one, the oldest first."""


class AppendOnlyFile:
    """JSON lines, each on the disk before it counts.

    Best on another machine, or with an attribute by which it can only grow.
    """

    def __init__(self, path: str) -> None:
        self.path = Path(path)

    def publish(self, note: str) -> None:
        line = json.dumps({"at": clock.now().isoformat(), "note": note})
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            is_new = not self.path.exists()
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            with os.fdopen(descriptor, "r+b", buffering=0) as file:
                # A line that a crash has cut off stays alone; it never eats the next.
                size = file.seek(0, os.SEEK_END)
                is_torn = size > 0 and os.pread(file.fileno(), 1, size - 1) != b"\n"
                before = "\n" if is_torn else ""
                os.write(file.fileno(), f"{before}{line}\n".encode())
                os.fsync(file.fileno())
            if is_new:
                _sync_directory(self.path.parent)
        except OSError as error:
            raise self._away(error) from None

    def latest(self, origin: str) -> str | None:
        try:
            with self.path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - TAIL))
                lines = file.read().split(b"\n")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._away(error) from None
        for line in reversed(lines):
            note = _note_of(line)
            if note is not None and read_note(note).checkpoint.origin == origin:
                return note
        # Beyond the tail there are only other logs, or none: read all of it once.
        found = None
        for note in self.notes() if size > TAIL else ():
            if read_note(note).checkpoint.origin == origin:
                found = note
        return found

    def notes(self) -> Iterator[str]:
        try:
            with self.path.open("rb") as file:
                for line in file:
                    note = _note_of(line)
                    if note is not None:
                        yield note
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._away(error) from None

    def _away(self, error: OSError) -> Unavailable:
        return Unavailable(
            f"{self.path} cannot be used: {error.strerror}.", code="SINK_AWAY"
        )


def configured() -> list[Sink]:
    """Every sink of the settings."""
    return [_made(each) for each in settings.CHECKPOINT_SINKS]


def _made(configuration: dict[str, Any]) -> Sink:
    return import_string(configuration["BACKEND"])(**configuration.get("OPTIONS", {}))


def _note_of(line: bytes) -> str | None:
    """The note in a line; None for a line that a crash has cut off."""
    try:
        note = json.loads(line)["note"]
        read_note(note)
    except (ValueError, KeyError, TypeError, Malformed):
        return None
    return note


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
