"""The lock in a run root: `.lock`, good for its lease, whoever died with it."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from rollout.domain.watchdog import moment

NAME = ".lock"
LEASE = timedelta(seconds=120)
LONGEST_LEASE = timedelta(hours=1)  # what claims more is not believed


def free_at(raw: bytes, written_at: datetime) -> datetime:
    """When the lease of a lock ends; of one that is unreadable, from its writing on."""
    try:
        found = json.loads(raw)
        refreshed = datetime.fromisoformat(found["refreshed_at"])
        lease = timedelta(seconds=found["lease_seconds"])
        if refreshed.tzinfo is None or not timedelta(0) < lease <= LONGEST_LEASE:
            raise ValueError
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return written_at + LEASE
    return refreshed + lease


def lock(*, pid: int, host: str, reason: str, now: datetime) -> dict[str, Any]:
    """What stands in a lock; `owner_id` tells it from every other."""
    at = moment(now)
    return {
        "pid": pid,
        "hostname": host,
        "created_at": at,
        "lease_seconds": int(LEASE.total_seconds()),
        "refreshed_at": at,
        "owner_id": f"{host}:{pid}:{at}",
        "reason": reason,
    }


def is_owned(raw: bytes, mine: Mapping[str, Any]) -> bool:
    """Whether a lock is this one."""
    try:
        return bool(json.loads(raw)["owner_id"] == mine["owner_id"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return False
