"""Signing a release gate: who may, what exactly is signed, and until when it counts.

The architect and QA sign the same pack, and so must be two people, neither of whom has
submitted, edited or conducted anything in it. Whoever signs for somebody else counts as
both. Nothing is remembered as "valid": it is worked out anew whenever it is used.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Any

from drills.domain.release_gates import Gate
from portal.domain.people import signs_from
from portal.domain.roles import Role
from portal.errors import Invalid, NotAllowed

VALID_FOR = timedelta(days=14)  # decision 22
LONGEST_NOTE = 2_000


class SigningRole(StrEnum):
    """As what somebody signs."""

    ARCHITECT = str(Role.ARCHITECT)
    QA = str(Role.QA)


class Verdict(StrEnum):
    """What somebody says of a pack."""

    PASS = "pass"
    CHANGES_REQUIRED = "changes_required"


class Part(StrEnum):
    """What somebody can have done with what is in a pack."""

    SUBMITTER = "submitter"  # had the pack made, or brought evidence in
    AUTHOR = "author"  # proposed what is configured
    EDITOR = "editor"  # proposed what the gate or the documents say
    CONDUCTOR = "conductor"  # of a drill or a verification


# Who may sign


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """The role that somebody signs by: whose it is, from when, and by whom given.

    `reset_at` is when somebody else last reset the holder's password or second factor.
    """

    number: int
    person: int
    granted_at: datetime
    granters: frozenset[int] = frozenset()  # people; the host is nobody
    at_installation: bool = False
    reset_at: datetime | None = None
    is_revoked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegated:
    """Somebody signs for `giver`, as what the giver is, until then."""

    giver: int
    giver_name: str
    until: datetime
    is_ended: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Somebody who wants to sign, or has signed; both a signer and a giver count.

    `reset_at` is when somebody else last reset the signer's password or second factor.
    """

    person: int
    name: str
    role: SigningRole
    is_active: bool
    grant: Grant | None
    delegated: Delegated | None = None
    reset_at: datetime | None = None

    @property
    def people(self) -> frozenset[int]:
        """Everybody whose signature this is."""
        giver = {self.delegated.giver} if self.delegated else set()
        return frozenset({self.person, *giver})


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why somebody may not sign."""

    code: str
    says: str


def obstacles(
    signer: Signer,
    *,
    involved: Mapping[int, Sequence[str]],
    others: Collection[Signer],
    now: datetime,
) -> list[Obstacle]:
    """Everything that stands against a signature, each with its reason.

    `involved` says what each person has done with what is in the pack; `others` have
    signed it in another role.
    """
    return [
        *_about_the_role(signer, now),
        *_about_the_pack(signer, involved),
        *(each for other in others for each in _about_two(signer, other)),
    ]


def _about_the_role(signer: Signer, now: datetime) -> Iterable[Obstacle]:
    if not signer.is_active:
        yield Obstacle("PERSON_INACTIVE", f"{signer.name} was deactivated.")
    given = signer.delegated
    if given is not None and (given.is_ended or given.until <= now):
        yield Obstacle(
            "DELEGATION_ENDED",
            f"The delegation by {given.giver_name} has ended; ask for another one.",
        )
    grant = signer.grant
    if grant is None or grant.is_revoked:
        whose = given.giver_name if given else signer.name
        yield Obstacle(
            "ROLE_NOT_HELD", f"{whose} does not hold the role {signer.role}."
        )
    else:
        yield from _about_waiting(signer, grant, now)
    if grant is not None and grant.granters & signer.people:
        yield Obstacle("ROLE_OWN_GRANT", "Nobody signs by a role that they granted.")


def _about_waiting(signer: Signer, grant: Grant, now: datetime) -> Iterable[Obstacle]:
    """What is new waits a day. A reset casts no doubt on what was signed before it."""
    since = partial(
        signs_from,
        granted_at=grant.granted_at,
        at_installation=grant.at_installation,
    )
    at = since(reset_at=None)
    if at > now:
        yield Obstacle(
            "ROLE_TOO_YOUNG",
            f"The role {signer.role} was granted less than 24 hours ago; it can sign "
            f"from {at:%Y-%m-%d %H:%M} UTC on.",
        )
    resets = [each for each in (signer.reset_at, grant.reset_at) if each]
    latest = max((each for each in resets if each <= now), default=None)
    waits = since(reset_at=latest)
    if waits > max(now, at):
        whose = signer.name if latest == signer.reset_at else "whoever delegated this"
        yield Obstacle(
            "CREDENTIALS_TOO_NEW",
            f"Somebody else reset the password or the second factor of {whose} less "
            f"than 24 hours ago; this is signed from {waits:%Y-%m-%d %H:%M} UTC on.",
        )


def _about_the_pack(
    signer: Signer, involved: Mapping[int, Sequence[str]]
) -> Iterable[Obstacle]:
    for person in sorted(signer.people & set(involved)):
        is_giver = person != signer.person
        who = "Whoever delegated this" if is_giver else signer.name
        yield Obstacle(
            "INVOLVED",
            f"{who} had a part in what is in this pack: "
            f"{'; '.join(involved[person])}. Another {signer.role} has to sign.",
        )


def _about_two(signer: Signer, other: Signer) -> Iterable[Obstacle]:
    if signer.people & other.people:
        yield Obstacle(
            "SIGNED_ALREADY",
            f"{other.name} has signed this pack as {other.role} already; it takes two "
            "people.",
        )
    for one, two in ((signer, other), (other, signer)):
        if one.grant is not None and one.grant.granters & two.people:
            yield Obstacle(
                "ROLE_FROM_COSIGNER",
                f"The role {one.role} of {one.name} was granted by {two.name}, who "
                "signs the same pack.",
            )


def check(found: Sequence[Obstacle]) -> None:
    """Refuse whoever may not sign, with every reason."""
    if found:
        raise NotAllowed(
            " ".join(each.says for each in found),
            code=found[0].code,
            obstacles=[{"code": each.code, "says": each.says} for each in found],
        )


# What is signed


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """What a signer says of one item of the rubric."""

    item: str
    is_ticked: bool
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """As it is kept."""
        return {"item": self.item, "is_ticked": self.is_ticked, "note": self.note}


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A judgement of a pack: the verdict, every item of the rubric, and a note."""

    verdict: Verdict
    ticks: tuple[Tick, ...]
    note: str = ""


