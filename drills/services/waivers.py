"""Waivers: asked for by one person, granted by another, ended by anybody who may."""

from datetime import datetime
from typing import Any

from django.db import transaction

from drills.domain import waivers as domain
from drills.domain.verbs import Verb
from drills.models import ReleaseGate, Waiver
from drills.services import release_gates
from portal import clock
from portal.domain.approvals import ApprovalState
from portal.domain.roles import May
from portal.errors import Invalid, NotFound, WrongMoment
from portal.models import Actor, Approval
from portal.services.access import require
from portal.services.approvals import Approvable, request
from portal.services.ledger import record

WAIVE = "drills.release_gate.waive"


def request_waiver(
    rollout_key: str,
    letter: str,
    requirement: str,
    until: datetime,
    *,
    by: Actor,
    reason: str,
) -> Approval:
    """Ask that a requirement need not be met until then; another person grants it.

    Whoever asks has submitted something: they do not sign a pack that rests on it.
    """
    gate = release_gates.find(rollout_key, letter)
    payload = {"requirement": requirement, "until": until.isoformat()}
    return request(WAIVE, gate.pk, by=by, reason=reason, payload=payload)


@transaction.atomic
def end(waiver_id: int, *, by: Actor, reason: str) -> Waiver:
    """Have a requirement count again, at once."""
    found = Waiver.objects.filter(pk=waiver_id).select_related("gate__rollout").first()
    if found is None:
        raise NotFound(f"There is no waiver {waiver_id}.")
    require(by, May.PROPOSE_WAIVER, rollout=found.gate.rollout.key)
    release_gates.locked(found.gate_id)
    waiver = Waiver.objects.select_for_update(no_key=True).get(pk=waiver_id)
    if waiver.ended_at is not None:
        raise WrongMoment("This waiver has ended already.", possible=[])
    _end(waiver, by=by, reason=reason)
    record(Verb.WAIVER_ENDED, waiver, by=by, reason=reason)
    return waiver


def _end(waiver: Waiver, *, by: Actor, reason: str) -> None:
    waiver.ended_at, waiver.ended_by = clock.now(), by
    waiver.save_as(by, reason=reason)


def _check(gate: ReleaseGate, payload: dict[str, Any]) -> None:
    requirement = gate.gate.requirement(payload["requirement"])
    domain.check(requirement, _until(payload) - clock.now())


def _until(payload: dict[str, Any]) -> datetime:
    try:
        until = datetime.fromisoformat(str(payload["until"]))
    except ValueError:
        until = None
    if until is None or until.tzinfo is None:
        raise Invalid(
            "A waiver ends at a date and time with an offset from UTC.",
            errors=[{"pointer": "/until", "detail": "is no date and time"}],
        )
    return until


def _apply(
    gate: ReleaseGate, payload: dict[str, Any], *, by: Actor, reason: str
) -> None:
    key = payload["requirement"]
    before = Waiver.objects.filter(gate=gate, requirement=key, ended_at=None).first()
    if before is not None:
        _end(before, by=by, reason="Another waiver takes its place.")
    confirmed = Approval.objects.filter(
        act=WAIVE, subject_id=str(gate.pk), state=ApprovalState.CONFIRMED
    )
    waiver = Waiver(
        gate=gate,
        requirement=key,
        reason=reason,
        approval=confirmed.order_by("-pk")[0],
        granted_at=clock.now(),
        expires_at=_until(payload),
    )
    waiver.save_as(by, reason=reason)
    record(
        Verb.WAIVER_GRANTED,
        waiver,
        by=by,
        reason=reason,
        requirement=key,
        expires_at=waiver.expires_at,
    )


grant = Approvable(
    act=WAIVE,
    title="Waive a requirement",
    ask=May.PROPOSE_WAIVER,
    confirm=May.WAIVE,
    subject=release_gates.locked,
    base=lambda gate: {"version": gate.version},
    check=_check,
    apply=_apply,
    rollout_of=lambda gate: gate.rollout.key,
)
