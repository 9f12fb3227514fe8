from __future__ import annotations

import hashlib

import pymerkle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incident_pipeline.evidence.merkle import (
    EMPTY_ROOT,
    CompactRange,
    consistency_proof,
    consistent,
    included,
    inclusion_proof,
    leaf_hash,
    merkle_root,
    node_hash,
    root_of_leaves,
)

ROWS = st.lists(st.binary(max_size=8), max_size=40)


def by_definition(leaves: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, word by word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node_hash(by_definition(leaves[:split]), by_definition(leaves[split:]))


# Machines that run tests are shared: a deadline would measure their load.
@settings(deadline=None, max_examples=60)
@given(ROWS)
def test_root_is_the_one_of_the_definition(rows: list[bytes]) -> None:
    assert merkle_root(rows) == by_definition([leaf_hash(row) for row in rows])


# The test vectors of Certificate Transparency's reference implementation (merkletree tests).
CT_ROWS = [
    bytes.fromhex(row)
    for row in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]


@pytest.mark.parametrize(
    ("size", "root"),
    [
        (1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
        (2, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
        (3, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
        (8, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
    ],
)
def test_root_equals_published_vectors(size: int, root: str) -> None:
    assert merkle_root(CT_ROWS[:size]).hex() == root


def test_empty_tree_has_the_hash_of_nothing() -> None:
    assert merkle_root([]) == EMPTY_ROOT == hashlib.sha256(b"").digest()


@settings(deadline=None, max_examples=60)
@given(ROWS.filter(bool), st.data())
def test_every_leaf_can_prove_that_it_is_in(rows: list[bytes], data: st.DataObject) -> None:
    leaves = [leaf_hash(row) for row in rows]
    index = data.draw(st.integers(0, len(rows) - 1))
    path = inclusion_proof(leaves, index)
    root = root_of_leaves(leaves)
    assert included(leaves[index], index, len(leaves), path, root)
    assert len(path) <= len(leaves).bit_length()

    assert not included(leaf_hash(b"another row"), index, len(leaves), path, root)
    assert not included(leaves[index], index, len(leaves), (*path, root), root)
    assert not included(leaves[index], len(leaves), len(leaves), path, root)
    if path:
        assert not included(leaves[index], index, len(leaves), path[:-1], root)
        assert not included(leaves[index], index, len(leaves), (root, *path[1:]), root)


@settings(deadline=None, max_examples=60)
@given(ROWS.filter(lambda rows: len(set(rows)) > 1), st.data())
def test_changing_swapping_or_dropping_a_row_changes_the_root(rows: list[bytes], data: st.DataObject) -> None:
    root = merkle_root(rows)
    at = data.draw(st.integers(0, len(rows) - 1))
    assert merkle_root([*rows[:at], rows[at] + b"x", *rows[at + 1 :]]) != root
    assert merkle_root([*rows[:at], *rows[at + 1 :]]) != root
    other = next(i for i, row in enumerate(rows) if row != rows[at])
    swapped = list(rows)
    swapped[at], swapped[other] = swapped[other], swapped[at]
    assert merkle_root(swapped) != root


def test_a_node_cannot_pass_for_a_leaf() -> None:
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    assert leaf_hash(left + right) != node_hash(left, right)


@pytest.mark.parametrize("index", [-1, 2])
def test_no_proof_for_a_leaf_that_is_not_there(index: int) -> None:
    with pytest.raises(IndexError, match="no leaf"):
        inclusion_proof([leaf_hash(b"a"), leaf_hash(b"b")], index)


# RFC 6962 section 2.1.3: the tree of seven leaves d0..d6 with nodes a..l, and its proofs, by hand.
D = [leaf_hash(bytes([number])) for number in range(7)]
G, H, NODE_I = node_hash(D[0], D[1]), node_hash(D[2], D[3]), node_hash(D[4], D[5])
J, K, L = D[6], node_hash(G, H), node_hash(NODE_I, D[6])


@pytest.mark.parametrize(
    ("index", "path"),
    [(0, (D[1], H, L)), (3, (D[2], G, L)), (4, (D[5], J, K)), (6, (NODE_I, K))],
)
def test_inclusion_proofs_of_the_example_in_the_rfc(index: int, path: tuple[bytes, ...]) -> None:
    assert inclusion_proof(D, index) == path
    assert included(D[index], index, 7, path, node_hash(K, L))


@pytest.mark.parametrize(
    ("old_size", "path"),
    [(3, (D[2], D[3], G, L)), (4, (L,)), (6, (NODE_I, J, K)), (7, ()), (0, ())],
)
def test_consistency_proofs_of_the_example_in_the_rfc(old_size: int, path: tuple[bytes, ...]) -> None:
    assert consistency_proof(D, old_size) == path
    assert consistent(old_size, root_of_leaves(D[:old_size]), 7, node_hash(K, L), path)


@settings(deadline=None, max_examples=80)
@given(st.integers(0, 40), st.integers(0, 40), st.data())
def test_consistency_holds_for_a_beginning_and_for_nothing_else(
    one: int, other: int, data: st.DataObject
) -> None:
    old, new = sorted((one, other))
    leaves = [leaf_hash(b"%d" % number) for number in range(new)]
    path, root = consistency_proof(leaves, old), root_of_leaves(leaves)
    assert consistent(old, root_of_leaves(leaves[:old]), new, root, path)
    assert len(path) <= 2 * new.bit_length()

    assert not consistent(old, leaf_hash(b"another root"), new, root, path)
    assert not consistent(old, root_of_leaves(leaves[:old]), new, root, (*path, root))
    assert not consistent(new + 1, root, new, root, path)
    if path:
        at = data.draw(st.integers(0, len(path) - 1))
        assert not consistent(old, root_of_leaves(leaves[:old]), new, root, path[:at] + path[at + 1 :])
        swapped = (*path[:at], leaf_hash(b"x"), *path[at + 1 :])
        assert not consistent(old, root_of_leaves(leaves[:old]), new, root, swapped)
    if 0 < old < new:
        fork = [*leaves[: old - 1], leaf_hash(b"fork"), *leaves[old:]]
        assert not consistent(
            old, root_of_leaves(leaves[:old]), new, root_of_leaves(fork), consistency_proof(fork, old)
        )


def test_every_proof_of_small_trees_is_exact() -> None:
    """No size or index but the right one goes with a proof: exhaustively up to 20 leaves."""
    for size in range(1, 21):
        leaves = [leaf_hash(b"%d" % number) for number in range(size)]
        root = root_of_leaves(leaves)
        for index in range(size):
            path = inclusion_proof(leaves, index)
            fits = [i for i in range(size) if included(leaves[index], i, size, path, root)]
            assert fits == [index]
        for old in range(1, size + 1):
            path, old_root = consistency_proof(leaves, old), root_of_leaves(leaves[:old])
            # A shorter old size can't be shown with another one's proof.
            assert [o for o in range(1, size + 1) if consistent(o, old_root, size, root, path)] == [old]


def test_no_consistency_with_a_tree_that_is_larger() -> None:
    with pytest.raises(IndexError, match="no tree of 3"):
        consistency_proof([leaf_hash(b"a")], 3)
    assert not consistent(0, leaf_hash(b"no empty root"), 1, leaf_hash(b"a"), ())
    assert not consistent(3, leaf_hash(b"a"), 5, leaf_hash(b"b"), ())


@settings(deadline=None, max_examples=60)
@given(ROWS)
def test_a_compact_range_is_the_tree_and_proves_the_next_leaf(rows: list[bytes]) -> None:
    leaves = [leaf_hash(row) for row in rows]
    covered = CompactRange()
    for index, leaf in enumerate(leaves):
        before, covered = covered, covered.append(leaf)
        assert covered.root == by_definition(leaves[: index + 1])
        assert tuple(reversed(before.peaks)) == inclusion_proof(leaves[: index + 1], index)
    assert covered == CompactRange(len(leaves), covered.peaks)


def test_peaks_that_do_not_go_with_the_size_are_no_range() -> None:
    for size, peaks in ((1, ()), (2, (D[0], D[1])), (-1, (D[0],))):
        with pytest.raises(ValueError, match="no range"):
            CompactRange(size, peaks)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.binary(max_size=8), min_size=1, max_size=40), st.data())
def test_a_second_implementation_agrees(rows: list[bytes], data: st.DataObject) -> None:
    """pymerkle, by other people, builds the same trees and proofs."""
    tree = pymerkle.InmemoryTree(algorithm="sha256")
    for row in rows:
        tree.append_entry(row)
    leaves = [leaf_hash(row) for row in rows]
    assert tree.get_root() == merkle_root(rows)
    index = data.draw(st.integers(0, len(rows) - 1))
    theirs = tree.prove_inclusion(index + 1).path
    assert theirs == [leaves[index], *inclusion_proof(leaves, index)]
    old = data.draw(st.integers(1, len(rows)))
    before = root_of_leaves(leaves[:old])
    assert tree.get_root(old) == before
    # Their consistency proofs are laid out otherwise, so each side checks with its own.
    pymerkle.verify_consistency(before, merkle_root(rows), tree.prove_consistency(old, len(rows)))
    assert consistent(old, before, len(rows), tree.get_root(), consistency_proof(leaves, old))
