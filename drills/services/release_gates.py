"""Release gates: what ships, and how two people change it."""

from typing import Any

from django.db import transaction

from drills.domain import release_gates as domain
from drills.domain.release_gates import GATES
from drills.domain.verbs import Verb
from drills.models import ReleaseGate
from portal.domain.roles import May
from portal.errors import NotFound, WrongMoment
from portal.models import Actor, Approval
from portal.services.access import require
from portal.services.approvals import Approvable, request
from portal.services.ledger import record
from rollout.domain.baseline import ROLLOUT
from rollout.models import Rollout, RolloutKind
from rollout.services import rollouts

CHANGE_GATE = "drills.release_gate.change"


@transaction.atomic
def seed(*, by: Actor, reason: str) -> list[str]:
    """Make the gates that ship for the baseline's rollout; what is there stays."""
    require(by, May.MANAGE_ACCESS)
    rollout = Rollout.objects.filter(key=ROLLOUT).first()
    if rollout is None:
        return []
    known = set(rollout.release_gates.values_list("letter", flat=True))
    made = []
    for letter, ships in GATES.items():
        if letter not in known:
            gate = ReleaseGate(rollout=rollout, letter=letter, version=1)
            gate.say(ships)
            gate.save_as(by, reason=reason)
            record(Verb.GATE_CREATED, gate, by=by, reason=reason, says=ships.to_json())
            made.append(f"gate {letter}")
    return made


def find(rollout_key: str, letter: str) -> ReleaseGate:
    """The gate of a rollout, or a refusal."""
    domain.check_letter(letter)
    found = (
        ReleaseGate.objects.select_related("rollout")
        .filter(rollout__key=rollout_key, letter=letter)
        .first()
    )
    if found is None:
        rollouts.find(rollout_key)
        raise NotFound(f"{rollout_key} has no release gate {letter}.")
    return found


def locked(gate_id: int | str) -> ReleaseGate:
    """The gate's row, locked for an act that rests on it."""
    found = (
        ReleaseGate.objects.select_for_update(of=["self"], no_key=True)
        .select_related("rollout")
        .filter(pk=gate_id)
        .first()
    )
    if found is None:
        raise NotFound(f"There is no release gate {gate_id}.")
    return found


@transaction.atomic
def propose(
    rollout_key: str, letter: str, says: dict[str, Any], *, by: Actor, reason: str
) -> Approval:
    """Ask for a gate, or for another wording of one; somebody else approves it.

    Whoever proposed the wording that counts is an editor of every pack of the gate.
    """
    domain.check_letter(letter)
    wanted = domain.read(says)
    require(by, May.PROPOSE_CHANGE, rollout=rollout_key)
    rollout = rollouts.locked(rollouts.find(rollout_key).pk)
    if rollout.kind != RolloutKind.LIVE:
        raise WrongMoment("The twin of a drill has no release gates.", possible=[])
    gate = ReleaseGate.objects.filter(rollout=rollout, letter=letter).first()
    if gate is None:
        gate = ReleaseGate(rollout=rollout, letter=letter)
        gate.say(wanted)
        gate.save_as(by, reason=reason)
        record(Verb.GATE_CREATED, gate, by=by, reason=reason, says=wanted.to_json())
    elif gate.version and gate.gate == wanted:
        raise WrongMoment("The gate says that already.", possible=["another wording"])
    return request(
        CHANGE_GATE, gate.pk, by=by, reason=reason, payload={"gate": wanted.to_json()}
    )


def _apply(
    gate: ReleaseGate, payload: dict[str, Any], *, by: Actor, reason: str
) -> None:
    before = gate.gate.to_json() if gate.version else None
    gate.say(domain.read(payload["gate"]))
    gate.version += 1
    gate.save_as(by, reason=reason)
    record(
        Verb.GATE_CHANGED,
        gate,
        by=by,
        reason=reason,
        version=gate.version,
        before=before,
        after=gate.gate.to_json(),
    )


change = Approvable(
    act=CHANGE_GATE,
    title="Change a release gate",
    ask=May.PROPOSE_CHANGE,
    confirm=May.APPROVE_CHANGE,
    subject=locked,
    base=lambda gate: {"version": gate.version},
    check=lambda gate, payload: domain.read(payload["gate"]) and None,
    apply=_apply,
    rollout_of=lambda gate: gate.rollout.key,
)
