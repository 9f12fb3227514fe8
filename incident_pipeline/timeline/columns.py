"""Columns of the event table as numpy arrays, where `signals.attributes` has no word for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def booleans(values: pa.ChunkedArray | pa.Array) -> NDArray[np.bool_]:
    """Give a boolean column as numpy, null as false."""
    flat = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    return np.asarray(pc.fill_null(flat, fill_value=False))


def number_groups(parts: Sequence[pa.Array]) -> NDArray[np.int64]:
    """Number the rows so that two rows have the same number exactly when all parts are equal.

    Numbers are dense from 0. A null equals a null and nothing else.
    """
    group = np.zeros(len(parts[0]), np.int64)
    for part in parts:
        encoded = part.dictionary_encode()
        codes = np.asarray(pc.fill_null(encoded.indices, -1), np.int64) + 1
        # Renumbered after each part, so that the product stays below the square of the number of rows.
        group = np.unique(group * (len(encoded.dictionary) + 1) + codes, return_inverse=True)[1]
    return group


def take(column: pa.ChunkedArray, rows: NDArray[np.int64]) -> pa.Array:
    """Give some rows of a column as one array."""
    return column.combine_chunks().take(pa.array(rows))


def ranks(names: pa.ChunkedArray) -> NDArray[np.int64]:
    """Give each name its rank among the distinct names, which must not be null."""
    encoded = names.combine_chunks().dictionary_encode()
    distinct = np.asarray(encoded.dictionary, dtype=object)
    rank = np.empty(distinct.size, np.int64)
    rank[np.argsort(distinct, kind="stable")] = np.arange(distinct.size)
    return rank[np.asarray(encoded.indices)] if distinct.size else np.zeros(0, np.int64)
