"""The event table and its companions as Arrow schemas, and how they become Parquet.

Events are rows with a byte range in the decoded stream of their artifact; measurements are rows of
`samples` that point to a row of `series`; what no parser takes is a row of `quarantine` (design
section 4.2). The columns are a contract: a change raises `SCHEMA_VERSION`.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.parquet as pq

from incident_pipeline.serialise import write_with

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA_VERSION: Final = "1"

_META = {b"incident_pipeline.schema_version": SCHEMA_VERSION.encode()}

EVENTS: Final = pa.schema(
    [
        pa.field("event_id", pa.string(), nullable=False),
        pa.field("time_ns", pa.int64()),
        pa.field("end_time_ns", pa.int64()),
        pa.field("time_raw", pa.string()),
        pa.field("time_precision", pa.string()),
        pa.field("time_basis", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("source", pa.string()),
        pa.field("service", pa.string()),
        pa.field("host", pa.string()),
        pa.field("actor", pa.string()),
        pa.field("severity", pa.int8()),
        pa.field("severity_raw", pa.string()),
        pa.field("message", pa.string()),
        pa.field("trace_id", pa.string()),
        pa.field("span_id", pa.string()),
        pa.field("parent_span_id", pa.string()),
        pa.field("attributes", pa.map_(pa.string(), pa.string())),
        pa.field("artifact_sha256", pa.string(), nullable=False),
        pa.field("artifact_uri", pa.string(), nullable=False),
        pa.field("line", pa.int64()),
        pa.field("byte_start", pa.int64()),
        pa.field("byte_end", pa.int64()),
        pa.field("json_pointer", pa.string()),
        pa.field("mask_id", pa.string()),
    ],
    metadata=_META,
)

SAMPLES: Final = pa.schema(
    [
        pa.field("series_id", pa.string(), nullable=False),
        pa.field("time_ns", pa.int64()),
        pa.field("value", pa.float64()),
        pa.field("exemplar_trace_id", pa.string()),
        pa.field("byte_start", pa.int64()),
        pa.field("byte_end", pa.int64()),
    ],
    metadata=_META,
)

SERIES: Final = pa.schema(
    [
        pa.field("series_id", pa.string(), nullable=False),
        pa.field("name", pa.string()),
        pa.field("labels", pa.map_(pa.string(), pa.string())),
        pa.field("unit", pa.string()),
        pa.field("service", pa.string()),
        pa.field("artifact_sha256", pa.string(), nullable=False),
        pa.field("artifact_uri", pa.string(), nullable=False),
        pa.field("json_pointer", pa.string()),
    ],
    metadata=_META,
)

QUARANTINE: Final = pa.schema(
    [
        pa.field("artifact_sha256", pa.string(), nullable=False),
        pa.field("byte_start", pa.int64(), nullable=False),
        pa.field("byte_end", pa.int64(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
    ],
    metadata=_META,
)

_DICTIONARY = ("time_precision", "time_basis", "kind", "source", "service", "host",
               "severity_raw", "artifact_sha256", "artifact_uri", "series_id", "reason")  # fmt: skip


def event_id(artifact_sha256: str, byte_start: int | None, byte_end: int | None, ordinal: int) -> str:
    """Give the stable id of an event: 32 hex digits over its artifact, byte range and ordinal.

    The ordinal is the event's index among the rows with the same byte range.
    """
    key = f"{artifact_sha256}:{byte_start}:{byte_end}:{ordinal}"
    return hashlib.sha256(key.encode()).hexdigest()[:32]


def series_id(artifact_sha256: str, json_pointer: str) -> str:
    """Give the stable id of a series: 16 hex digits over its artifact and place."""
    return hashlib.sha256(f"{artifact_sha256}:{json_pointer}".encode()).hexdigest()[:16]


def write_table(path: Path, table: pa.Table) -> None:
    """Publish a table as Parquet with pinned settings, so that equal rows are equal bytes.

    zstd level 1 and row groups of 128k rows: smaller and 2.4 times cheaper than level 3 on logs, and a
    time window reads few groups (measured; see docs/performance.md).
    """
    dictionary = [name for name in table.column_names if name in _DICTIONARY]

    def write(aside: Path) -> None:
        pq.write_table(
            table.combine_chunks(),
            aside,
            compression="zstd",
            compression_level=1,
            use_dictionary=dictionary or False,
            row_group_size=131_072,
            data_page_version="2.0",
            write_statistics=True,
            store_schema=True,
        )

    write_with(path, write)


def read_table(path: Path) -> pa.Table:
    """Read a table that `write_table` wrote."""
    return pq.read_table(path)
