"""`.lock`: one process at a time works on a run, for as long as its lease is fresh."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.standin import files
from tests.standin.refusals import ThrownError


def lease_s() -> int:
    """How long a lock counts after it was last refreshed, in seconds."""
    return int(os.environ.get("STANDIN_LEASE_S") or 120)


class Lock:
    """A lock that this process holds."""

    def __init__(self, path: Path, reason: str) -> None:
        moment = files.now()
        pid, host = os.getpid(), os.uname().nodename
        self.path = path
        self.document = {
            "pid": pid,
            "hostname": host,
            "created_at": moment,
            "lease_seconds": lease_s(),
            "refreshed_at": moment,
            "owner_id": f"{host}:{pid}:{moment}",
            "reason": reason,
        }

    def wait(self, seconds: float) -> None:
        """Let time pass, and keep the lease fresh meanwhile."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(left, self.document["lease_seconds"] / 4))
            self.document["refreshed_at"] = files.now()
            files.write(self.path, self.document)


@contextmanager
def hold(root: Path, reason: str) -> Iterator[Lock]:
    """Hold the run's lock; LOCK_HELD is thrown while another's lease is fresh.

    A process that is killed leaves its lock, and the next one waits for the lease.
    """
    lock = Lock(root / ".lock", reason)
    with suppress(FileNotFoundError):
        if not _is_over(lock.path):
            raise ThrownError("LOCK_HELD", f"run is locked ({lock.path})")
        lock.path.unlink()
    try:
        with lock.path.open("x", encoding="utf-8") as file:
            file.write(files.pretty(lock.document))
    except FileExistsError:
        raise ThrownError("LOCK_HELD", f"run is locked ({lock.path})") from None
    try:
        yield lock
    finally:
        lock.path.unlink(missing_ok=True)


def _is_over(path: Path) -> bool:
    try:
        held = files.read(path)
        refreshed = datetime.fromisoformat(held["refreshed_at"])
        lease = timedelta(seconds=held["lease_seconds"])
    except (ValueError, KeyError):
        return False
    return datetime.now(UTC) > refreshed + lease
