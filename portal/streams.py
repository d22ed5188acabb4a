"""Tickets for the event stream: browsers send no headers with it."""

from django.core import signing

SALT = "portal.stream"
TICKET_LIFE_S = 15 * 60


def ticket(actor_id: int) -> str:
    """A short-lived ticket for somebody who may read."""
    return signing.dumps({"actor": actor_id}, salt=SALT)
