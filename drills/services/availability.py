"""General availability: the last step of the last stage, opened by one act.

Asked for by one person and confirmed by another, with gate F signed and everything
ready; all of it is looked at again when it is confirmed. Nothing is disarmed by it:
triggers, watchdog, watch for late degradation and switch go on, and going back ends it.
"""

from typing import Any

from drills.domain.signoffs import SigningRole
from drills.domain.verbs import Verb
from drills.models import Availability, ReleaseGate
from drills.services import packs, signatures
from drills.services.signatures import GateStanding
from portal import clock
from portal.domain.approvals import ApprovalState
from portal.domain.roles import May, who_may
from portal.errors import WrongMoment
from portal.models import Actor, Approval
from portal.services import approvals
from portal.services.ledger import record
from rollout.domain.readiness import Check, Light, light_until, missing
from rollout.domain.stages import EVERYBODY, StagePlan
from rollout.models import OPEN_STATES, RolloutKind, Stage
from rollout.services import (
    freezes,
    promotions,
    readiness,
    rollouts,
    snapshots,
    stages,
)

OPEN = "drills.availability.open"
LETTER = "F"
NAME = "Gate F signed"
WARNS_S = 2 * 24 * 3600


def request_availability(stage_id: int, *, by: Actor, reason: str) -> Approval:
    """Ask to open Option C for general use; another person confirms in the admin."""
    return approvals.request(OPEN, stage_id, by=by, reason=reason)


def in_force(stage: Stage) -> Availability | None:
    """What opened a stage for general use, while its attempt goes on."""
    found = Availability.objects.filter(attempt__stage=stage, attempt__ended_at=None)
    return found.select_related("pack", "architect", "qa").order_by("-pk").first()


def signed(stage: Stage) -> tuple[ReleaseGate | None, GateStanding | None]:
    """Gate F of a stage's rollout, and how it stands."""
    gate = ReleaseGate.objects.filter(
        rollout_id=stage.rollout_id, letter=LETTER, version__gt=0
    ).first()
    if gate is None:
        return None, None
    gate.rollout = stage.rollout
    return gate, signatures.of_gate(gate)


def gate_signed(stage: Stage) -> Check:
    """The last step needs both signatures; every step before needs none."""
    if not _leads_to_everybody(stage):
        says = "it is asked for before the last step of the last stage only"
        return Check(name=NAME, light=Light.GREY, says=says)
    gate, found = signed(stage)
    if gate is None or found is None:
        says = f"{stage.rollout.key} has no gate {LETTER}"
        remedy, link = "See the release gates", "/admin/drills/releasegate/"
        return Check(name=NAME, light=Light.RED, says=says, remedy=remedy, link=link)
    link = f"/admin/drills/releasegate/{gate.pk}/change/"
    if not found.is_signed or found.round is None:
        says, remedy = _unsigned(gate, found)
        return Check(name=NAME, light=Light.RED, says=says, remedy=remedy, link=link)
    signoffs = [each.signoff for each in found.round.standings]
    until = min(each.expires_at for each in signoffs)
    return Check(
        name=NAME,
        light=light_until(until, now=clock.now(), warn_s=WARNS_S),
        says=found.says,
        since=max(each.signed_at for each in signoffs),
        expires_at=until,
        link=link,
    )


def _unsigned(gate: ReleaseGate, found: GateStanding) -> tuple[str, str]:
    """What an unsigned gate waits for, and what to do; without a pack, not to sign."""
    pack = packs.newest(gate)
    assembles = f"{who_may(May.ASSEMBLE_PACK)} can have one assembled"
    if pack is None:
        return f"it waits for an evidence pack; {assembles}", "See the gate"
    if not pack.is_complete:
        says = f"{found.says}; pack {pack.number} is incomplete, so nobody can sign it"
        return says, "See what it lacks"
    return found.says, "Sign the gate"


