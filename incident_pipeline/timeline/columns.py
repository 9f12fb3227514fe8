"""Columns of the event table as numpy arrays, where `signals.attributes` has no word for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_WIDEST: Final = 1 << 62
"""Numbers of groups stay below this."""


def booleans(values: pa.ChunkedArray | pa.Array) -> NDArray[np.bool_]:
    """Give a boolean column as numpy, null as false."""
    flat = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    return np.asarray(pc.fill_null(flat, fill_value=False))


def number_groups(parts: Sequence[pa.Array]) -> NDArray[np.int64]:
    """Number the rows so that two rows have the same number exactly when all parts are equal.

    Values are compared, not hashes of them. Numbers are dense from 0. A null equals a null and nothing else.
    """
    group = np.zeros(len(parts[0]), np.int64)
    width = 1
    for part in parts:
        encoded = part.dictionary_encode()
        codes = np.asarray(pc.fill_null(encoded.indices, -1), np.int64) + 1
        count = len(encoded.dictionary) + 1
        if width > _WIDEST // count:
            group, width = _dense(group)
        group, width = group * count + codes, width * count
    return _dense(group)[0]


def held_keys(events: pa.Table) -> frozenset[str]:
    """Give the names of the attributes that any row has."""
    chunks = events["attributes"].chunks
    return frozenset(name for chunk in chunks for name in chunk.keys.unique().to_pylist())


def _dense(group: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    distinct, number = np.unique(group, return_inverse=True)
    return number, distinct.size


def take(column: pa.ChunkedArray, rows: NDArray[np.int64]) -> pa.Array:
    """Give some rows of a column as one array."""
    return column.combine_chunks().take(pa.array(rows))


def ranks(names: pa.ChunkedArray) -> NDArray[np.int64]:
    """Give each name its rank among the distinct names, which must not be null."""
    flat = names.combine_chunks()
    encoded = flat if pa.types.is_dictionary(flat.type) else flat.dictionary_encode()
    distinct = np.asarray(encoded.dictionary, dtype=object)
    rank = np.empty(distinct.size, np.int64)
    rank[np.argsort(distinct, kind="stable")] = np.arange(distinct.size)
    return rank[np.asarray(encoded.indices)] if distinct.size else np.zeros(0, np.int64)
