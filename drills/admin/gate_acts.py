"""What can be done with a release gate: have a pack made, sign it, waive, delegate."""

from collections.abc import Callable
from typing import Any

from django.db.models import Q
from django.urls import reverse

from drills.admin.gate_forms import (
    DelegationForm,
    GateForm,
    NewGateForm,
    SignForm,
    WaiverForm,
    said_of,
)
from drills.domain.signoffs import VALID_FOR, SigningRole, Verdict
from drills.models import Delegation, ReleaseGate, Signoff
from drills.services import (
    availability,
    delegations,
    packs,
    release_gates,
    signoffs,
    waivers,
)
from drills.services.delegations import ACT_OF
from drills.services.signatures import Round, round_of
from drills.services.sources import rows_of
from portal.admin.acts import Act, Basis, Done, Shown
from portal.domain.canonical import digest_of
from portal.domain.roles import May
from portal.errors import WrongMoment
from portal.models import Actor
from portal.services.access import may
from rollout.models import OPEN_STATES
from rollout.services import rollouts

Said = dict[str, Any]
CALLED = {SigningRole.ARCHITECT: "architect", SigningRole.QA: "QA"}


def page_of(gate: ReleaseGate) -> str:
    """The address of a gate's page."""
    return reverse("admin:drills_releasegate_change", args=[gate.pk])


# Signing


def delegated_to(actor: Actor, role: SigningRole) -> Delegation | None:
    """What lets somebody sign for another person, unless they can for themselves."""
    person = actor.person_behind
    if person is None or may(actor, ACT_OF[role]):
        return None
    return delegations.in_force(person).filter(role=role).order_by("-pk").first()


def _cannot_sign(gate: ReleaseGate, actor: Actor, role: SigningRole) -> bool:
    newest = packs.newest(gate)
    if newest is None or not newest.is_complete:
        return True
    closing = Q(role=role) | Q(verdict=Verdict.CHANGES_REQUIRED)
    if newest.signoffs.filter(closing).exists():
        return True
    return not may(actor, ACT_OF[role]) and delegated_to(actor, role) is None


def _newest(gate: ReleaseGate) -> Round:
    """What is signed."""
    pack = packs.newest(gate)
    if pack is None:
        raise WrongMoment(
            "There is no evidence pack yet; have one assembled first.",
            possible=["assemble a pack"],
        )
    pack.gate = gate
    return round_of(pack)


def _draft(
    gate: ReleaseGate, actor: Actor, said: Said, role: SigningRole
) -> signoffs.Draft:
    by = delegated_to(actor, role)
    return signoffs.draft(
        _newest(gate).pack.pack_hash,
        role,
        said_of(gate, said),
        by=actor,
        delegation_id=by.pk if by else None,
    )


def _mark(gate: ReleaseGate) -> str:
    """What a signing page rests on: the newest pack, and what has changed since."""
    if packs.newest(gate) is None:
        return "no pack"
    found = _newest(gate)
    changed = [each.to_json() for each in found.differences]
    return digest_of([found.pack.pack_hash, changed, found.new_incidents])


def _since(gate: ReleaseGate, mark: str) -> Shown:
    found = _newest(gate)
    return Shown(
        "drills/pack_since.html",
        {
            "pack": found.pack,
            "differences": found.differences,
            "incidents": found.new_incidents,
        },
    )