def _leads_to_everybody(stage: Stage) -> bool:
    """Whether the next step from here is, or was, the one to everybody."""
    if stage.rollout.kind != RolloutKind.LIVE:
        return False
    last = rollouts.last_stage(stage.rollout)
    if last is None or stage == last:
        return True
    first = StagePlan.from_json(last.plan).coverage_steps[0]
    return last in promotions.targets(stage) and first >= EVERYBODY


def checks(stage: Stage) -> list[Check]:
    """Everything that has a say in opening it, each green, amber or red."""
    return [_place(stage), promotions.proven(stage), *readiness.checks(stage)]


def _place(stage: Stage) -> Check:
    """It is the last stage, open, and one step before everybody."""
    name = "Place"
    if stage != rollouts.last_stage(stage.rollout):
        return Check(name=name, light=Light.RED, says="it is not the last stage")
    if stage.state not in OPEN_STATES:
        return Check(name=name, light=Light.RED, says=f"the stage is {stage.state}")
    if in_force(stage) is not None and stage.coverage >= EVERYBODY:
        return Check(
            name=name, light=Light.RED, says="it is open for everybody already"
        )
    steps = StagePlan.from_json(stage.plan).coverage_steps
    before = [step for step in steps if step < EVERYBODY]
    if before and stage.coverage < before[-1]:
        return Check(
            name=name,
            light=Light.RED,
            says=f"its coverage is {float(stage.coverage):g} %; {before[-1]} % comes "
            "first",
            remedy="Change the coverage",
            link=f"/admin/rollout/stage/{stage.pk}/act/coverage/",
        )
    says = f"the last step, from {float(stage.coverage):g} % on"
    return Check(name=name, light=Light.GREEN, says=says)


def _check(stage: Stage, payload: dict[str, Any]) -> None:
    freezes.check_unfrozen(stage.rollout_id)
    if lacking := missing(checks(stage)):
        raise WrongMoment(
            "Option C cannot be opened for general use yet. " + " ".join(lacking),
            code="NOT_READY",
            lacking=lacking,
            possible=["hold", "roll back"],
        )


def _base(stage: Stage) -> dict[str, object]:
    """What the request rests on: the stage, and the very pack that was signed."""
    _, found = signed(stage)
    is_signed = found is not None and found.is_signed and found.round is not None
    return {
        "coverage": str(stage.coverage),
        "plan": stage.plan,
        "pack": found.round.pack.pack_hash if is_signed else None,
    }


def _apply(stage: Stage, payload: dict[str, Any], *, by: Actor, reason: str) -> None:
    _, found = signed(stage)
    pack = found.round.pack
    attempt = stages.open_attempt(stage)
    stage.coverage = EVERYBODY
    stage.save_as(by, reason=reason)
    snapshot = snapshots.publish(stage.rollout, by=by, reason=reason)
    confirmed = Approval.objects.filter(
        act=OPEN, subject_id=str(stage.pk), state=ApprovalState.CONFIRMED
    )
    opened = Availability(
        attempt=attempt,
        pack=pack,
        architect=found.round.by(SigningRole.ARCHITECT).signoff,
        qa=found.round.by(SigningRole.QA).signoff,
        approval=confirmed.order_by("-pk")[0],
        snapshot=snapshot.digest,
        opened_at=clock.now(),
        opened_by=by,
    )
    opened.save()
    record(
        Verb.AVAILABILITY_OPENED,
        opened,
        by=by,
        reason=reason,
        rollout=stage.rollout.key,
        stage=stage.key,
        attempt=attempt.number,
        pack_hash=pack.pack_hash,
        signed_by=[opened.architect.name, opened.qa.name],
        coverage=EVERYBODY,
        snapshot=snapshot.digest,
    )


open_up = approvals.Approvable(
    act=OPEN,
    title="Open Option C for general use",
    ask=May.REQUEST_EXPOSURE,
    confirm=May.CONFIRM_EXPOSURE,
    subject=stages.locked,
    base=_base,
    check=_check,
    apply=_apply,
    rollout_of=lambda stage: stage.rollout.key,
)
