"""Signs of life: who is supposed to be there, and when they last said so."""

import os
import socket
from datetime import timedelta

from django.db.models.functions import Now

from portal.domain.jobs import Queue
from portal.models import Heartbeat

STALE_AFTER = timedelta(seconds=30)
BEAT_EVERY = timedelta(seconds=5)
RELAY = "relay"
SEALER = "sealer"
EDGE = "edge"
# Whoever is in here is missed by `/readyz`, and after how long; apps add their own.
EXPECTED = dict.fromkeys(
    [RELAY, SEALER, *(f"worker {queue}" for queue in Queue)], STALE_AFTER
)


def beat(name: str, **details: object) -> None:
    """Say that the process in this part is alive."""
    Heartbeat.objects.update_or_create(
        name=name,
        defaults={
            "at": Now(),
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "details": details,
        },
    )
