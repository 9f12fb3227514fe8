from __future__ import annotations

from incident_pipeline.parsers import Source
from incident_pipeline.parsers.rows import Event, Rows
from incident_pipeline.parsers.sink import MemorySink
from incident_pipeline.parsers.table import EVENTS, event_id

DATA = b"one\ntwo\nthree\n"


def test_ordinals_count_rows_of_the_same_range() -> None:
    sink = MemorySink()
    rows = Rows(Source(sha256="ab" * 32, uri="x"), DATA, sink=sink)
    for start, end in [(0, 7), (0, 3), (0, 3), (4, 7), (0, 3), (8, 13), (8, 13)]:
        rows.event(Event(start, end, "log", "m", {}))
    ordinals = [0, 0, 1, 0, 2, 0, 1]
    rows.finish()
    table = sink.table("events")
    places = zip(table["byte_start"].to_pylist(), table["byte_end"].to_pylist(), ordinals, strict=True)
    assert table["event_id"].to_pylist() == [event_id("ab" * 32, *place) for place in places]
    assert table["line"].to_pylist() == [1, 1, 1, 2, 1, 3, 3]
    assert table.schema.equals(EVENTS, check_metadata=True)


def test_batches_are_seamless() -> None:
    data = b"x\n" * 10_000
    sink = MemorySink()
    rows = Rows(Source(sha256="ab" * 32, uri="x", source="s"), data, sink=sink)
    for index in range(10_000):
        rows.event(Event(2 * index, 2 * index + 1, "log", "m", {"b": "2", "a": str(index)}))
    rows.finish()
    table = sink.table("events")
    assert table.num_rows == rows.events_count == 10_000
    assert table["line"].to_pylist() == list(range(1, 10_001))
    assert table["attributes"][9_999].as_py() == [("a", "9999"), ("b", "2")]
    assert len(set(table["mask_id"].to_pylist())) == 1


def test_quarantine_is_by_place_and_never_empty_ranges() -> None:
    sink = MemorySink()
    rows = Rows(Source(sha256="ab" * 32, uri="x"), DATA, sink=sink)
    rows.reject(8, 13, "b")
    rows.reject(0, 3, "a")
    rows.reject(4, 4, "nothing")
    rows.finish()
    assert [row["reason"] for row in sink.table("quarantine").to_pylist()] == ["a", "b"]
