"""Whether signatures count: worked out anew from the tables, whenever one is used."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

from django.db import transaction
from django.db.models import QuerySet

from drills.domain import packs as packing
from drills.domain import signoffs as domain
from drills.domain.incidents import State as IncidentState
from drills.domain.packs import Row
from drills.domain.signoffs import (
    Cause,
    Circumstances,
    Delegated,
    Difference,
    Grant,
    Lapse,
    Signer,
    SigningRole,
    Verdict,
)
from drills.domain.verbs import Verb
from drills.models import (
    Delegation,
    EvidencePack,
    ReleaseGate,
    Signoff,
    SignoffLapse,
)
from drills.services import packs, release_gates
from drills.services.sources import Sources, serious, sources_of
from portal import clock
from portal.domain.roles import May
from portal.models import Actor, Person, RoleGrant
from portal.services import heartbeats
from portal.services.access import require
from portal.services.jobs import enqueue
from portal.services.ledger import record
from portal.services.reading import read_once

LOOK_JOB = "drills.jobs.look_at_signatures"
EVERY = timedelta(seconds=30)
NAME = "signatures"
_GRANTED_BY = ("granted_by__token", "confirmed_by__token")  # what `_grant` reads
MOST_ROUNDS = 20  # how far back a gate's signatures are looked for


@dataclass(frozen=True, slots=True)
class Standing:
    """A signature, and why it does not count, if it does not."""

    signoff: Signoff
    lapse: Lapse | None

    @property
    def counts(self) -> bool:
        """Whether it says PASS and still means it."""
        return self.signoff.verdict == Verdict.PASS and self.lapse is None


@dataclass
class Round:
    """A pack with what it holds, what is there now, and who has signed it."""

    pack: EvidencePack
    sources: Sources  # which the rounds of a gate share

    @property
    def rows(self) -> list[Row]:
        """The evidence map as it is now."""
        return self.sources.rows

    @cached_property
    def differences(self) -> tuple[Difference, ...]:
        """What of the evidence is not what it was in the pack."""
        said = packs.said_in(self.pack)
        found = packing.differences(said["evidence"], self.rows)
        if said["gate"]["digest"] != self.pack.gate.gate.digest:
            before = f"version {said['gate']['version']}"
            after = f"version {self.pack.gate.version}"
            found = (Difference("The gate itself", before, after), *found)
        return found

    @cached_property
    def new_incidents(self) -> list[str]:
        """Real incidents of severity 1 or 2 that the pack does not know of."""
        known = packs.said_in(self.pack)["serious_incidents"]
        since = serious(self.pack.gate).exclude(pk__in=known)
        return [
            f"incident {each.pk} of severity {each.severity} ({each.title})"
            for each in since.exclude(state=IncidentState.CANCELLED)[:20]
        ]

    @cached_property
    def involved(self) -> dict[int, list[str]]:
        """Who had a part in what is in the pack."""
        found = self.pack.participants.values_list("person_id", "parts")
        return dict(found)

    @cached_property
    def standings(self) -> list[Standing]:
        """Every signature under the pack, in the order of signing."""
        signoffs = list(
            self.pack.signoffs.select_related(
                *("person", "grant__person"),
                *(f"grant__{each}" for each in _GRANTED_BY),
                *("delegation__giver", "lapse", "pack"),
            ).order_by("pk")
        )
        signers = {each.pk: signed_by(each) for each in signoffs}
        return [
            Standing(
                each,
                self._lapse_of(
                    each,
                    signers[each.pk],
                    [signer for pk, signer in signers.items() if pk != each.pk],
                ),
            )
            for each in signoffs
        ]

    @property
    def rejection(self) -> Signoff | None:
        """Who has sent it back, if somebody has: that closes the round."""
        rejected = (
            each.signoff
            for each in self.standings
            if each.signoff.verdict == Verdict.CHANGES_REQUIRED
        )
        return next(rejected, None)

    def by(self, role: SigningRole) -> Standing | None:
        """The signature in that role, if there is one."""
        return next((e for e in self.standings if e.signoff.role == role), None)

    @property
    def is_signed(self) -> bool:
        """Whether both signatures count."""
        found = [self.by(role) for role in SigningRole]
        return self.rejection is None and all(each and each.counts for each in found)

    def _lapse_of(
        self, signoff: Signoff, signer: Signer, others: Sequence[Signer]
    ) -> Lapse | None:
        noticed = getattr(signoff, "lapse", None)
        if noticed is not None:
            return Lapse(
                Cause(noticed.cause),
                noticed.says,
                tuple(Difference(**each) for each in noticed.differences),
            )
        return domain.lapse(
            signer,
            signoff.expires_at,
            Circumstances(
                now=clock.now(),
                differences=self.differences,
                incidents=self.new_incidents,
                excluded=domain.obstacles(
                    signer,
                    involved=self.involved,
                    others=others,
                    now=signoff.signed_at,
                ),
            ),
        )


@dataclass(frozen=True, slots=True)
class GateStanding:
    """Whether a gate is signed now, by which round, and what is lacking if not."""

    round: Round | None
    is_signed: bool
    says: str


def round_of(pack: EvidencePack) -> Round:
    """A pack as it stands now."""
    return Round(pack, sources_of(pack.gate))


@read_once
def rounds_of(gate: ReleaseGate) -> list[Round]:
    """The packs of a gate that somebody has signed, the newest first."""
    signed = gate.packs.filter(signoffs__isnull=False).distinct().order_by("-number")
    sources = sources_of(gate)
    rounds = []
    for pack in signed[:MOST_ROUNDS]:
        pack.gate = gate
        rounds.append(Round(pack, sources))
    return rounds


@read_once
def of_gate(gate: ReleaseGate) -> GateStanding:
    """The newest round that was rejected or is signed decides."""
    newest: Round | None = None
    for found in rounds_of(gate):
        newest = newest or found
        number = found.pack.number
        if found.rejection is not None:
            said = found.rejection
            says = f"{said.name} ({said.role}) asks for changes to pack {number}"
            return GateStanding(found, False, says)
        if found.is_signed:
            names = " and ".join(each.signoff.name for each in found.standings)
            says = f"pack {number} is signed by {names}"
            return GateStanding(found, True, says)
    if newest is None:
        return GateStanding(None, False, "nobody has signed it yet")
    return GateStanding(newest, False, _lacking(newest))


def _lacking(found: Round) -> str:
    said = []
    for role in SigningRole:
        each = found.by(role)
        if each is None:
            said.append(f"the signature of {_called(role)} is missing")
        elif each.lapse is not None:
            why = each.lapse.says.rstrip(".")
            said.append(f"the signature of {each.signoff.name} is stale: {why}")
    return f"pack {found.pack.number}: {'; '.join(said)}"


def _called(role: SigningRole) -> str:
    return {SigningRole.ARCHITECT: "an architect", SigningRole.QA: "QA"}[role]


# Who signs


def signer(
    person: Person, role: SigningRole, delegation: Delegation | None = None
) -> tuple[Signer, RoleGrant | None]:
    """Somebody who wants to sign, as the tables know them, and by which grant."""
    holder = delegation.giver if delegation else person
    grant = (
        RoleGrant.objects.filter(person=holder, role=role, revoked_at=None)
        .select_related("person", *_GRANTED_BY)
        .first()
    )
    return _signer(person, role, grant, delegation), grant


def holders(role: SigningRole, *, most: int) -> list[tuple[Person, Signer]]:
    """Who may sign in a role by a grant of their own, by name, `most` at most."""
    grants = RoleGrant.objects.filter(
        role=role, revoked_at=None, person__is_active=True
    ).select_related("person", *_GRANTED_BY)
    return [
        (each.person, _signer(each.person, role, each, None))
        for each in grants.order_by("person__username")[:most]
    ]


def signed_by(signoff: Signoff) -> Signer:
    """Who has signed, by the very grant and delegation that they signed by."""
    role = SigningRole(signoff.role)
    return _signer(signoff.person, role, signoff.grant, signoff.delegation)


def _signer(
    person: Person,
    role: SigningRole,
    grant: RoleGrant | None,
    delegation: Delegation | None,
) -> Signer:
    holder_is_active = delegation is None or delegation.giver.is_active
    return Signer(
        person=person.pk,
        name=str(person),
        role=role,
        is_active=person.is_active and holder_is_active,
        grant=grant and _grant(grant),
        delegated=delegation and _delegated(delegation),
        reset_at=person.credentials_reset_at,
    )


def _grant(grant: RoleGrant) -> Grant:
    by = [each for each in (grant.granted_by, grant.confirmed_by) if each is not None]
    people = [each.id_of_person_behind for each in by]
    return Grant(
        number=grant.pk,
        person=grant.person_id,
        granted_at=grant.granted_at,
        granters=frozenset(each for each in people if each is not None),
        at_installation=grant.at_installation,
        reset_at=grant.person.credentials_reset_at,
        is_revoked=grant.revoked_at is not None,
    )


def _delegated(delegation: Delegation) -> Delegated:
    return Delegated(
        giver=delegation.giver_id,
        giver_name=str(delegation.giver),
        until=delegation.until,
        is_ended=delegation.ended_at is not None,
    )


# Noticing that one is stale


def sweep() -> None:
    """Have the signatures that may still count looked at again."""
    heartbeats.beat(NAME)
    for gate_id in _unlapsed().values_list("pack__gate_id", flat=True).distinct():
        enqueue(LOOK_JOB, once=f"signatures {gate_id}", gate_id=gate_id)


def _unlapsed() -> QuerySet[Signoff]:
    return Signoff.objects.filter(verdict=Verdict.PASS, lapse=None).order_by()


@transaction.atomic
def look(gate_id: int, *, by: Actor, reason: str) -> list[SignoffLapse]:
    """Write down which signatures of a gate are stale by now; from then on they are."""
    require(by, May.READ)
    gate = release_gates.locked(gate_id)
    made = []
    of_gate = _unlapsed().filter(pack__gate=gate).values_list("pack", flat=True)
    sources = sources_of(gate)
    for pack in gate.packs.filter(pk__in=set(of_gate)).order_by("number"):
        pack.gate = gate
        for each in Round(pack, sources).standings:
            is_known = hasattr(each.signoff, "lapse")
            if each.lapse is not None and not is_known:
                made.append(_note(each.signoff, each.lapse, by=by, reason=reason))
    return made


def _note(signoff: Signoff, lapse: Lapse, *, by: Actor, reason: str) -> SignoffLapse:
    noticed = SignoffLapse(
        signoff=signoff,
        cause=lapse.cause,
        says=lapse.says,
        differences=[each.to_json() for each in lapse.differences],
        noticed_at=clock.now(),
    )
    noticed.save()
    record(
        Verb.SIGNOFF_LAPSED,
        signoff,
        by=by,
        reason=reason,
        cause=lapse.cause,
        says=lapse.says,
        differences=noticed.differences,
        pack_hash=signoff.pack_hash,
        role=signoff.role,
        signer=signoff.name,
    )
    return noticed
