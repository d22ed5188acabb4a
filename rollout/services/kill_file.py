"""The kill file: the switch for when the database is away (decision 9)."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import structlog
from django.conf import settings

from portal.errors import Refusal
from portal.services import actors, heartbeats
from rollout.domain import kill_file as domain
from rollout.models import Rollout
from rollout.services import switch

NAME = "kill file"
ASIDE = domain.ASIDE
LOCK = ".lock"
EVERY = timedelta(seconds=1)

log = structlog.get_logger(__name__)


def read() -> dict[str, str]:
    """What the file on this host kills, and why; nothing when there is none.

    What has been put aside to become an act counts until it is one. It is read last:
    so nobody who reads while the file is being put aside misses it in both places.
    """
    found = [_read(settings.KILL_FILE), _read(_beside(ASIDE))]
    return {key: reason for said in reversed(found) for key, reason in said.items()}


def write(rollout_key: str, reason: str) -> None:
    """Add a rollout to the file, on the disk when this returns."""
    settings.KILL_FILE.parent.mkdir(parents=True, exist_ok=True)
    with _alone(), settings.KILL_FILE.open("a") as file:
        file.write(domain.line(rollout_key, reason))
        file.flush()
        os.fsync(file.fileno())


def reconcile() -> int:
    """Engage the switch wherever the file says so, then remove the file.

    It is put aside first, so that what is added from then on makes a file of its own
    and is not removed unread. It goes only after the commits; whoever dies before
    leaves it aside, where it still kills and is found the next time. How many rollouts
    it named.
    """
    heartbeats.beat(NAME)
    if not read():
        return 0
    aside = _put_aside()
    if not (killed := _read(aside)):
        return 0  # somebody has taken it away
    known = Rollout.objects.values_list("key", flat=True)
    named = [key for key in known if domain.kills(killed, key)]
    try:
        for key in named:
            switch.engage(key, by=actors.host(), reason=domain.reason_for(killed, key))
    except Refusal as refusal:  # too busy: the file stays, and so this is tried again
        log.warning("kill_file_waits", error=str(refusal))
        return 0
    log.warning("kill_file_reconciled", rollouts=named, said=sorted(killed))
    # Somebody with a shell may have opened it before it was put aside, and written now.
    if aside != settings.KILL_FILE and _read(aside) == killed:
        aside.unlink()
    return len(named)


def _put_aside() -> Path:
    """Where to read what becomes an act: beside the file, or where it cannot move."""
    aside = _beside(ASIDE)
    if not aside.exists():
        if not settings.KILL_FILE.is_file():
            return settings.KILL_FILE
        try:
            with _alone():
                settings.KILL_FILE.rename(aside)
        except OSError:
            return settings.KILL_FILE
    return aside


def _read(path: Path) -> dict[str, str]:
    try:
        return domain.parse(path.read_text(errors="replace"))
    except FileNotFoundError:
        return {}
    except OSError:
        return domain.parse("")


def _beside(ending: str) -> Path:
    return settings.KILL_FILE.with_name(settings.KILL_FILE.name + ending)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Nobody writes the file while it is put aside, and nobody reads half a line."""
    with _beside(LOCK).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
