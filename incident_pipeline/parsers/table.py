"""The event table and its companions as Arrow schemas, and how they become Parquet.

Events are rows with a byte range in the decoded stream of their artifact; measurements are rows of
`samples` that point to a row of `series`; what no parser takes is a row of `quarantine` (design
section 4.2). The columns are a contract: a change raises `SCHEMA_VERSION`.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from incident_pipeline.serialise import write_with

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

    from numpy.typing import NDArray

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

_STATISTICS = ("time_ns", "end_time_ns", "kind", "source", "service", "host", "severity", "artifact_sha256",
               "series_id", "line", "byte_start", "byte_end")  # fmt: skip
"""Columns by which readers pass over row groups; bounds of texts and ids would tell nothing."""
_GROUP_ROWS: Final = 131_072
_GROUP_BYTES: Final = 64 * 1024**2
_ONE_PAGE: Final = 1024**3
"""A column of a row group is one page, since where pages end would show in which batches the rows came."""
_DELTAS: Final = ("time_ns", "end_time_ns", "line", "byte_start", "byte_end")
"""Numbers that ascend; written as differences they take half of the time and a third of the space."""
_LENGTHS: Final = ("event_id", "trace_id", "span_id", "parent_span_id")
"""Ids, all of one length: lengths apart from the text take a third of the time, and less space."""

_DICTIONARY = ("time_precision", "time_basis", "kind", "source", "service", "host",
               "severity_raw", "artifact_sha256", "artifact_uri", "series_id", "reason")  # fmt: skip


def event_id(artifact_sha256: str, byte_start: int, byte_end: int, ordinal: int) -> str:
    """Give the stable id of an event: 32 hex digits that stand for its artifact, byte range and ordinal.

    The ordinal is the event's index among the rows with the same byte range. The id is one block of
    AES-256 under the artifact's digest as the key: start (6 bytes), length (5), ordinal (5), big-endian.
    A cipher maps no two places to one id, so that ids are unique within an artifact and as good as
    random between artifacts; a million of them cost a tenth of a million SHA-256 texts.
    """
    return encipher(artifact_sha256, _block(byte_start, byte_end, ordinal)).hex()


def event_ids(
    artifact_sha256: str, starts: NDArray[np.int64], ends: NDArray[np.int64], ordinals: NDArray[np.int64]
) -> pa.Array:
    """Give the ids of many events, as `event_id` gives them one by one."""
    high = starts.astype(np.uint64) << np.uint64(16)
    lengths, counts = (ends - starts).astype(np.uint64), ordinals.astype(np.uint64)
    blocks = np.empty((len(starts), 2), dtype=">u8")
    blocks[:, 0] = high | lengths >> np.uint64(24)
    blocks[:, 1] = lengths << np.uint64(40) | counts
    text = encipher(artifact_sha256, blocks.tobytes()).hex().encode()
    offsets = np.arange(0, 32 * len(starts) + 1, 32, dtype=np.int32)
    return pa.StringArray.from_buffers(len(starts), pa.py_buffer(offsets), pa.py_buffer(text))


def encipher(artifact_sha256: str, blocks: bytes) -> bytes:
    """Encipher blocks of 16 bytes, each by itself, under an artifact's digest.

    ECB is right here: nothing is hidden, and equal places shall have equal ids.
    """
    key = algorithms.AES256(bytes.fromhex(artifact_sha256))
    return Cipher(key, modes.ECB()).encryptor().update(blocks)  # noqa: S305 - no secret, a permutation


def _block(start: int, end: int, ordinal: int) -> bytes:
    return start.to_bytes(6) + (end - start).to_bytes(5) + ordinal.to_bytes(5)


def series_id(artifact_sha256: str, json_pointer: str) -> str:
    """Give the stable id of a series: 16 hex digits over its artifact and place."""
    return hashlib.sha256(f"{artifact_sha256}:{json_pointer}".encode()).hexdigest()[:16]


class TableWriter:
    """A Parquet file that is written batch by batch; equal rows give equal bytes however they come.

    zstd level 1 and row groups of 128k rows: smaller and 2.4 times cheaper than level 3 on logs, and a
    time window reads few groups (measured; see docs/performance.md). A row group ends earlier where its
    messages and attributes pass 64 MiB, so that huge records don't take all memory.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        """Write rows of this schema to `path`."""
        dictionary = [name for name in schema.names if name in _DICTIONARY]
        self._schema = schema
        self._batches: list[pa.RecordBatch] = []
        self._rows = 0
        self._weight = 0
        self._wrote = False
        self._writer = pq.ParquetWriter(
            path,
            schema,
            compression="zstd",
            compression_level=1,
            use_dictionary=dictionary or False,
            dictionary_pagesize_limit=_ONE_PAGE,
            column_encoding=_encodings(schema),
            data_page_size=_ONE_PAGE,
            data_page_version="2.0",
            write_statistics=[name for name in schema.names if name in _STATISTICS],
            store_schema=True,
        )

    def __enter__(self) -> Self:
        """Give the writer."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Write what is held back and end the file, unless something went wrong."""
        try:
            if kind is None and (self._rows or not self._wrote):
                self._write_group()
        finally:
            self._writer.close()

    def write(self, batch: pa.RecordBatch) -> None:
        """Take rows; they are written in whole row groups."""
        at = 0
        while at < batch.num_rows:
            part = batch.slice(at, _GROUP_ROWS - self._rows)
            weights = np.cumsum(_weights(part))
            fits = int(np.searchsorted(weights, _GROUP_BYTES - self._weight, side="right"))
            part = part.slice(0, max(fits, int(not self._rows)))
            self._batches.append(part)
            self._rows += part.num_rows
            self._weight += int(weights[part.num_rows - 1]) if part.num_rows else 0
            at += part.num_rows
            if self._rows >= _GROUP_ROWS or at < batch.num_rows:
                self._write_group()

    def _write_group(self) -> None:
        table = pa.Table.from_batches(self._batches, schema=self._schema)
        self._batches, self._rows, self._weight, self._wrote = [], 0, 0, True
        self._writer.write_table(table, row_group_size=_GROUP_ROWS)


