"""The safety scan's words: findings, what could not be read, and the verdict.

A finding says which family of secrets was met, where, and how it looks with the secret
taken out. The secret itself is never kept: only a keyed fingerprint, which tells that
two findings are the same and, without the key, nothing else.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from hmac import new as hmac

from portal.errors import Invalid

FINGERPRINT_LENGTH = 32
MOST_FINDINGS = 200  # kept of one scan; a secret counts once, however often it stands
LONGEST_ALLOWANCE = timedelta(days=180)


class Verdict(StrEnum):
    """What is thought of an artifact; nobody is clean by default."""

    CLEAN = "clean"  # read in full, nothing found
    FLAGGED = "flagged"  # something that may well be a secret
    BLOCKED = "blocked"  # something that is a secret by its very shape
    UNSCANNABLE = "unscannable"  # nothing found, but not everything could be read


class Trouble(StrEnum):
    """Why a part of an artifact could not be read."""

    MISSING = "missing"
    ALTERED = "altered"  # the bytes in the vault are not what they were
    TOO_LARGE = "too_large"
    ENCRYPTED = "encrypted"
    BROKEN = "broken"  # an archive that cannot be unpacked to its end
    UNKNOWN_PACKING = "unknown_packing"
    TOO_DEEP = "too_deep"
    BOMB = "bomb"  # unpacks to more than anybody would read
    CUT = "cut"  # more findings than are kept


# What may be different when it is tried again: with other limits, or other bytes.
PASSING = frozenset({Trouble.MISSING, Trouble.ALTERED, Trouble.TOO_LARGE})

SAYS = {
    Trouble.MISSING: "its bytes are not in the vault",
    Trouble.ALTERED: "its bytes are not what they were",
    Trouble.TOO_LARGE: "it is larger than a worker reads; `scan_artifacts` reads it",
    Trouble.ENCRYPTED: "a part of it is encrypted",
    Trouble.BROKEN: "an archive in it is broken or ends too early",
    Trouble.UNKNOWN_PACKING: "it is packed in a way that is not read",
    Trouble.TOO_DEEP: "it is packed more than three times over",
    Trouble.BOMB: "it unpacks to more than is read",
    Trouble.CUT: "there is more in it than is listed",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands.

    `offset` is a byte of the artifact; `chain` is what was unpacked there; `line` is
    counted in what that led to.
    """

    line: int
    offset: int
    chain: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """A secret that was met, first at `place` and `count` times in all."""

    family: str
    is_certain: bool
    place: Place
    preview: str
    fingerprint: str
    count: int = 1


@dataclass(slots=True)
class Report:
    """What a scan has found and read, in bytes."""

    findings: list[Found] = field(default_factory=list)
    troubles: set[Trouble] = field(default_factory=set)
    read: int = 0
    unpacked: int = 0

    @property
    def verdict(self) -> Verdict:
        """What this report says while nothing is on the allow list."""
        return verdict(self.findings, self.troubles, allowed=())


def verdict(
    findings: Iterable[Found], troubles: Collection[str], *, allowed: Collection[str]
) -> Verdict:
    """What findings and troubles come to when these fingerprints are allowed."""
    left = [each for each in findings if each.fingerprint not in allowed]
    if any(each.is_certain for each in left):
        return Verdict.BLOCKED
    if left or Trouble.CUT in troubles:
        return Verdict.FLAGGED
    return Verdict.UNSCANNABLE if troubles else Verdict.CLEAN


def fingerprint(family: str, value: bytes, *, key: bytes) -> str:
    """What tells that two findings are the same; it guesses nothing without the key."""
    said = family.encode() + b"\0" + value
    return hmac(key, said, "sha256").hexdigest()[:FINGERPRINT_LENGTH]


def check_allowance(expires_at: datetime, *, now: datetime) -> None:
    """Refuse an allowance that is over before it begins, or that lasts too long."""
    if now < expires_at <= now + LONGEST_ALLOWANCE:
        return
    raise Invalid(
        f"An allowance ends at a time to come, within {LONGEST_ALLOWANCE.days} days.",
        errors=[{"pointer": "/expires_at", "detail": "is a time to come"}],
    )
