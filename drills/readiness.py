"""What this app has to say before a stage goes on."""

from drills.services.availability import gate_signed
from drills.services.break_glass import freezes_of_late_reviews, passed_over
from drills.services.readiness import no_serious_incident, verification_green
from drills.services.standing import drills_fresh
from rollout.services.freezes import also_frozen
from rollout.services.readiness import pass_over, register

register("incidents", no_serious_incident)
register("verification", verification_green)
register("drills", drills_fresh)
register("release_gate", gate_signed)
pass_over(passed_over)
also_frozen(freezes_of_late_reviews)
