from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.domain.ledger import leaf_of
from portal.domain.merkle import (
    FANOUT,
    STORED,
    Frontier,
    consistency_proof,
    frontier_at,
    inclusion_proof,
    is_consistent,
    is_included,
    merkle_root,
)

# The tree of Certificate Transparency's own tests: eight leaves, the root after each.
INPUTS = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
LEAVES = [leaf_of(bytes.fromhex(each)) for each in INPUTS]
sizes = st.integers(1, 3 * FANOUT)


def tree_hash(leaves: list[bytes]) -> bytes:
    """RFC 6962 §2.1, word for word."""
    if not leaves:
        return sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(
        b"\x01" + tree_hash(leaves[:split]) + tree_hash(leaves[split:])
    ).digest()


def path_of(index: int, leaves: list[bytes]) -> list[bytes]:
    """RFC 6962 §2.1.1, word for word."""
    if len(leaves) == 1:
        return []
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    if index < split:
        return [*path_of(index, leaves[:split]), tree_hash(leaves[split:])]
    return [*path_of(index - split, leaves[split:]), tree_hash(leaves[:split])]


def some_leaves(count: int) -> list[bytes]:
    return [leaf_of(str(number).encode()) for number in range(count)]


def kept(leaves: list[bytes]):
    """What the sealer would have kept of a tree: leaves, and every eighth height."""
    rows: dict[int, list[bytes]] = {0: leaves}
    tree = Frontier()
    for leaf in leaves:
        for node in tree.add(leaf):
            row = rows.setdefault(node.height, [])
            assert len(row) == node.index
            row.append(node.hash)

    def hashes(height: int, first: int, count: int) -> list[bytes]:
        assert height % STORED == 0
        return rows.get(height, [])[first : first + count]

    return hashes


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_that_everybody_computes(size):
    assert merkle_root(LEAVES[:size]).hex() == ROOTS[size - 1]


def test_the_root_of_nothing_is_the_hash_of_nothing():
    assert merkle_root([]) == sha256().digest()


# Indices and sizes of RFC 6962 §2.1.3, with the paths that it gives for seven leaves.
@pytest.mark.parametrize(
    ("index", "parts"),
    [
        (0, [(1, 2), (2, 4), (4, 7)]),
        (3, [(2, 3), (0, 2), (4, 7)]),
        (4, [(5, 6), (6, 7), (0, 4)]),
        (6, [(4, 6), (0, 4)]),
    ],
)
def test_inclusion_is_proven_as_the_rfc_says(index, parts):
    expected = [tree_hash(LEAVES[first:last]) for first, last in parts]

    assert inclusion_proof(index, 7, kept(LEAVES[:7])) == expected


@pytest.mark.parametrize(
    ("old", "parts"),
    [
        (3, [(2, 3), (3, 4), (0, 2), (4, 7)]),
        (4, [(4, 7)]),
        (6, [(4, 6), (6, 7), (0, 4)]),
        (7, []),
    ],
)
def test_consistency_is_proven_as_the_rfc_says(old, parts):
    expected = [tree_hash(LEAVES[first:last]) for first, last in parts]

    assert consistency_proof(old, 7, kept(LEAVES[:7])) == expected


@given(st.lists(st.binary(max_size=8).map(leaf_of), max_size=70))
def test_the_root_is_the_tree_hash_of_rfc_6962(leaves):
    assert merkle_root(iter(leaves)) == tree_hash(leaves)


@given(sizes, st.data())
def test_every_leaf_can_be_shown_to_be_in_every_tree_that_has_it(size, data):
    leaves = some_leaves(size)
    index = data.draw(st.integers(0, size - 1))
    root = tree_hash(leaves)

    proof = inclusion_proof(index, size, kept(leaves))

    assert proof == path_of(index, leaves)
    assert is_included(leaves[index], index, size, proof, root)


@given(sizes, st.data())
def test_a_proof_is_good_for_one_leaf_one_place_and_one_root(size, data):
    leaves = some_leaves(size)
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(index, size, kept(leaves))
    root = tree_hash(leaves)
    other = data.draw(st.integers(0, size).filter(lambda each: each != index))

    assert not is_included(leaf_of(b"another"), index, size, proof, root)
    assert not is_included(leaves[index], other, size, proof, root)
    assert not is_included(leaves[index], index, size, [*proof, root], root)
    assert not is_included(leaves[index], index, size, proof, leaf_of(root))
    if proof:
        assert not is_included(leaves[index], index, size, proof[:-1], root)


@given(sizes, st.data())
def test_every_tree_can_be_shown_to_begin_with_every_older_one(size, data):
    leaves = some_leaves(size)
    old = data.draw(st.integers(1, size))
    before, now = tree_hash(leaves[:old]), tree_hash(leaves)

    proof = consistency_proof(old, size, kept(leaves))

    assert is_consistent(old, before, size, now, proof)


@given(sizes, st.data())
def test_a_rewritten_past_is_consistent_with_nothing(size, data):
    leaves = some_leaves(size)
    old = data.draw(st.integers(1, size))
    changed = data.draw(st.integers(0, old - 1))
    before = tree_hash(leaves[:old])
    leaves[changed] = leaf_of(b"rewritten")

    proof = consistency_proof(old, size, kept(leaves))

    assert not is_consistent(old, before, size, tree_hash(leaves), proof)


@given(sizes, st.data())
def test_a_frontier_is_found_again_from_what_was_kept(size, data):
    leaves = some_leaves(size)
    at = data.draw(st.integers(0, size))

    tree = frontier_at(at, kept(leaves))

    assert tree.root() == tree_hash(leaves[:at])
    for leaf in leaves[at:]:
        tree.add(leaf)
    assert tree.root() == tree_hash(leaves)


def test_a_proof_reads_little_of_a_large_tree():
    leaves = some_leaves(FANOUT * FANOUT + 300)
    hashes = kept(leaves)
    read = []

    def counted(height, first, count):
        read.append(count)
        return hashes(height, first, count)

    proof = inclusion_proof(70_000 % len(leaves), len(leaves), counted)

    assert len(proof) <= 17
    assert sum(read) < 3 * FANOUT


@pytest.mark.parametrize(("index", "size"), [(0, 0), (3, 3), (-1, 3)])
def test_there_is_no_proof_of_what_is_not_there(index, size):
    with pytest.raises(ValueError, match="not among"):
        inclusion_proof(index, size, kept(LEAVES))