def _sign(role: SigningRole) -> Act:
    def perform(gate: ReleaseGate, actor: Actor, said: Said) -> Done:
        by = delegated_to(actor, role)
        signed: Signoff = signoffs.sign(
            _newest(gate).pack.pack_hash,
            role,
            said_of(gate, said),
            shown=said["foreseen"].mark,
            by=actor,
            reason=said["reason"],
            delegation_id=by.pk if by else None,
        )
        return Done(
            f"Signed: {signed.get_verdict_display()}, as {CALLED[role]}.",
            reverse("admin:drills_signoff_change", args=[signed.pk]),
        )

    def foresee(gate: ReleaseGate, actor: Actor, said: Said) -> Shown:
        drafted = _draft(gate, actor, said, role)
        return Shown(
            "drills/statement.html", {"statement": drafted.statement}, drafted.digest
        )

    return Act(
        name=f"sign_as_{role}",
        title=f"Sign as {CALLED[role]}",
        may=May.READ,
        perform=perform,
        form=SignForm,
        foresee=foresee,
        basis=Basis(_mark, _since),
        needs_password=True,
        done_as="Sign this statement",
        hidden=lambda gate, actor: _cannot_sign(gate, actor, role),
        about=_evidence,
        effects=lambda gate: [
            f"You judge pack {_number(gate)} and sign exactly the statement that the "
            "next step shows, with your password.",
            "Two people sign, architect and QA, neither of whom has submitted, edited "
            "or conducted anything in it.",
            f"A signature counts for {VALID_FOR.days} days, and no longer once the "
            "evidence changes. Asking for changes closes this round.",
        ],
    )


def _evidence(gate: ReleaseGate) -> Shown:
    return Shown("drills/gate_evidence.html", evidence_of(gate))


def _number(gate: ReleaseGate) -> str:
    pack = packs.newest(gate)
    return f"{pack.number} ({pack.pack_hash[:19]}…)" if pack else "none"


def evidence_of(gate: ReleaseGate) -> dict[str, Any]:
    """The rubric, each item with the evidence that is in the newest pack, and now."""
    pack = packs.newest(gate)
    said = packs.said_in(pack)["evidence"] if pack else []
    known = {each["key"]: each for each in said}
    return {
        "pack": pack,
        "items": [
            {
                "item": item,
                "rows": [
                    {
                        "row": row,
                        "packed": known.get(row.requirement.key),
                        "is_other": row.requirement.key in known
                        and known[row.requirement.key]["digest"] != row.digest,
                    }
                    for row in rows_of(gate)
                    if row.requirement.item == item.key
                ],
            }
            for item in gate.gate.rubric
        ],
    }


# Packs, waivers, delegations, the gate itself


def _assemble(gate: ReleaseGate, actor: Actor, said: Said) -> str:
    asked = packs.order(gate.rollout.key, gate.letter, by=actor, reason=said["reason"])
    return f"Pack {asked.number} is being put together; it appears here in a moment."


def _waive(gate: ReleaseGate, actor: Actor, said: Said) -> str:
    waivers.request_waiver(
        gate.rollout.key,
        gate.letter,
        said["requirement"],
        said["until"],
        by=actor,
        reason=said["reason"],
    )
    return "Asked for the waiver; another person grants it under Approvals."


def _delegate(role: SigningRole) -> Act:
    def perform(_: None, actor: Actor, said: Said) -> str:
        made = delegations.give(
            role, said["receiver"].pk, said["until"], by=actor, reason=said["reason"]
        )
        return f"{made.receiver} may sign for you as {CALLED[role]} for now."

    return Act(
        name=f"delegate_{role}",
        title=f"Delegate my signature as {CALLED[role]}",
        may=ACT_OF[role],
        perform=perform,
        form=DelegationForm,
        needs_password=True,
        is_on_list=True,
        effects=lambda _: [
            "The other person signs in your place, named with you; you cannot sign the "
            "same pack in another role then.",
            "It goes to nobody who had a part in what is signed, lasts 14 days at "
            "most, and can be taken back at any time.",
        ],
    )


def _end_delegation(delegation: Delegation, actor: Actor, said: Said) -> str:
    delegations.end(delegation.pk, by=actor, reason=said["reason"])
    return "The delegation has ended."


def _is_not_theirs(delegation: Delegation, actor: Actor) -> bool:
    person = actor.person_behind
    ours = person is not None and person.pk in (
        delegation.giver_id,
        delegation.receiver_id,
    )
    return delegation.ended_at is not None or not ours


