"""Evidence packs: everything that a signature rests on, under one hash.

The manifest is RFC 8785 JSON and names every file with its digest; `pack_hash` is the
SHA-256 of its bytes. A pack that lacks something is made and exported all the same, and
says so; it cannot be signed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from drills.domain.release_gates import Reading, Requirement, State
from drills.domain.signoffs import Difference
from portal.domain.canonical import canonical, digest, digest_of

FORMAT = "rollout-evidence-pack/1"
MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Waived:
    """A waiver that counts."""

    number: int
    reason: str
    asked_by: str
    approved_by: str
    expires_at: datetime

    def to_json(self) -> dict[str, Any]:
        """As the manifest has it."""
        return {
            "waiver": self.number,
            "reason": self.reason,
            "asked_by": self.asked_by,
            "approved_by": self.approved_by,
            "expires_at": self.expires_at.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the evidence map: what is required, what is there, what is waived."""

    requirement: Requirement
    reading: Reading
    waived: Waived | None = None

    @property
    def is_settled(self) -> bool:
        """Whether it stands in nobody's way."""
        return self.reading.state == State.MET or self.waived is not None

    @property
    def digest(self) -> str:
        """What a signature rests on here, a waiver with it."""
        waiver = self.waived.number if self.waived else None
        return digest_of({"reading": self.reading.digest, "waiver": waiver})

    @property
    def says(self) -> str:
        """The line in words."""
        if self.waived is None:
            return f"{self.reading.state}: {self.reading.says}"
        return (
            f"waived until {self.waived.expires_at:%Y-%m-%d} by "
            f"{self.waived.approved_by} ({self.reading.state}: {self.reading.says})"
        )

    def to_json(self) -> dict[str, Any]:
        """As the manifest has it."""
        wanted, found = self.requirement, self.reading
        return {
            "key": wanted.key,
            "item": wanted.item,
            "title": wanted.title,
            "threshold": wanted.threshold,
            "source": str(wanted.source),
            "of": wanted.of,
            "state": str(found.state),
            "says": found.says,
            "rests_on": dict(found.rests_on),
            "facts": dict(found.facts),
            "since": _at(found.since),
            "expires_at": _at(found.expires_at),
            "waiver": self.waived.to_json() if self.waived else None,
            "digest": self.digest,
            "line": self.says,
        }


def _at(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def troubles(rows: Iterable[Row]) -> list[str]:
    """What a pack lacks before it can be signed, each a sentence."""
    return [
        f"{row.requirement.title} is {row.reading.state}: {row.reading.says}"
        for row in rows
        if not row.is_settled
    ]


def evidence_digest(rows: Iterable[Row], *, gate: str) -> str:
    """Over all that signatures rest on; `gate` is the digest of what is required."""
    return digest_of(
        {"gate": gate, "rows": {row.requirement.key: row.digest for row in rows}}
    )


def differences(
    then: Sequence[Mapping[str, Any]], rows: Sequence[Row]
) -> tuple[Difference, ...]:
    """Which requirements are not what a manifest says that they were."""
    before = {each["key"]: each for each in then}
    now = {row.requirement.key: row for row in rows}
    return tuple(
        Difference(
            (now[key].requirement.title if key in now else before[key]["title"]),
            before[key]["line"] if key in before else "was not required",
            now[key].says if key in now else "is not required any more",
        )
        for key in dict.fromkeys([*before, *now])
        if key not in before
        or key not in now
        or before[key]["digest"] != now[key].digest
    )


@dataclass(frozen=True, slots=True)
class File:
    """A file of a pack: where it is in the archive, and what it has to be."""

    path: str
    digest: str
    size: int


def manifest_of(files: Sequence[File], **about: Any) -> bytes:
    """The manifest's bytes; `about` is everything else that it says."""
    named = {
        each.path: {"digest": each.digest, "size": each.size}
        for each in sorted(files, key=lambda each: each.path)
    }
    return canonical({"format": FORMAT, **about, "files": named})


def hash_of(manifest: bytes) -> str:
    """The pack's hash: what people sign."""
    return digest(manifest)
