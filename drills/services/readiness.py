"""Nothing is exposed to more while something serious is the matter."""

from drills.domain.incidents import ACTIVE, BLOCKING, Kind
from drills.models import Incident
from rollout.domain.readiness import Check, Light
from rollout.models import Stage

NAME = "No serious incident"
MOST_LOOKED_AT = 100


def no_serious_incident(stage: Stage) -> Check:
    """No real incident of severity 1 or 2 is open."""
    open_ones = list(
        Incident.objects.filter(
            rollout_id=stage.rollout_id,
            is_over=False,
            kind=Kind.REAL,
            severity__in=BLOCKING,
            state__in=ACTIVE,
        ).order_by("severity", "-pk")[:MOST_LOOKED_AT]
    )
    if not open_ones:
        return Check(
            name=NAME, light=Light.GREEN, says="none of severity 1 or 2 is open"
        )
    worst = open_ones[0]
    more = f" and {len(open_ones) - 1} more" if open_ones[1:] else ""
    return Check(
        name=NAME,
        light=Light.RED,
        says=f"incident {worst.pk}{more} of severity {worst.severity}: {worst.title}",
        since=worst.opened_at,
        remedy="Resolve the incident",
        link=f"/admin/drills/incident/{worst.pk}/change/",
    )
