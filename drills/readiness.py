"""What this app has to say before a stage goes on."""

from drills.services.readiness import no_serious_incident
from rollout.services.readiness import register

register("incidents", no_serious_incident)
