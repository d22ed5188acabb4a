"""The allow list: what was found and is no secret, by two people and for a while."""

from datetime import datetime

from django.db import transaction

from portal import clock
from portal.domain.approvals import ApprovalState
from portal.domain.roles import May
from portal.errors import Invalid, NotFound, WrongMoment
from portal.models import Actor, Approval
from portal.services import approvals
from portal.services.access import require
from portal.services.ledger import record
from rollout.domain.scanning import check_allowance
from rollout.domain.verbs import Verb
from rollout.models import Allowance, Finding

ALLOW = "rollout.finding.allow"


def request_allowance(
    finding_id: int, expires_at: datetime, *, by: Actor, reason: str
) -> Approval:
    """Ask to count a finding as no secret until then, wherever it stands."""
    return approvals.request(
        ALLOW,
        finding_id,
        by=by,
        reason=reason,
        payload={"expires_at": expires_at.isoformat()},
    )


@transaction.atomic
def end(allowance_id: int, *, by: Actor, reason: str) -> Allowance:
    """Take an allowance back: what it allowed counts again from now on."""
    require(by, May.ALLOW_FINDING)
    found = (
        Allowance.objects.select_for_update(no_key=True).filter(pk=allowance_id).first()
    )
    if found is None:
        raise NotFound(f"There is no allowance {allowance_id}.")
    if found.ended_at is None:
        found.ended_at, found.ended_by = clock.now(), by
        found.save_as(by, reason=reason)
        record(Verb.ALLOWANCE_ENDED, found, by=by, reason=reason, family=found.family)
    return found


def _subject(finding_id: str) -> Finding:
    is_number = finding_id.isdigit() and len(finding_id) < 19
    found = (
        Finding.objects.select_for_update(no_key=True)
        .filter(pk=int(finding_id) if is_number else 0)
        .first()
    )
    if found is None:
        raise NotFound(f"There is no finding {finding_id}.")
    return found


def _check(finding: Finding, payload: dict) -> None:
    now = clock.now()
    check_allowance(_until(payload), now=now)
    valid = Allowance.objects.filter(
        family=finding.family,
        fingerprint=finding.fingerprint,
        ended_at=None,
        expires_at__gt=now,
    )
    if (known := valid.first()) is not None:
        raise WrongMoment(
            f"This is allowed already, until {known.expires_at:%d %b %Y}.",
            code="ALREADY_ALLOWED",
            possible=["end the allowance"],
        )


def _until(payload: dict) -> datetime:
    try:
        return datetime.fromisoformat(str(payload.get("expires_at")))
    except ValueError:
        raise Invalid(
            "An allowance says until when.",
            errors=[{"pointer": "/expires_at", "detail": "is a date and time"}],
        ) from None


def _apply(finding: Finding, payload: dict, *, by: Actor, reason: str) -> None:
    confirmed = Approval.objects.filter(
        act=ALLOW, subject_id=str(finding.pk), state=ApprovalState.CONFIRMED
    )
    made = Allowance(
        finding=finding,
        family=finding.family,
        fingerprint=finding.fingerprint,
        reason=reason,
        approval=confirmed.order_by("-pk")[0],
        allowed_at=clock.now(),
        expires_at=_until(payload),
    )
    made.save_as(by, reason=reason)
    record(
        Verb.FINDING_ALLOWED,
        made,
        by=by,
        reason=reason,
        family=made.family,
        fingerprint=made.fingerprint,
        until=made.expires_at,
    )


allow = approvals.Approvable(
    act=ALLOW,
    title="Allow a finding",
    ask=May.PROPOSE_ALLOWANCE,
    confirm=May.ALLOW_FINDING,
    subject=_subject,
    base=lambda finding: {
        "family": finding.family,
        "fingerprint": finding.fingerprint,
        "digest": finding.scan.digest,
    },
    apply=_apply,
    check=_check,
)
