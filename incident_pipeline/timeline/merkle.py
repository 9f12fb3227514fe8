"""Merkle trees over rows, after RFC 6962 section 2.1 (Certificate Transparency).

A leaf hashes as SHA-256(0x00 || data), a node as SHA-256(0x01 || left || right), and a tree of n leaves
splits at the largest power of two below n: a leaf can't pass for a node, and a root fixes number,
order and content of the rows. What belongs here: hashing and proofs over bytes. What the rows are does not.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

EMPTY_ROOT: Final = hashlib.sha256(b"").digest()
"""The root of a tree without leaves."""


def leaf_hash(data: bytes) -> bytes:
    """Give the hash of one row's bytes as a leaf."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Give the hash of a node over its two subtrees."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def merkle_root(rows: Iterable[bytes]) -> bytes:
    """Give the 32-byte root over rows in order; rows may stream, memory grows with log2 of their number."""
    return root_of_leaves(leaf_hash(row) for row in rows)


def root_of_leaves(leaves: Iterable[bytes]) -> bytes:
    """Give the root over leaf hashes in order."""
    # Subtrees that are complete so far, largest first, with their height. Two of equal height merge at
    # once; what is left at the end folds from the right, which is the split of RFC 6962.
    complete: list[tuple[int, bytes]] = []
    for leaf in leaves:
        height, digest = 0, leaf
        while complete and complete[-1][0] == height:
            digest = node_hash(complete.pop()[1], digest)
            height += 1
        complete.append((height, digest))
    if not complete:
        return EMPTY_ROOT
    _, root = complete.pop()
    while complete:
        root = node_hash(complete.pop()[1], root)
    return root


def inclusion_proof(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """Give the audit path of the leaf at `index`: the sibling hashes from the leaf up to the root.

    Raises:
        IndexError: there is no such leaf.
    """
    if not 0 <= index < len(leaves):
        message = f"no leaf {index} among {len(leaves)}"
        raise IndexError(message)
    path: list[bytes] = []
    low, high = 0, len(leaves)
    while high - low > 1:
        split = low + _split(high - low)
        if index < split:
            path.append(root_of_leaves(leaves[split:high]))
            high = split
        else:
            path.append(root_of_leaves(leaves[low:split]))
            low = split
    return tuple(reversed(path))


def included(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Say whether an audit path leads from a leaf at `index` of `size` leaves to `root`.

    The iterative check of RFC 9162 section 2.1.3.2, which gives the same trees as RFC 6962.
    """
    if not 0 <= index < size:
        return False
    node, last, digest = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if node & 1 or node == last:
            digest = node_hash(sibling, digest)
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            digest = node_hash(digest, sibling)
        node >>= 1
        last >>= 1
    return last == 0 and digest == root


def _split(size: int) -> int:
    return 1 << ((size - 1).bit_length() - 1)