def check_said(said: Said, gate: Gate) -> None:
    """Refuse a judgement that leaves something open or contradicts itself."""
    errors = []
    known = [item.key for item in gate.rubric]
    if [tick.item for tick in said.ticks] != known:
        errors.append(("/rubric", f"says something of each of {', '.join(known)}"))
    unticked = [tick.item for tick in said.ticks if not tick.is_ticked]
    if said.verdict == Verdict.PASS and unticked:
        errors += [(f"/rubric/{key}", "has to be ticked to pass") for key in unticked]
    noted = said.note.strip() or any(tick.note.strip() for tick in said.ticks)
    if said.verdict == Verdict.CHANGES_REQUIRED and not noted:
        errors.append(("/note", "says what has to change"))
    for tick in said.ticks:
        if len(tick.note) > LONGEST_NOTE:
            errors.append(
                (f"/rubric/{tick.item}", f"is over {LONGEST_NOTE} characters")
            )
    if len(said.note) > LONGEST_NOTE:
        errors.append(("/note", f"is over {LONGEST_NOTE} characters"))
    if errors:
        raise Invalid(
            "This judgement leaves something open.",
            code="JUDGEMENT_INCOMPLETE",
            errors=[{"pointer": at, "detail": what} for at, what in errors],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a statement is about."""

    rollout: str
    letter: str
    gate: Gate
    version: int
    number: int
    pack_hash: str


_MEANS = {
    Verdict.PASS: "PASS: the gate's requirements are met.",
    Verdict.CHANGES_REQUIRED: "CHANGES REQUIRED: the gate stays shut until they are "
    "made.",
}


def statement(said: Said, signer: Signer, about: About) -> str:
    """The text that is signed, to the byte: what is shown is what is kept.

    It holds no time, so that it is the same when it is shown and when it is signed.
    """
    by = f"for {signer.delegated.giver_name} " if signer.delegated else ""
    lines = [
        f"I, {signer.name}, sign {by}as {signer.role} of release gate {about.letter} "
        f"({about.gate.title}, version {about.version}) of {about.rollout}.",
        f"I have examined evidence pack {about.number}, whose hash is "
        f"{about.pack_hash}.",
        f"My judgement is {_MEANS[said.verdict]}",
        "",
    ]
    says = {item.key: item.says for item in about.gate.rubric}
    for tick in said.ticks:
        mark = "[x]" if tick.is_ticked else "[ ]"
        note = f" Note: {tick.note.strip()}" if tick.note.strip() else ""
        lines.append(f"{mark} {says.get(tick.item, tick.item)}{note}")
    if said.note.strip():
        lines += ["", f"Note: {said.note.strip()}"]
    lines += [
        "",
        "I have submitted, edited and conducted nothing that is in this pack.",
        f"My signature counts for at most {VALID_FOR.days} days, and no longer once "
        "the evidence changes, my role ends, or an incident of severity 1 or 2 opens.",
    ]
    return "\n".join(lines)


# How long it counts


class Cause(StrEnum):
    """Why a signature does not count any more."""

    EXPIRED = "expired"
    ROLE_LOST = "role_lost"
    EVIDENCE_CHANGED = "evidence_changed"
    INCIDENT = "incident"
    EXCLUDED = "excluded"


@dataclass(frozen=True, slots=True)
class Difference:
    """One requirement that is not what it was."""

    requirement: str
    before: str
    after: str

    def to_json(self) -> dict[str, Any]:
        """As it is kept and shown."""
        return {
            "requirement": self.requirement,
            "before": self.before,
            "after": self.after,
        }


@dataclass(frozen=True, slots=True)
class Lapse:
    """A signature has become stale, why, and what is different."""

    cause: Cause
    says: str
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What a signature is looked at under: now, and with what has changed since."""

    now: datetime
    differences: tuple[Difference, ...] = ()
    incidents: Sequence[str] = field(default_factory=tuple)  # new ones, in words
    excluded: Sequence[Obstacle] = field(default_factory=tuple)


def lapse(
    signer: Signer, expires_at: datetime, circumstances: Circumstances
) -> Lapse | None:
    """Why a signature that was given does not count now; None while it does."""
    if circumstances.differences:
        names = ", ".join(each.requirement for each in circumstances.differences)
        return Lapse(
            Cause.EVIDENCE_CHANGED,
            f"The evidence has changed since: {names}.",
            circumstances.differences,
        )
    if circumstances.incidents:
        return Lapse(
            Cause.INCIDENT, f"Since then: {'; '.join(circumstances.incidents)}."
        )
    lost = _lost(signer)
    if lost:
        return Lapse(Cause.ROLE_LOST, lost)
    if circumstances.excluded:
        return Lapse(Cause.EXCLUDED, circumstances.excluded[0].says)
    if expires_at <= circumstances.now:
        return Lapse(
            Cause.EXPIRED, f"It counted until {expires_at:%Y-%m-%d %H:%M} UTC."
        )
    return None


def _lost(signer: Signer) -> str:
    if not signer.is_active:
        return f"{signer.name} was deactivated."
    if signer.grant is None or signer.grant.is_revoked:
        return f"The role {signer.role} that {signer.name} signed by was taken away."
    if signer.delegated is not None and signer.delegated.is_ended:
        return f"{signer.delegated.giver_name} has taken the delegation back."
    return ""
