"""The ledger's Merkle tree as it lies in the database."""

from collections.abc import Iterator, Sequence
from typing import Any

from portal.domain.merkle import FANOUT, Frontier, Hashes, Node, frontier_at
from portal.models import Checkpoint, LedgerEntry, LedgerNode


def stored() -> Hashes:
    """Leaves and kept nodes; a block of 256 is read at most once by each caller."""
    blocks: dict[tuple[int, int], list[bytes]] = {}

    def block(height: int, number: int) -> list[bytes]:
        if (height, number) not in blocks:
            blocks[height, number] = _block(height, number * FANOUT)
        return blocks[height, number]

    def hashes(height: int, first: int, count: int) -> Sequence[bytes]:
        found: list[bytes] = []
        for number in range(first // FANOUT, (first + count - 1) // FANOUT + 1):
            start = max(first - number * FANOUT, 0)
            found += block(height, number)[start : first + count - number * FANOUT]
        return found

    return hashes


def keep(made: list[Node]) -> None:
    """Keep what the tree has grown by."""
    LedgerNode.objects.bulk_create(
        [LedgerNode(height=n.height, index=n.index, hash=n.hash) for n in made]
    )


def every(size: int) -> Iterator[dict[str, Any]]:
    """The kept nodes of the tree when it had `size` leaves, as exports have them."""
    for node in LedgerNode.objects.order_by("height", "index").iterator():
        if (node.index + 1) << node.height <= size:
            yield {
                "height": node.height,
                "index": node.index,
                "hash": bytes(node.hash).hex(),
            }


def so_far() -> Frontier:
    """The tree up to the last checkpoint, from which sealing goes on."""
    size = Checkpoint.objects.order_by("-size").values_list("size", flat=True).first()
    return frontier_at(size or 0, stored())


def _block(height: int, first: int) -> list[bytes]:
    if height == 0:
        rows = LedgerEntry.objects.filter(seq__gt=first, seq__lte=first + FANOUT)
        return [
            bytes(leaf) for leaf in rows.order_by("seq").values_list("leaf", flat=True)
        ]
    nodes = LedgerNode.objects.filter(
        height=height, index__gte=first, index__lt=first + FANOUT
    )
    return [
        bytes(each) for each in nodes.order_by("index").values_list("hash", flat=True)
    ]
