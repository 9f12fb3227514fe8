"""The event table as a file: equal rows are equal bytes, and readers get what was written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from incident_pipeline.parsers.table import EVENTS, TableWriter, event_ids, read_batches, read_table

if TYPE_CHECKING:
    from pathlib import Path

ROWS = 140_000
"""More than a row group."""


@pytest.fixture(scope="module")
def events() -> pa.Table:
    numbers = np.arange(ROWS)
    columns = {field.name: pa.nulls(ROWS, field.type) for field in EVENTS}
    columns |= {
        "event_id": event_ids("ab" * 32, numbers, numbers + 1, numbers * 0),
        "time_ns": pa.array(numbers * 1000, mask=numbers % 7 == 0),
        "message": pa.array([f"took {number * 37 % 1009}ms" for number in range(ROWS)]),
        "service": pa.array(["cart", None, "ad", "quote"]).take(pa.array(numbers % 4)),
        "attributes": pa.array(
            [[("k", str(number % 11))] for number in range(ROWS)], EVENTS.field("attributes").type
        ),
        "byte_start": pa.array(numbers),
    }  # fmt: skip
    for name, text in (
        ("time_basis", "none"),
        ("kind", "log"),
        ("artifact_sha256", "ab" * 32),
        ("artifact_uri", "a"),
    ):
        columns[name] = pa.repeat(text, ROWS)
    return pa.table(columns, schema=EVENTS)


def written(path: Path, events: pa.Table, size: int) -> bytes:
    with TableWriter(path, EVENTS) as writer:
        for batch in events.to_batches(max_chunksize=size):
            writer.write(batch)
    return path.read_bytes()


def test_the_batches_in_which_rows_come_do_not_show(events: pa.Table, tmp_path: Path) -> None:
    whole = written(tmp_path / "a.parquet", events, ROWS)
    assert written(tmp_path / "b.parquet", events, 7_001) == whole
    assert written(tmp_path / "c.parquet", events, 1_000) == whole


def test_readers_get_what_was_written(events: pa.Table, tmp_path: Path) -> None:
    path = tmp_path / "events.parquet"
    written(path, events, 9_999)
    back = read_table(path)
    assert back.equals(events)
    assert (back.schema, back.schema.metadata) == (EVENTS, EVENTS.metadata)
    assert pa.concat_tables(read_batches(path, ["event_id", "attributes"])).equals(
        events.select(["event_id", "attributes"])
    )
    held = duckdb.read_parquet(str(path))
    sums = "count(*), sum(time_ns), sum(byte_start), count(DISTINCT event_id), min(event_id)"
    (told,) = held.aggregate(sums).fetchall()
    times = [number * 1000 for number in range(ROWS) if number % 7]
    ids = events.column("event_id").to_pylist()
    assert told == (ROWS, sum(times), ROWS * (ROWS - 1) // 2, ROWS, min(ids))
