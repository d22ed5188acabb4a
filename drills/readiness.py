"""What this app has to say before a stage goes on."""

from drills.services.readiness import no_serious_incident, verification_green
from drills.services.standing import drills_fresh
from rollout.services.readiness import register

register("incidents", no_serious_incident)
register("verification", verification_green)
register("drills", drills_fresh)
