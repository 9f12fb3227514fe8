"""Merkle trees over rows, after RFC 6962 section 2.1 (Certificate Transparency).

A leaf hashes as SHA-256(0x00 || data), a node as SHA-256(0x01 || left || right), and a tree of n leaves
splits at the largest power of two below n: a leaf can't pass for a node, and a root fixes number, order
and content of the rows. An inclusion proof leads from one leaf to a root; a consistency proof shows that
a tree begins with the leaves of an older one; a compact range is what has to be kept to go on appending.
What belongs here: hashing and proofs over bytes. What the rows are does not.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
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
    peaks: list[bytes] = []
    for size, leaf in enumerate(leaves):
        _push(peaks, size, leaf)
    return _fold(peaks)


@dataclass(frozen=True)
class CompactRange:
    """The first `size` leaves of a tree as the roots of its complete subtrees, largest first.

    Their sizes are the binary digits of `size`. That is all a log needs to append a leaf and to know
    the new root, and, read from the right, the inclusion proof of the leaf that comes next.

    Raises:
        ValueError: the number of peaks does not go with the size.
    """

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what is no range."""
        if self.size < 0 or len(self.peaks) != self.size.bit_count():
            message = f"{len(self.peaks)} peaks are no range of {self.size} leaves"
            raise ValueError(message)

    @property
    def root(self) -> bytes:
        """Give the root of the tree of these leaves."""
        return _fold(list(self.peaks))

    def append(self, leaf: bytes) -> CompactRange:
        """Give the range with one more leaf hash."""
        peaks = list(self.peaks)
        _push(peaks, self.size, leaf)
        return CompactRange(self.size + 1, tuple(peaks))


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


def consistency_proof(leaves: Sequence[bytes], old_size: int) -> tuple[bytes, ...]:
    """Give the proof that the tree of the first `old_size` leaves is the beginning of the whole tree.

    RFC 6962 section 2.1.2. It is empty when there is nothing to show: no leaves before, or all of them.

    Raises:
        IndexError: there are not that many leaves.
    """
    if not 0 <= old_size <= len(leaves):
        message = f"no tree of {old_size} leaves in one of {len(leaves)}"
        raise IndexError(message)
    if old_size == 0:
        return ()
    path: list[bytes] = []
    low, high = 0, len(leaves)
    while old_size != high:
        split = low + _split(high - low)
        if old_size <= split:
            path.append(root_of_leaves(leaves[split:high]))
            high = split
        else:
            path.append(root_of_leaves(leaves[low:split]))
            low = split
    # The old tree ends with this subtree. Where it is the old tree, the verifier has its root already.
    if low > 0:
        path.append(root_of_leaves(leaves[low:high]))
    return tuple(reversed(path))


def consistent(old_size: int, old_root: bytes, new_size: int, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Say whether a tree of `new_size` leaves begins with the leaves of an older one.

    The iterative check of RFC 9162 section 2.1.4.2. A tree without leaves begins every other.
    """
    if not 0 <= old_size <= new_size:
        return False
    if old_size == 0:
        return old_root == EMPTY_ROOT and not path and (new_size > 0 or new_root == EMPTY_ROOT)
    if old_size == new_size:
        return old_root == new_root and not path
    nodes = [old_root, *path] if old_size & (old_size - 1) == 0 else list(path)
    if not nodes:
        return False
    node, last = old_size - 1, new_size - 1
    while node & 1:
        node >>= 1
        last >>= 1
    old = new = nodes[0]
    for sibling in nodes[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            new = node_hash(new, sibling)
        node >>= 1
        last >>= 1
    return last == 0 and (old, new) == (old_root, new_root)


def _push(peaks: list[bytes], size: int, leaf: bytes) -> None:
    """Append the leaf at index `size`: two complete subtrees of equal size merge at once."""
    digest = leaf
    while size & 1:
        digest = node_hash(peaks.pop(), digest)
        size >>= 1
    peaks.append(digest)


def _fold(peaks: list[bytes]) -> bytes:
    """Give the root over complete subtrees; folding from the right is the split of RFC 6962."""
    if not peaks:
        return EMPTY_ROOT
    *rest, root = peaks
    for peak in reversed(rest):
        root = node_hash(peak, root)
    return root


def _split(size: int) -> int:
    return 1 << ((size - 1).bit_length() - 1)
