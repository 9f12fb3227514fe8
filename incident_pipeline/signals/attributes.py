"""Reading columns of the event table as numpy arrays: codes for names, values of single attributes.

The analyses work on integer codes rather than strings. Codes are given in sorted order of the names,
so they depend on the set of names only, never on the order of rows or on chunking.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from numpy.typing import NDArray

MISSING: Final = -1
"""The code of a null."""


@dataclass(frozen=True)
class Coded:
    """A column of names as codes into a sorted list; `MISSING` stands for null."""

    codes: NDArray[np.int32]
    names: tuple[str, ...]

    def take(self, rows: NDArray[np.int64]) -> Coded:
        """Give the same names for a selection of rows."""
        return Coded(self.codes[rows], self.names)


def coded(column: pa.ChunkedArray | pa.Array) -> Coded:
    """Encode a string column; empty strings count as null."""
    flat = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_dictionary(flat.type):
        flat = flat.cast(pa.string())
    encoded = pc.dictionary_encode(flat)
    names = [str(name) for name in encoded.dictionary.to_pylist()]
    kept = sorted({name for name in names if name})
    position = {name: index for index, name in enumerate(kept)}
    mapping = np.array([position.get(name, MISSING) for name in names] + [MISSING], dtype=np.int32)
    indices = pc.fill_null(encoded.indices, len(names)).to_numpy(zero_copy_only=False)
    return Coded(mapping[indices], tuple(kept))


def lookup(events: pa.Table, *keys: str) -> pa.Array:
    """Give, per row, the value of the first of these attributes that the row has, else null."""
    column = events.column("attributes").combine_chunks()
    if len(column) == 0:
        return pa.nulls(0, pa.string())
    found = [pc.map_lookup(column, pa.scalar(key), "first") for key in keys]
    return pc.coalesce(*found) if len(found) > 1 else found[0]


def integers(column: pa.ChunkedArray | pa.Array, missing: int = 0) -> NDArray[np.int64]:
    """Give an integer column as int64, with `missing` for nulls."""
    flat = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return np.asarray(pc.fill_null(flat, missing).to_numpy(zero_copy_only=False), dtype=np.int64)


def numbers(column: pa.Array) -> NDArray[np.int64]:
    """Give text that holds small whole numbers (status codes) as int64, with 0 for anything else."""
    valid = pc.fill_null(pc.match_substring_regex(column, "^[0-9]{1,9}$"), False)
    return integers(pc.cast(pc.if_else(valid, column, "0"), pa.int64()))
