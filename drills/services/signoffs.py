"""Signing an evidence pack: one person, one pack, one statement, shown and kept."""

from dataclasses import dataclass, replace
from datetime import datetime

from django.db import transaction

from drills.domain import signoffs as domain
from drills.domain.signoffs import (
    VALID_FOR,
    About,
    Obstacle,
    Said,
    Signer,
    SigningRole,
    Verdict,
)
from drills.domain.verbs import Verb
from drills.models import Delegation, Signoff
from drills.services import delegations, packs, release_gates, signatures
from drills.services.signatures import Round, round_of
from portal import clock
from portal.domain.canonical import digest
from portal.domain.redaction import redact
from portal.domain.roles import May
from portal.errors import Conflict, NotAllowed, WrongMoment
from portal.models import Actor, ActorKind, Person, RoleGrant
from portal.services.access import require, require_password
from portal.services.ledger import record


@dataclass(frozen=True, slots=True)
class Draft:
    """A signature that could be given now: exactly what it would say."""

    statement: str
    said: Said
    signer: Signer
    grant: RoleGrant | None
    delegation: Delegation | None
    round: Round

    @property
    def digest(self) -> str:
        """Names the statement; whoever signs says which one was shown."""
        return digest(self.statement.encode())


def draft(
    pack_hash: str,
    role: SigningRole,
    said: Said,
    *,
    by: Actor,
    delegation_id: int | None = None,
) -> Draft:
    """What would be signed, or the refusal that signing would meet now."""
    require(by, May.READ)
    if by.kind != ActorKind.PERSON:
        raise NotAllowed(
            "Only a person signs, in the admin, not a token or the system.",
            code="PERSON_REQUIRED",
        )
    found = round_of(packs.find(pack_hash))
    _check_pack(found, role)
    delegation = _delegation(delegation_id, role, by.person)
    signer, grant = signatures.signer(by.person, role, delegation)
    domain.check(obstacles(signer, found))
    gate = found.pack.gate
    said = _without_secrets(said)
    domain.check_said(said, gate.gate)
    about = About(
        rollout=gate.rollout.key,
        letter=gate.letter,
        gate=gate.gate,
        version=gate.version,
        number=found.pack.number,
        pack_hash=found.pack.pack_hash,
    )
    text = domain.statement(said, signer, about)
    return Draft(text, said, signer, grant, delegation, found)


def _without_secrets(said: Said) -> Said:
    """What is shown and kept; a statement is read by everybody, for ever."""
    ticks = tuple(replace(each, note=redact(each.note)) for each in said.ticks)
    return replace(said, ticks=ticks, note=redact(said.note))


@transaction.atomic
def sign(
    pack_hash: str,
    role: SigningRole,
    said: Said,
    *,
    shown: str,
    by: Actor,
    reason: str,
    delegation_id: int | None = None,
) -> Signoff:
    """Sign a pack, with the password just entered; `shown` names the statement shown.

    Raises `WrongMoment` (PACK_SUPERSEDED, PACK_INCOMPLETE, ROUND_CLOSED,
    EVIDENCE_CHANGED) for a pack that is not to be signed, `NotAllowed` with every
    reason for a person who may not, and `Conflict` (STATEMENT_CHANGED) when something
    else would be signed than was shown. Superusers are nobody here.
    """
    release_gates.locked(packs.find(pack_hash).gate_id)  # one signature after the other
    found = draft(pack_hash, role, said, by=by, delegation_id=delegation_id)
    require_password(by)
    if found.digest != shown:
        raise Conflict(
            "What would be signed now is not what was shown. Read it again.",
            code="STATEMENT_CHANGED",
        )
    now = clock.now()
    pack, delegation = found.round.pack, found.delegation
    signoff = Signoff(
        pack=pack,
        role=role,
        verdict=said.verdict,
        signer=by,
        person=by.person,
        name=found.signer.name,
        grant=found.grant,
        delegation=delegation,
        giver=delegation.giver if delegation else None,
        rubric=[each.to_json() for each in found.said.ticks],
        note=found.said.note.strip(),
        statement=found.statement,
        statement_digest=found.digest,
        pack_hash=pack.pack_hash,
        authenticated_by=by.authenticated_by,
        signed_at=now,
        expires_at=_until(now, delegation),
    )
    signoff.save()
    has_passed = said.verdict == Verdict.PASS
    record(
        Verb.GATE_SIGNED if has_passed else Verb.GATE_REJECTED,
        signoff,
        by=by,
        reason=reason,
        rollout=pack.gate.rollout.key,
        gate=pack.gate.letter,
        pack=pack.number,
        pack_hash=pack.pack_hash,
        role=role,
        verdict=said.verdict,
        signer=found.signer.name,
        on_behalf_of=str(delegation.giver) if delegation else None,
        statement_digest=found.digest,
        expires_at=signoff.expires_at,
    )
    return signoff


def _until(now: datetime, delegation: Delegation | None) -> datetime:
    """A signature for somebody else ends with the delegation."""
    longest = now + VALID_FOR
    return min(longest, delegation.until) if delegation else longest


def obstacles(signer: Signer, found: Round) -> list[Obstacle]:
    """Everything that stands against somebody's signing of a pack."""
    others = [
        signatures.signed_by(each.signoff)
        for each in found.standings
        if each.signoff.role != signer.role
    ]
    return domain.obstacles(
        signer, involved=found.involved, others=others, now=clock.now()
    )


def _delegation(
    delegation_id: int | None, role: SigningRole, person: Person
) -> Delegation | None:
    if delegation_id is None:
        return None
    found = delegations.in_force(person).filter(pk=delegation_id, role=role).first()
    if found is None:
        raise NotAllowed(
            f"Nobody has delegated the signature as {role} to you, or it has ended.",
            code="DELEGATION_ENDED",
        )
    return found


def _check_pack(found: Round, role: SigningRole) -> None:
    """Refuse a pack that nobody should sign now."""
    pack = found.pack
    newest = packs.newest(pack.gate)
    if newest is not None and newest.pk != pack.pk:
        raise WrongMoment(
            f"Pack {pack.number} is not the newest one any more; pack {newest.number} "
            "is to be examined.",
            code="PACK_SUPERSEDED",
            newest=newest.pack_hash,
            possible=["sign the newest pack"],
        )
    if not pack.is_complete:
        raise WrongMoment(
            f"Pack {pack.number} is incomplete and cannot be signed. "
            + " ".join(f"{each}." for each in pack.troubles),
            code="PACK_INCOMPLETE",
            lacks=pack.troubles,
            possible=["bring what is missing, then assemble a pack", "waive it"],
        )
    if found.rejection is not None:
        raise WrongMoment(
            f"{found.rejection.name} has asked for changes; this round is closed.",
            code="ROUND_CLOSED",
            possible=["make the changes, then assemble a pack"],
        )
    changed = [each.requirement for each in found.differences] + found.new_incidents
    if changed:
        raise WrongMoment(
            f"The evidence is not what is in pack {pack.number}: {', '.join(changed)}.",
            code="EVIDENCE_CHANGED",
            differences=[each.to_json() for each in found.differences],
            incidents=found.new_incidents,
            possible=["assemble a pack"],
        )
    signed = found.by(role)
    if signed is not None:
        raise WrongMoment(
            f"{signed.signoff.name} has signed pack {pack.number} as {role} already.",
            code="SIGNED_ALREADY",
            possible=[],
        )
