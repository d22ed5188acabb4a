"""Looking at hard gates that failed, before anything is exposed to more."""

from django.db import transaction

from portal import clock
from portal.domain.roles import May
from portal.errors import WrongMoment
from portal.models import Actor
from portal.services.access import require
from portal.services.ledger import record
from rollout.domain.gates import GateStatus
from rollout.domain.verbs import Verb
from rollout.models import FailureReview
from rollout.services import runs


@transaction.atomic
def review_failure(
    rollout_key: str, run_id: str, gate: str, *, by: Actor, reason: str
) -> FailureReview:
    """Say what a confirmed failure was; `reason` is what stays. Once per gate."""
    require(by, May.WORK_INCIDENT, rollout=rollout_key)
    run = runs.locked(runs.find(rollout_key, run_id).pk)
    found = run.gates.get(gate, {})
    if found.get("status") != GateStatus.FAIL or not found.get("confirmed_by"):
        raise WrongMoment(
            f"Gate {gate} of this run has not failed for good; there is nothing to "
            "review.",
            code="NOTHING_TO_REVIEW",
            possible=[],
        )
    known = FailureReview.objects.filter(run=run, gate=gate).first()
    if known is not None:
        return known
    review = FailureReview(
        run=run, gate=gate, note=reason, reviewer=by, reviewed_at=clock.now()
    )
    review.save()
    record(Verb.FAILURE_REVIEWED, run, by=by, reason=reason, gate=gate)
    return review
