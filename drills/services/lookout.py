"""What the relay looks for every second: signs that wait, timers that ring."""

from datetime import timedelta

from drills.services import reminders, sightings
from portal.services import heartbeats

NAME = "incidents"
EVERY = timedelta(seconds=1)


def sweep() -> int:
    """Ask workers for what has to be done; how much there was."""
    heartbeats.beat(NAME)
    return sightings.sweep() + reminders.sweep()
