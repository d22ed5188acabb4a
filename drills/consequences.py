"""What this app does when something goes wrong: it notices."""

from drills.services.sightings import notice
from rollout.services.consequences import register

register(notice)
