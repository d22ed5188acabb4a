"""What this app tells of: which verbs of its ledger lines are events."""

from typing import Any

from portal.domain.notifications import Severity
from portal.domain.roles import Role, roles_that
from portal.domain.verbs import Verb
from portal.models import Approval
from portal.services.approvals import APPROVABLES
from portal.services.notifications import Event, Place, register


def _place_of_request(approval: Approval, details: dict[str, Any]) -> Place:
    return Place(str(details.get("rollout") or ""))


def _who_can_confirm(approval: Approval) -> list[Role]:
    return roles_that(APPROVABLES[approval.act].confirm)


register(
    Verb.APPROVAL_REQUESTED,
    Event(
        name="approval.requested",
        meaning="Somebody asks for what another person has to confirm.",
        facts=("act", "subject", "expires_at"),
        place=_place_of_request,
        waits_for=_who_can_confirm,
    ),
)
register(
    Verb.JOB_DIED,
    Event(
        name="job.died",
        meaning="A job was given up on; somebody has to look at it.",
        severity=Severity.WARNING,
        facts=("attempt",),
    ),
)
register(
    Verb.ENDPOINT_FAILED,
    Event(
        name="endpoint.failed",
        meaning="An endpoint was disabled, because nothing has arrived there for days.",
        severity=Severity.CRITICAL,
        facts=("kind", "failures"),
    ),
)
