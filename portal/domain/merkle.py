"""The Merkle tree over the ledger's leaves (RFC 6962), and proofs about it.

Whoever holds the root of a tree can be shown with log(n) hashes that an entry is in it
(inclusion), and that a later tree only adds to it (consistency).

Proofs are made from leaves and from the roots of complete subtrees at every eighth
height (`STORED`); what lies between is hashed again, so that one hash is kept for 256
entries and a proof still reads no more than some hundred hashes for each factor of 256.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

STORED = 8
FANOUT = 2**STORED

# `hashes(height, first, count)`: roots of complete subtrees of that height (a multiple
# of `STORED`; 0 is the leaves), in order, beginning with the one at index `first`.
Hashes = Callable[[int, int, int], Sequence[bytes]]


def node_of(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees that stand side by side."""
    return sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Node:
    """The root of a complete subtree: 2^height leaves, `index` such before it."""

    height: int
    index: int
    hash: bytes


@dataclass(slots=True)
class Frontier:
    """All that is needed of a tree to go on with it: its largest complete subtrees,
    the largest first."""

    size: int = 0
    peaks: list[tuple[int, bytes]] = field(default_factory=list)

    def add(self, leaf: bytes) -> list[Node]:
        """Add a leaf; the subtrees that it completes at the heights that are stored."""
        height, top, made = 0, leaf, []
        while self.peaks and self.peaks[-1][0] == height:
            top = node_of(self.peaks.pop()[1], top)
            height += 1
            if height % STORED == 0:
                made.append(Node(height, self.size >> height, top))
        self.peaks.append((height, top))
        self.size += 1
        return made

    def root(self) -> bytes:
        """The root of the tree as it is now."""
        return _folded([top for _, top in self.peaks])


def merkle_root(leaves: Iterable[bytes]) -> bytes:
    """The root over leaf hashes, in one pass and log(n) memory."""
    tree = Frontier()
    for leaf in leaves:
        tree.add(leaf)
    return tree.root()


def frontier_at(size: int, hashes: Hashes) -> Frontier:
    """The frontier of the tree when it had `size` leaves."""
    return Frontier(size, _subtrees(0, size, hashes))


def inclusion_proof(index: int, size: int, hashes: Hashes) -> list[bytes]:
    """What leads from leaf `index` (from 0) to the root of the first `size` leaves."""
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not among the first {size}")
    path, first, last = [], 0, size
    while last - first > 1:
        split = first + _split(last - first)
        if index < split:
            path.append(_root(split, last, hashes))
            last = split
        else:
            path.append(_root(first, split, hashes))
            first = split
    return path[::-1]


def consistency_proof(old: int, size: int, hashes: Hashes) -> list[bytes]:
    """What shows that the first `size` leaves begin with the first `old` leaves."""
    if not 0 < old <= size:
        raise ValueError(f"a tree of {old} is not the beginning of one of {size}")
    path, first, last = [], 0, size
    while old != last:
        split = first + _split(last - first)
        if old <= split:
            path.append(_root(split, last, hashes))
            last = split
        else:
            path.append(_root(first, split, hashes))
            first = split
    if first:
        path.append(_root(first, last, hashes))
    return path[::-1]


def is_included(
    leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes
) -> bool:
    """Whether the proof leads from the leaf to the root (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    place, last, top = index, size - 1, leaf
    for other in path:
        if last == 0:
            return False
        if place & 1 or place == last:
            top = node_of(other, top)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            top = node_of(top, other)
        place, last = place >> 1, last >> 1
    return last == 0 and top == root


def is_consistent(
    old: int, old_root: bytes, size: int, root: bytes, path: Sequence[bytes]
) -> bool:
    """Whether the proof ties the older root to the newer (RFC 9162, 2.1.4.2)."""
    if not 0 < old <= size:
        return False
    if old == size:
        return not path and old_root == root
    if old & (old - 1) == 0:
        path = [old_root, *path]
    if not path:
        return False
    place, last = old - 1, size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    before = now = path[0]
    for other in path[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            before, now = node_of(other, before), node_of(other, now)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            now = node_of(now, other)
        place, last = place >> 1, last >> 1
    return last == 0 and before == old_root and now == root


def _split(size: int) -> int:
    """The largest power of two below `size`: where RFC 6962 cuts a tree."""
    return 1 << (size - 1).bit_length() - 1


def _root(first: int, last: int, hashes: Hashes) -> bytes:
    return _folded([top for _, top in _subtrees(first, last, hashes)])


def _subtrees(first: int, last: int, hashes: Hashes) -> list[tuple[int, bytes]]:
    """Height and root of the complete subtrees over leaves first … last - 1.

    `first` is where RFC 6962 would cut, so that heights only fall.
    """
    found = []
    while first < last:
        height = (last - first).bit_length() - 1
        found.append((height, _complete(height, first >> height, hashes)))
        first += 1 << height
    return found


def _complete(height: int, index: int, hashes: Hashes) -> bytes:
    """The root of one complete subtree, from the nearest stored height below."""
    stored = height - height % STORED
    count = 1 << height - stored
    row = list(hashes(stored, index * count, count))
    if len(row) != count:
        raise ValueError(f"{count} hashes of height {stored} from {index * count}")
    while len(row) > 1:
        row = [node_of(row[i], row[i + 1]) for i in range(0, len(row), 2)]
    return row[0]


def _folded(tops: list[bytes]) -> bytes:
    """One root over subtrees that stand side by side, the largest first."""
    if not tops:
        return sha256().digest()
    top = tops[-1]
    for left in reversed(tops[:-1]):
        top = node_of(left, top)
    return top