def _propose(gate: ReleaseGate, actor: Actor, said: Said) -> str:
    release_gates.propose(
        gate.rollout.key, gate.letter, said["says"], by=actor, reason=said["reason"]
    )
    return "Proposed; another person approves it under Approvals."


def _propose_new(_: None, actor: Actor, said: Said) -> Done:
    asked = release_gates.propose(
        said["rollout"].key,
        said["letter"],
        said["says"],
        by=actor,
        reason=said["reason"],
    )
    return Done(
        "Proposed; another person approves it under Approvals.",
        reverse("admin:drills_releasegate_change", args=[asked.subject_id]),
    )


# General availability


def _open_up(gate: ReleaseGate, actor: Actor, said: Said) -> str:
    stage = rollouts.last_stage(gate.rollout)
    if stage is None:
        raise WrongMoment("There is no stage to open.", possible=[])
    availability.request_availability(stage.pk, by=actor, reason=said["reason"])
    return "Asked for general availability; another person confirms it under Approvals."


def _cannot_open(gate: ReleaseGate, actor: Actor) -> bool:
    stage = rollouts.last_stage(gate.rollout)
    return (
        gate.letter != availability.LETTER
        or stage is None
        or stage.state not in OPEN_STATES
    )


def _checks(gate: ReleaseGate) -> Shown:
    stage = rollouts.last_stage(gate.rollout)
    checks = availability.checks(stage) if stage else []
    return Shown("rollout/checks.html", {"checks": checks})


def _when(holds: Callable[[ReleaseGate], bool]) -> Callable[[ReleaseGate, Actor], bool]:
    return lambda gate, actor: not holds(gate)


ACTS = (
    *(_sign(role) for role in SigningRole),
    Act(
        name="assemble",
        title="Assemble an evidence pack",
        may=May.ASSEMBLE_PACK,
        perform=_assemble,
        hidden=_when(lambda gate: gate.version > 0),
        effects=lambda gate: [
            "A worker reads every source as it is now and puts it under one hash.",
            "You have submitted it, so you cannot sign it.",
            "What is missing or not scanned makes it incomplete: it can be read and "
            "exported, and not signed.",
        ],
    ),
    Act(
        name="open_up",
        title="Ask for general availability",
        may=May.REQUEST_EXPOSURE,
        perform=_open_up,
        hidden=_cannot_open,
        about=_checks,
        effects=lambda gate: [
            f"The last stage of {gate.rollout.key} lets in everybody.",
            "Another person confirms it with the password; everything is looked at "
            "again then.",
            "Triggers, watchdog, the watch for late degradation and the switch stay "
            "armed; a breach rolls back as ever.",
        ],
    ),
    Act(
        name="waive",
        title="Ask for a waiver",
        may=May.PROPOSE_WAIVER,
        perform=_waive,
        form=WaiverForm,
        effects=lambda gate: [
            "A requirement need not be met for a while; an architect or QA, another "
            "person, grants it.",
            "It stands in every pack, with the reason and both names. You cannot sign "
            "a pack that rests on it.",
        ],
    ),
    Act(
        name="propose",
        title="Propose another wording",
        may=May.PROPOSE_CHANGE,
        perform=_propose,
        form=GateForm,
        effects=lambda gate: [
            "Another person approves it; then signatures under the present wording are "
            "stale, and you cannot sign it.",
        ],
    ),
    Act(
        name="propose_new",
        title="Propose a gate",
        may=May.PROPOSE_CHANGE,
        perform=_propose_new,
        form=NewGateForm,
        is_on_list=True,
        effects=lambda _: ["Another person approves it; until then nobody signs it."],
    ),
)
DELEGATION_ACTS = (
    *(_delegate(role) for role in SigningRole),
    Act(
        name="end",
        title="End this delegation",
        may=May.READ,
        perform=_end_delegation,
        hidden=_is_not_theirs,
        is_dangerous=True,
        effects=lambda delegation: ["What was signed by it is stale from now on."],
    ),
)
