"""The columns that the order looks at, read from an event table in batches.

Names are those of the event table. Of the attributes only those stay that make up a native id or say that an
alert ended; an artifact stands as its rank among the digests; `number` counts the rows that were kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from incident_pipeline.timeline.native_ids import NATIVE_IDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

IDS: Final = ("trace_id", "span_id", "parent_span_id")
NARROW: Final = (
    "event_id", "time_ns", "end_time_ns", "time_precision", "kind", "service", "host", "actor", "severity",
    "message", "trace_id", "span_id", "attributes", "artifact_sha256", "byte_start",
)  # fmt: skip
"""What dedupe and order look at once depths are known."""

_FEW: Final = ("time_precision", "kind", "service", "host", "artifact_sha256")
"""Columns of few distinct values, read as codes."""
_TOLD: Final = pa.array(
    sorted({"status", "state", *(name for native in NATIVE_IDS for name in native.names)}), pa.string()
)
_ROWS_AT_ONCE: Final = 131_072


def read_narrow(events: Path, columns: Sequence[str], digests: Sequence[str]) -> Iterator[pa.Table]:
    """Give the rows of these artifacts in batches, with the columns asked for and `number`.

    Args:
        events: an event table (`parsers.table.EVENTS`) as Parquet.
        columns: names out of it; `artifact_sha256` has to be one of them.
        digests: which artifacts, sorted.
    """
    held = pa.array(digests, pa.string())
    number = 0
    with pq.ParquetFile(events, read_dictionary=list(_FEW)) as file:
        for batch in file.iter_batches(_ROWS_AT_ONCE, columns=list(columns), use_threads=False):
            table = pa.Table.from_batches([batch])
            rank = _ranks(batch.column("artifact_sha256"), held)
            at = table.schema.get_field_index("artifact_sha256")
            table = table.set_column(at, "artifact_sha256", rank)
            if rank.null_count:
                table = table.filter(pc.is_valid(rank))
            if "attributes" in columns:
                at = table.schema.get_field_index("attributes")
                table = table.set_column(at, "attributes", _told(table["attributes"].combine_chunks()))
            yield table.append_column("number", pa.array(np.arange(number, number + table.num_rows)))
            number += table.num_rows


def artifacts_of(events: Path) -> list[str]:
    """Give the digests of all artifacts in an event table, sorted."""
    found: set[str] = set()
    with pq.ParquetFile(events, read_dictionary=["artifact_sha256"]) as file:
        for batch in file.iter_batches(_ROWS_AT_ONCE, columns=["artifact_sha256"], use_threads=False):
            found.update(batch.column(0).unique().to_pylist())
    return sorted(found)


def decoded(table: pa.Table) -> pa.Table:
    """Give the table with texts in the place of codes."""
    table = table.unify_dictionaries()
    fields = [
        field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field
        for field in table.schema
    ]
    return table.cast(pa.schema(fields))


def _ranks(digests: pa.Array, held: pa.Array) -> pa.Array:
    codes = digests if pa.types.is_dictionary(digests.type) else digests.dictionary_encode()
    rank = pc.index_in(codes.dictionary.cast(pa.string()), value_set=held)
    return rank.take(codes.indices)


def _told(attributes: pa.MapArray) -> pa.MapArray:
    """Give the attributes that `_TOLD` names."""
    kept = np.asarray(pc.is_in(attributes.keys, value_set=_TOLD))
    offsets = np.append(0, np.cumsum(kept)).astype(np.int32)[np.asarray(attributes.offsets)]
    mask = pa.array(kept)
    return pa.MapArray.from_arrays(offsets, attributes.keys.filter(mask), attributes.items.filter(mask))
