"""Delegations: somebody signs for another person, named, in one role, for a while."""

from datetime import datetime

from django.db import transaction
from django.db.models import Q, QuerySet

from drills.domain import delegations as domain
from drills.domain.signoffs import SigningRole
from drills.domain.verbs import Verb
from drills.models import Delegation, PackParticipant, ReleaseGate
from portal import clock
from portal.domain.roles import May
from portal.errors import Invalid, NotAllowed, NotFound, WrongMoment
from portal.models import Actor, Person
from portal.services.access import require, require_password
from portal.services.ledger import record

ACT_OF = {
    SigningRole.ARCHITECT: May.SIGN_AS_ARCHITECT,
    SigningRole.QA: May.SIGN_AS_QA,
}


def role_named(name: str) -> SigningRole:
    """The role of that name, or a refusal."""
    if name not in set(SigningRole):
        raise Invalid(
            f"A gate is signed as {' or '.join(SigningRole)}.",
            errors=[{"pointer": "/role", "detail": "is not known"}],
        )
    return SigningRole(name)


@transaction.atomic
def give(
    role: SigningRole, receiver_id: int, until: datetime, *, by: Actor, reason: str
) -> Delegation:
    """Let another person sign for oneself, for at most 14 days; takes the password.

    Raises `NotAllowed` (INVOLVED) for somebody who had a part in what the newest pack
    of a gate holds, on either side. Everything is looked at again when it is used.
    """
    require(by, ACT_OF[role])
    require_password(by)
    if by.person is None:
        raise NotAllowed("Only a person delegates.", code="PERSON_REQUIRED")
    receiver = (
        Person.objects.select_for_update(no_key=True)
        .filter(pk=receiver_id, is_active=True)
        .first()
    )
    if receiver is None:
        raise NotFound("There is nobody of that name who is active.")
    now = clock.now()
    domain.check(giver=by.person.pk, receiver=receiver.pk, lasts=until - now)
    for person in (receiver, by.person):
        _check_uninvolved(person)
    for other in in_force(receiver).filter(role=role, giver=by.person):
        _end(other, by=by, reason="Another delegation takes its place.")
        record(Verb.DELEGATION_ENDED, other, by=by, reason=reason)
    made = Delegation(
        role=role,
        giver=by.person,
        receiver=receiver,
        reason=reason,
        given_at=now,
        until=until,
    )
    made.save_as(by, reason=reason)
    record(
        Verb.SIGNING_DELEGATED,
        made,
        by=by,
        reason=reason,
        role=role,
        giver=str(by.person),
        receiver=str(receiver),
        until=until,
    )
    return made


@transaction.atomic
def end(delegation_id: int, *, by: Actor, reason: str) -> Delegation:
    """Take a delegation back; what was signed by it does not count any more."""
    found = (
        Delegation.objects.select_for_update(of=["self"], no_key=True)
        .select_related("giver", "receiver")
        .filter(pk=delegation_id)
        .first()
    )
    if found is None:
        raise NotFound(f"There is no delegation {delegation_id}.")
    require(by, May.READ)
    person = by.person_behind
    if person is None or person.pk not in (found.giver_id, found.receiver_id):
        raise NotAllowed("Only who gave or was given a delegation ends it.")
    if found.ended_at is not None:
        raise WrongMoment("This delegation has ended already.", possible=[])
    _end(found, by=by, reason=reason)
    record(Verb.DELEGATION_ENDED, found, by=by, reason=reason, role=found.role)
    return found


def in_force(receiver: Person) -> QuerySet[Delegation]:
    """What somebody may sign for others now."""
    return Delegation.objects.filter(
        receiver=receiver, ended_at=None, until__gt=clock.now()
    ).select_related("giver", "receiver")


def _end(delegation: Delegation, *, by: Actor, reason: str) -> None:
    delegation.ended_at, delegation.ended_by = clock.now(), by
    delegation.save_as(by, reason=reason)


def _check_uninvolved(person: Person) -> None:
    """Refuse whoever is excluded from the newest pack of a gate."""
    newest = Q()
    for gate in ReleaseGate.objects.filter(version__gt=0):
        pack = gate.packs.order_by("-number").values_list("pk", flat=True).first()
        newest |= Q(pack=pack or 0)
    found = PackParticipant.objects.filter(newest, person=person) if newest else []
    for each in found:
        raise NotAllowed(
            f"{person} had a part in what is in {each.pack}: "
            f"{'; '.join(each.parts)}. Somebody else has to sign.",
            code="INVOLVED",
        )
