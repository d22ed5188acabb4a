"""The kill file: the switch for when the database is away (decision 9)."""

import contextlib
import os
from datetime import timedelta

import structlog
from django.conf import settings

from portal.errors import Refusal
from portal.services import actors, heartbeats
from rollout.domain import kill_file as domain
from rollout.models import Rollout
from rollout.services import switch

NAME = "kill file"
EVERY = timedelta(seconds=1)

log = structlog.get_logger(__name__)


def read() -> dict[str, str]:
    """What the file on this host kills, and why; nothing when there is none."""
    try:
        return domain.parse(settings.KILL_FILE.read_text(errors="replace"))
    except FileNotFoundError:
        return {}
    except OSError:
        return domain.parse("")


def write(rollout_key: str, reason: str) -> None:
    """Add a rollout to the file, on the disk when this returns."""
    settings.KILL_FILE.parent.mkdir(parents=True, exist_ok=True)
    with settings.KILL_FILE.open("a") as file:
        file.write(domain.line(rollout_key, reason))
        file.flush()
        os.fsync(file.fileno())


def reconcile() -> int:
    """Engage the switch wherever the file says so, then remove the file.

    It goes only after the commits, and only if nobody has added to it meanwhile. How
    many rollouts it named.
    """
    heartbeats.beat(NAME)
    killed = read()
    if not killed:
        return 0
    known = Rollout.objects.values_list("key", flat=True)
    named = [key for key in known if domain.kills(killed, key)]
    try:
        for key in named:
            switch.engage(key, by=actors.host(), reason=domain.reason_for(killed, key))
    except Refusal as refusal:  # too busy: the file stays, and so this is tried again
        log.warning("kill_file_waits", error=str(refusal))
        return 0
    log.warning("kill_file_reconciled", rollouts=named, said=sorted(killed))
    if read() == killed:
        with contextlib.suppress(OSError):
            settings.KILL_FILE.unlink()
    return len(named)
