"""How ledger entries are spelled, chained and checked.

    leaf = SHA-256(0x00 || bytes)                    (RFC 6962 leaf)
    node = SHA-256(0x01 || left || right)            (RFC 6962 node)
    link = SHA-256(0x02 || prev || seq || leaf)      seq: 8 bytes, big-endian

`prev` of the first entry is 32 zero bytes. An entry's bytes are RFC 8785 JSON, so
that what was hashed can be read, and what is read can be hashed again.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

GENESIS = bytes(32)


class Fault(StrEnum):
    """What is wrong with an entry, with what was signed, or with rows and versions."""

    GAP = "gap"
    ALTERED = "altered"
    UNLINKED = "unlinked"
    MISPROJECTED = "misprojected"
    REWRITTEN = "rewritten"
    TRUNCATED = "truncated"
    FORGED = "forged"
    VERSION_LOST = "version_lost"
    VERSION_UNNAMED = "version_unnamed"
    ROW_CHANGED = "row_changed"


@dataclass(frozen=True, slots=True)
class Line:
    """An entry as it is stored: its place, its bytes and its two hashes."""

    seq: int
    body: bytes
    leaf: bytes
    link: bytes


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong, and where; 0 where that is no entry."""

    seq: int
    fault: Fault
    detail: str


def leaf_of(body: bytes) -> bytes:
    """The hash of one entry by itself."""
    return sha256(b"\x00" + body).digest()


def link_of(prev: bytes, seq: int, leaf: bytes) -> bytes:
    """The hash that ties an entry to its place and to everything before it."""
    return sha256(b"\x02" + prev + seq.to_bytes(8, "big") + leaf).digest()


def findings(lines: Iterable[Line], *, after: Line | None = None) -> Iterator[Finding]:
    """What is wrong with a run of entries, in order, first things first.

    Every entry is checked against the *stored* link of the one before, so that one
    alteration is one finding and not a finding for every entry after it.
    """
    expected = after.seq + 1 if after else 1
    prev = after.link if after else GENESIS
    for line in lines:
        if line.seq != expected:
            yield Finding(
                expected,
                Fault.GAP,
                f"entry {expected} is missing, {line.seq} follows",
            )
        leaf = leaf_of(line.body)
        if leaf != line.leaf:
            yield Finding(line.seq, Fault.ALTERED, "the text does not match its hash")
        elif line.seq == expected and link_of(prev, line.seq, leaf) != line.link:
            yield Finding(
                line.seq, Fault.UNLINKED, "it does not follow from the one before"
            )
        expected, prev = line.seq + 1, line.link
