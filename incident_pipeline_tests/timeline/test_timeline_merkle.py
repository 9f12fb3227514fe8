from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incident_pipeline.timeline.merkle import (
    EMPTY_ROOT,
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
