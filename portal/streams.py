"""Tickets for the event stream: browsers send no headers with it."""

from django.core import signing
from django.http import HttpRequest
from django.utils.http import urlencode

from portal.sessions import actor_of

SALT = "portal.stream"
TICKET_LIFE_S = 15 * 60


def stream_url(request: HttpRequest) -> str:
    """Where a page of somebody who is signed in, and so may read, listens."""
    ticket = signing.dumps({"actor": actor_of(request).pk}, salt=SALT)
    return f"/api/v1/stream?{urlencode({'ticket': ticket})}"
