"""Nothing is exposed to more while something serious is the matter."""

from functools import partial

from drills.domain.incidents import ACTIVE, BLOCKING, Kind
from drills.domain.verification import VALID_FOR, WARNS_FOR
from drills.models import Incident
from drills.services import verification
from portal import clock
from rollout.domain.readiness import Check, Light, light_until
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


def verification_green(stage: Stage) -> Check:
    """The newest verification run passed, of the file as it is now, within a week."""
    run = verification.newest(stage.rollout)
    remedy, link = "Run the verification", "/admin/drills/verificationrun/act/start/"
    say = partial(Check, name="Verification green", remedy=remedy, link=link)
    if run is None:
        return say(light=Light.RED, says="nothing was verified so far")
    page = f"/admin/drills/verificationrun/{run.pk}/change/"
    ended = run.verdict.finished_at
    if not run.verdict.has_passed:
        return say(light=Light.RED, says=run.verdict.says, since=ended)
    if verification.has_changed_since(run):
        says = f"the verification file has changed since run {run.pk} passed"
        return say(light=Light.RED, says=says, since=ended)
    expires_at = ended + VALID_FOR
    light = light_until(expires_at, now=clock.now(), warn_s=WARNS_FOR.total_seconds())
    says = f"run {run.pk} passed"
    if light == Light.RED:
        says += f", more than {VALID_FOR.days} days ago"
    return Check(
        name="Verification green",
        light=light,
        says=says,
        since=ended,
        expires_at=expires_at,
        remedy="" if light == Light.GREEN else remedy,
        link=page if light == Light.GREEN else link,
    )
