"""The Merkle tree over the full order: what its leaves are, so that an outsider can build it again.

A row is one line: the JSON array of its values in the order of the columns, without spaces, UTF-8, LF at
its end. A leaf is `ROWS_PER_LEAF` rows that follow each other from position 0 on, the last one what is
left; over the leaves stands a tree after RFC 6962. So the tree fixes number, order and content of the
rows, the proof of one row is its leaf and one hash per level, and hashing costs little beside writing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from incident_pipeline.evidence.merkle import leaf_hash, root_of_leaves
from incident_pipeline.serialise import compact_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROWS_PER_LEAF: Final = 64

_ROWS_AT_ONCE: Final = 64 * 2048
_ESCAPED: Final = np.array([byte < ord(" ") or byte in b'"\\' for byte in range(256)])
"""Bytes that do not stand for themselves in a JSON string."""


def table_root(table: pa.Table) -> bytes:
    """Give the 32-byte root over the rows of the full order."""
    return root_of_leaves(leaf_hash(leaf) for leaf in table_leaves([table]))


def table_leaves(tables: Iterable[pa.Table]) -> Iterator[bytes]:
    """Give the leaves of the full order, which may come in pieces of any size."""
    rest, held = b"", 0
    for table in tables:
        for start in range(0, table.num_rows, _ROWS_AT_ONCE):
            lines = _lines(table.slice(start, _ROWS_AT_ONCE))
            ends = np.frombuffer(lines.buffers()[1], np.int64, len(lines) + 1, lines.offset * 8)
            data = memoryview(lines.buffers()[2])
            at = 0
            while held + len(lines) - at >= ROWS_PER_LEAF:
                upto = at + ROWS_PER_LEAF - held
                yield rest + data[int(ends[at]) : int(ends[upto])]
                rest, held, at = b"", 0, upto
            rest += data[int(ends[at]) : int(ends[-1])]
            held += len(lines) - at
    if held:
        yield rest


def _lines(table: pa.Table) -> pa.Array:
    """Give each row as its line, as large strings."""
    parts: list[pa.Array | pa.Scalar] = []
    between = "["
    for column in table.columns:
        values = column.combine_chunks()
        if pa.types.is_integer(values.type):
            parts += [_text(between), pc.fill_null(values.cast(pa.large_string()), "null")]
            between = ","
        elif _plain(values):
            parts += [_text(f'{between}"'), values.cast(pa.large_string())]
            between = '",'
        else:
            parts += [_text(between), _written(values)]
            between = ","
    return pc.binary_join_element_wise(*parts, _text(between.replace(",", "]\n")), _text(""))


def _written(texts: pa.Array) -> pa.Array:
    """Give each text as JSON, each distinct one written once."""
    encoded = texts.dictionary_encode()
    distinct = encoded.dictionary
    if _plain(distinct):
        quote = _text('"')
        written = pc.binary_join_element_wise(quote, distinct.cast(pa.large_string()), quote, _text(""))
    else:
        written = pa.array([compact_json(text).decode() for text in distinct.to_pylist()], pa.large_string())
    pool = pa.concat_arrays([pa.array(["null"], pa.large_string()), written])
    return pool.take(pc.fill_null(pc.add(encoded.indices.cast(pa.int64()), 1), 0))


def _plain(texts: pa.Array) -> bool:
    """Say whether all texts are there and stand for themselves between quotes."""
    if texts.null_count or not len(texts):
        return False
    ends = np.frombuffer(texts.buffers()[1], np.int32, len(texts) + 1, texts.offset * 4)
    data = texts.buffers()[2]
    return data is None or not _ESCAPED[np.frombuffer(data, np.uint8)[ends[0] : ends[-1]]].any()


def _text(text: str) -> pa.Scalar:
    return pa.scalar(text, pa.large_string())
