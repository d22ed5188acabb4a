"""Is the portal ready? Every part says so for itself."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import redis as redis_client
from django.db import Error, connection
from django.db.models import F
from django.db.models.functions import Now

from portal import clock
from portal.domain.jobs import JobState
from portal.models import Checkpoint, Heartbeat, Job, LedgerEntry
from portal.services import heartbeats, redis

OLDEST_WAITING = timedelta(seconds=60)
OLDEST_UNSEALED = timedelta(minutes=3)


@dataclass(frozen=True, slots=True)
class Finding:
    """Whether one part is well, and what there is to say about it.

    What is not vital is shown and sounds the alarm, but turns nobody away: without it
    the switch still has to be within reach.
    """

    is_well: bool
    says: str
    is_vital: bool = True


Check = Callable[[], Finding]
_checks: dict[str, Check] = {}


def register(name: str, check: Check) -> None:
    """Add a check; apps do so in their `readiness.py`."""
    _checks[name] = check


def findings() -> dict[str, Finding]:
    """Every check, in order; one that fails to run is not well."""
    found = {}
    for name, check in _checks.items():
        try:
            found[name] = check()
        except (Error, redis_client.RedisError) as error:
            found[name] = Finding(False, f"cannot tell: {type(error).__name__}")
    return found


def database() -> Finding:
    """PostgreSQL answers."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return Finding(True, "answers")


def queue() -> Finding:
    """Redis or Valkey answers."""
    redis.connection().ping()
    return Finding(True, "answers")


def processes() -> Finding:
    """Relay and workers have given a sign of life; one never seen has stopped."""
    beats = Heartbeat.objects.annotate(age=Now() - F("at"))
    ages = dict(beats.values_list("name", "age"))
    missing = [
        name
        for name, stale_after in heartbeats.EXPECTED.items()
        if name not in ages or ages[name] > stale_after
    ]
    if missing:
        return Finding(False, f"no sign of life from {', '.join(missing)}")
    return Finding(True, "relay, sealer and all workers are alive")


def waiting() -> Finding:
    """No job has been due for long."""
    due = Job.objects.filter(state=JobState.WAITING, run_after__lte=Now())
    oldest = due.order_by("run_after").values_list("run_after", flat=True).first()
    if oldest is None:
        return Finding(True, "no job is due")
    age = clock.now() - oldest
    return Finding(age < OLDEST_WAITING, f"the oldest due job waits {age.seconds} s")


def sealed() -> Finding:
    """The sealer signs. Not vital: the switch has to be within reach also of a portal
    whose past is not the one that was sealed."""
    beat = Heartbeat.objects.filter(name=heartbeats.SEALER).first()
    if beat is not None and (refuses := beat.details.get("refuses")):
        return Finding(False, str(refuses), is_vital=False)
    size = Checkpoint.objects.order_by("-size").values_list("size", flat=True).first()
    after = LedgerEntry.objects.filter(seq__gt=size or 0).order_by("seq")
    oldest = after.values_list("at", flat=True).first()
    if oldest is None:
        return Finding(True, f"{size or 0} entries are sealed", is_vital=False)
    age = clock.now() - oldest
    return Finding(
        age < OLDEST_UNSEALED,
        f"{size or 0} entries are sealed; the next one has waited {age.seconds} s",
        is_vital=False,
    )


for _name, _check in {
    "database": database,
    "queue": queue,
    "processes": processes,
    "waiting": waiting,
    "sealed": sealed,
}.items():
    register(_name, _check)
