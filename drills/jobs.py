"""The jobs of this app: thin, with ids in, and safe to run twice."""

from drills.services import lookout, opening, reminders, sightings
from portal.domain.jobs import Queue
from portal.services import actors
from portal.services.jobs import define
from portal.services.schedule import every

define(sightings.TAKE_JOB, queue=Queue.SAFETY)
define(reminders.RING_JOB, queue=Queue.SAFETY)
every(lookout.EVERY, lookout.NAME, lookout.sweep)


def take_signs(fingerprint: str) -> None:
    """Safe to run twice: a sign that was taken is not there any more."""
    opening.take_signs(
        fingerprint, by=actors.system(), reason="Something went wrong, by itself."
    )


def ring(timer_id: int) -> None:
    """Safe to run twice: a timer that has rung rings later, or was stopped."""
    reminders.ring(timer_id, by=actors.system(), reason="Its time has come.")
