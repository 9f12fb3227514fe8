"""Whole columns at once: slices of a buffer as Arrow text, and rows handed over in bulk.

Formats whose records look alike are read a part at a time instead of a row at a time. What such a path
can't read exactly as the row loop would, it leaves to the row loop, line by line: the row loop is the
definition, columns are only a quicker way to the same rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

BACKSLASH: Final = 92


@dataclass
class Bulk:
    """Events of one kind as columns; in source order.

    `starts` and `ends` are places in the part, `lines` the numbers of its lines from 0.
    """

    kind: str
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    lines: NDArray[np.int64]
    message: pa.Array
    attributes: pa.MapArray
    time_ns: pa.Array
    time_precision: pa.Array
    time_basis: pa.Array
    time_raw: pa.Array
    service: pa.Array | None = None
    host: pa.Array | None = None
    actor: pa.Array | None = None
    severity: pa.Array | None = None
    severity_raw: pa.Array | None = None
    trace_id: pa.Array | None = None
    span_id: pa.Array | None = None
    pointer: pa.Array | None = None


def line_ranges(buffer: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give where the lines of a part begin and end, without their line ends (LF or CR LF)."""
    newlines = np.flatnonzero(buffer == 10)  # noqa: PLR2004 - LF and CR
    ends = newlines if len(newlines) and newlines[-1] == len(buffer) - 1 else np.append(newlines, len(buffer))
    starts = np.empty_like(ends)
    starts[:1] = 0
    starts[1:] = ends[:-1] + 1
    ends = ends - ((buffer[np.maximum(ends - 1, 0)] == 13) & (ends > starts))  # noqa: PLR2004 - LF and CR
    return starts, ends


class Slices:
    """Slices of a buffer in ascending order without overlap, from which columns of text are taken."""

    def __init__(self, data: bytes, starts: NDArray[np.integer], ends: NDArray[np.integer]) -> None:
        """Take the slices `data[starts[i]:ends[i]]`; nothing is copied."""
        offsets = np.empty(2 * len(starts) + 1, np.int32)
        offsets[0:-1:2] = starts
        offsets[1::2] = ends
        offsets[-1] = ends[-1] if len(ends) else 0
        # Every second text is what lies between two slices; it is never taken.
        self._texts = pa.StringArray.from_buffers(len(offsets) - 1, pa.py_buffer(offsets), pa.py_buffer(data))

    def take(self, indices: NDArray[np.int64]) -> pa.Array:
        """Give the slices with these numbers as a column of text; null where the number is negative."""
        picked = (2 * indices).astype(np.int32)
        lacking = picked < 0
        if lacking.any():
            return self._texts.take(pa.array(picked, mask=lacking))
        return self._texts.take(pa.array(picked))


class Pieces(Slices):
    """Several pieces of each of many lines: that of line i and piece k has the number i * len(pieces) + k."""

    def __init__(self, data: bytes, pieces: list[tuple[NDArray[np.int64], NDArray[np.int64]]]) -> None:
        """Take the pieces `data[begin[i]:end[i]]` of each line, in the order of the line."""
        count = len(pieces[0][0])
        bounds = np.empty((2, count * len(pieces)), np.int32)
        for number, (begin, end) in enumerate(pieces):
            bounds[0, number :: len(pieces)], bounds[1, number :: len(pieces)] = begin, end
        super().__init__(data, bounds[0], bounds[1])


def bytes_of(column: pa.Array) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Give the bytes of a text column and the offsets into them (nulls are empty)."""
    _, offsets, data = column.buffers()
    at = np.frombuffer(offsets, np.int32)[column.offset : column.offset + len(column) + 1]
    return (np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)), at


def map_distinct(column: pa.Array, of: Callable[[str], object], kind: pa.DataType) -> pa.Array:
    """Apply a function to each distinct text of a column; null stays null."""
    coded = pc.dictionary_encode(column)
    values = pa.array([of(text) for text in coded.dictionary.to_pylist()], kind)
    return values.take(coded.indices)


def map_column(counts: NDArray[np.int64], keys: pa.Array, values: pa.Array) -> pa.MapArray:
    """Build a map column from how many entries each row has, and the entries of all rows."""
    offsets = np.zeros(len(counts) + 1, np.int32)
    np.cumsum(counts, out=offsets[1:])
    return pa.MapArray.from_arrays(pa.array(offsets), keys, values)


def constant(value: str | None, count: int) -> pa.Array:
    """Give a column of one text."""
    return pa.nulls(count, pa.string()) if value is None else pa.repeat(pa.scalar(value, pa.string()), count)


def truths(column: pa.Array) -> NDArray[np.bool_]:
    """Give a column of truths; null counts as false."""
    return np.asarray(pc.fill_null(column, False), bool)


def strays(column: pa.Array, allowed: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Say which texts hold other bytes than these (a table of 256)."""
    data, offsets = bytes_of(column)
    odd = np.zeros(len(column), bool)
    places = np.flatnonzero(~allowed[data[offsets[0] : offsets[-1]]])
    if len(places):
        odd[np.searchsorted(offsets, places + offsets[0], side="right") - 1] = True
    return odd


def sizes(column: pa.Array) -> NDArray[np.int64]:
    """Give the bytes of each text; null has none."""
    return np.diff(bytes_of(column)[1]).astype(np.int64)
