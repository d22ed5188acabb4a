"""What the agent remembers: a directory of small files, each written whole or not.

Everything but the epoch can be found out again: a file that is lost or damaged makes
the agent send again what the portal has, which changes nothing.
"""

import fcntl
import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from hashlib import sha256
from pathlib import Path
from typing import Any

from portal.errors import Refusal

INSTALLATION = "installation.json"


class InUse(Refusal):
    """Another agent works with this directory."""

    code = "AGENT_RUNS_ALREADY"


def write_whole(path: Path, content: bytes) -> None:
    """The old bytes or the new ones, on the disk when this returns."""
    beside = path.with_name(f"{path.name}.tmp.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        with suppress(FileNotFoundError):
            beside.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@dataclass(slots=True)
class RunRecord:
    """What is known of one run root.

    `files` holds what was sent: size, mtime_ns, inode and digest per path; `sent` the
    same for the two documents. `asked` is the question that was decided. `lever` is
    what the manifest's constraint said before the agent pulled it.
    """

    run_id: str
    root: str
    asked: dict[str, Any] = field(default_factory=dict)
    workflow: str = ""
    why: str = ""
    status: str = ""
    revision: int = 0
    sent: dict[str, list[Any]] = field(default_factory=dict)
    telemetry: list[int] = field(default_factory=lambda: [0, 0])  # inode, offset
    files: dict[str, list[Any]] = field(default_factory=dict)
    lever: Any = None  # None: not pulled
    was_final: bool = False
    is_crashed: bool = False
    resumes: bool = False  # the agent has paused it, and resumes it by itself
    crashes: int = 0
    process: list[int] = field(default_factory=list)  # pid and start of what runs
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def has_lever(self) -> bool:
        """Whether the agent has pulled the manifest's lever for the switch."""
        return self.lever is not None


class State:
    """The directory of one agent; one process at a time."""

    def __init__(self, folder: Path, *, is_read_only: bool = False) -> None:
        self.folder = folder
        self.runs = folder / "runs"
        self.is_read_only = is_read_only
        self._written: dict[str, bytes] = {}
        self._lock: int | None = None
        if not is_read_only:
            self._take()

    def _take(self) -> None:
        folder = self.folder
        try:
            self.runs.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise Refusal(
                f"The state directory {folder} cannot be used: {error.strerror}."
            ) from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise InUse(f"Another agent is at work in {folder}.") from None
        self._lock = lock

    def close(self) -> None:
        """Let another one have it."""
        if self._lock is not None:
            os.close(self._lock)

    def installation(self) -> dict[str, Any]:
        """What was kept of the settings, or nothing."""
        return _read(self.folder / INSTALLATION)

    def keep_installation(self, content: dict[str, Any]) -> None:
        """Remember it over a power failure: the epoch must never go back."""
        raw = json.dumps(content, sort_keys=True).encode()
        if self._written.get(INSTALLATION) != raw:
            write_whole(self.folder / INSTALLATION, raw)
            self._written[INSTALLATION] = raw

    def load(self, run_id: str, root: Path) -> RunRecord:
        """What is known of a run, or a new record."""
        known = _read(self._path(run_id))
        names = {each.name for each in fields(RunRecord)}
        try:
            record = RunRecord(**{k: v for k, v in known.items() if k in names})
        except TypeError:
            record = RunRecord(run_id, str(root))
        if record.root != str(root):  # moved, or another one with its name
            record = RunRecord(run_id, str(root))
        return record

    def save(self, record: RunRecord) -> None:
        """Remember a run; what has not changed is not written."""
        raw = json.dumps(asdict(record)).encode()
        if self.is_read_only or self._written.get(record.run_id) == raw:
            return
        path = self._path(record.run_id)
        beside = path.with_suffix(".tmp")
        beside.write_bytes(raw)
        beside.replace(path)
        self._written[record.run_id] = raw

    def _path(self, run_id: str) -> Path:
        return self.runs / f"{sha256(run_id.encode()).hexdigest()[:32]}.json"


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
