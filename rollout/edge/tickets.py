"""Tickets for the event stream: `EventSource` sends no headers.

A ticket names a token and a rollout, and is good for the window of time in which it was
made and for the next one. It is part of every bulk answer, and so of its ETag: whoever
is answered 304 holds a ticket that is still good.
"""

import time
from functools import lru_cache
from typing import NamedTuple

import orjson
from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac

INACTIVITY_S = 120
PATH = "/ofrep/v1/stream"
NOBODY = 0  # the token's number while no tokens are known
_SALT = "rollout.edge.ticket"


class Holder(NamedTuple):
    """Whom a ticket was made for."""

    token: int
    rollout: str


def window() -> int:
    """The present window."""
    return int(time.time()) // settings.STREAM_TICKET_SECONDS


@lru_cache(maxsize=4096)
def event_streams(token: int, rollout: str, at: int) -> bytes:
    """What a bulk answer says about streams: the same bytes all through a window."""
    said = f"{token}.{rollout}.{at}"
    uri = f"{PATH}?ticket={said}.{_signature(said)}"
    return orjson.dumps(
        [
            {
                "type": "sse",
                "endpoint": {"requestUri": uri},
                "inactivityDelaySec": INACTIVITY_S,
            }
        ]
    )


def read(ticket: str) -> Holder | None:
    """Whom a ticket is for, if it is ours and good now."""
    said, _, signature = ticket.rpartition(".")
    if not constant_time_compare(signature, _signature(said)):
        return None
    token, rollout, at = said.split(".")
    if abs(window() - int(at)) > 1:  # another edge may be a little ahead
        return None
    return Holder(int(token), rollout)


def _signature(said: str) -> str:
    return salted_hmac(_SALT, said, algorithm="sha256").hexdigest()[:43]