def _encodings(schema: pa.Schema) -> dict[str, str] | None:
    """Give the encodings of columns that are cheaper than plain."""
    chosen = {name: "DELTA_BINARY_PACKED" for name in _DELTAS if name in schema.names}
    chosen |= {name: "DELTA_LENGTH_BYTE_ARRAY" for name in _LENGTHS if name in schema.names}
    return chosen or None


def write_table(path: Path, table: pa.Table) -> None:
    """Publish a table as Parquet with pinned settings, so that equal rows are equal bytes."""

    def write(aside: Path) -> None:
        with TableWriter(aside, table.schema) as writer:
            for batch in table.to_batches():
                writer.write(batch)

    write_with(path, write)


def _weights(batch: pa.RecordBatch) -> NDArray[np.int64]:
    """Give the bytes of each row's message and attributes, which are all that can be large."""
    weights = np.zeros(batch.num_rows, np.int64)
    for field, column in zip(batch.schema, batch.columns, strict=True):
        if field.name == "message" and pa.types.is_string(field.type):
            weights += np.diff(_offsets(column))
        elif pa.types.is_map(field.type):
            entries = _offsets(column)
            for part in (column.keys, column.items):
                weights += np.diff(_offsets(part)[entries])
    return weights


def _offsets(column: pa.Array) -> NDArray[np.int32]:
    """Give where each value of a column of text or maps begins, and where the last one ends."""
    buffer = column.buffers()[1]
    if buffer is None or not len(column):
        return np.zeros(len(column) + 1, np.int32)
    return np.frombuffer(buffer, np.int32)[column.offset : column.offset + len(column) + 1]


def read_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a table that `write_table` wrote, or some of its columns."""
    return pq.read_table(path, columns=None if columns is None else list(columns))


def read_batches(path: Path, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Read some columns of a table that `write_table` wrote, a row group at a time."""
    with pq.ParquetFile(path) as file:
        for number in range(file.num_row_groups):
            yield file.read_row_group(number, columns=list(columns))
