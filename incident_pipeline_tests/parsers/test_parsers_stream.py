from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from incident_pipeline.parsers import Source, parse_artifact
from incident_pipeline.parsers.encodings import AsText
from incident_pipeline.parsers.stream import LINE_LIMIT, RECORD_LIMIT, Stream
from incident_pipeline.parsers.table import EVENTS, TableWriter, write_table
from incident_pipeline.serialise import sha256_hex

if TYPE_CHECKING:
    from pathlib import Path

OTLP = {
    "resourceLogs": [
        {
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "cart"}}]},
            "scopeLogs": [
                {"logRecords": [{"timeUnixNano": "1761019822000000001", "body": {"stringValue": "x"}}]}
            ],
        }
    ]
}
LINES = st.sampled_from(
    [
        b'{"ts":1761019822.25,"level":"info","msg":"ok"}',
        b'{"time":"2026-11-23T08:00:00Z","msg":"a\\nb","deep":{"er":[1,2]}}',
        b'[{"msg":"in a list"},{"msg":"too"}]',
        b"[broken",
        b'{"msg":"cut',
        b'web | {"msg":"behind a prefix"}',
        b'\xef\xbb\xbf{"msg":"behind a mark"}',
        b"",
        b"  \t",
        b"lorem ipsum",
        b"}",
        json.dumps(OTLP).encode(),
        b"2026-11-23 08:00:00.123 UTC [77] app@shop LOG:  duration: 12.5 ms",
        b"2026-11-23 08:00:01.123 UTC [77] app@shop ERROR:  relation does not exist",
        b"\tat of.a.Stack(Trace.java:7)",
        b'127.0.0.1 - - [23/Nov/2026:08:00:00 +0000] "GET / HTTP/1.1" 200 5',
    ]
)
PINS = st.sampled_from([None, "json_lines", "otlp_json", "postgresql_log", "plain_text", "csv"])


def parse(data: bytes, pin: str | None, size: int) -> object:
    source = Source(sha256=sha256_hex(data), uri="x", source="s")
    parsed = parse_artifact(data, source, pin=pin, part_bytes=size)
    tables = (parsed.events, parsed.samples, parsed.series, parsed.quarantine)
    return [table.to_pylist() for table in tables], parsed.report, parsed.problems


@given(st.lists(LINES, min_size=1, max_size=40), st.integers(1, 400), PINS, st.booleans())
def test_where_a_stream_is_cut_shows_nowhere(
    lines: list[bytes], size: int, pin: str | None, ended: bool
) -> None:
    data = b"\n".join(lines) + b"\n" * ended
    assert parse(data, pin, size) == parse(data, pin, 10**9)


@given(st.lists(st.text("ab\n é", max_size=9).map(str.encode), max_size=9), st.integers(1, 30))
def test_parts_are_the_stream(chunks: list[bytes], size: int) -> None:
    whole = b"".join(AsText(chunks))
    stream = Stream(chunks)
    parts = list(stream.parts(size, lambda line: not line.startswith(b"a")))
    assert b"".join(part.data for part in parts) == whole
    assert [part.offset for part in parts] == [sum(len(p.data) for p in parts[:i]) for i in range(len(parts))]
    assert [part.line for part in parts] == [1 + whole[: part.offset].count(b"\n") for part in parts]
    assert (stream.taken, stream.newlines, stream.last) == (len(whole), whole.count(b"\n"), whole[-1:])
    assert all(whole[: part.offset].endswith(b"\n") for part in parts[1:])


def test_a_stretch_without_records_is_cut_at_a_line_and_a_huge_line_within() -> None:
    lines = [b"x" * 1023 + b"\n"] * (2 * RECORD_LIMIT // 1024)
    cuts = [part.offset for part in Stream(lines).parts(65_536, lambda _: False)]
    assert cuts == [0, RECORD_LIMIT + 1024]
    huge = [b"y" * 1024**2] * (LINE_LIMIT // 1024**2 + 1)
    assert [len(part.data) for part in Stream(huge).parts(65_536, lambda _: True)] == [LINE_LIMIT, 1024**2]


def test_a_document_is_never_cut() -> None:
    document = json.dumps([{"msg": str(i), "ts": 1761019822} for i in range(50)], indent=1).encode()
    assert parse(document, None, 64) == parse(document, None, 10**9)
    assert parse(document, None, 64)[1].events == 50  # type: ignore[index]


def test_parquet_bytes_depend_on_the_rows_alone(tmp_path: Path) -> None:
    lines = [b'{"ts":%d,"msg":"m%d","n":%d}' % (1761019822 + i, i % 7, i) for i in range(140_000)]
    data = b"\n".join(lines)
    source = Source(sha256=sha256_hex(data), uri="x")
    parsed = parse_artifact(data, source)
    write_table(tmp_path / "whole", parsed.events)
    for size in (1, 4_099, 131_072, 200_000):
        with TableWriter(tmp_path / "parts", EVENTS) as writer:
            for batch in parsed.events.combine_chunks().to_batches(
                max_chunksize=size * 3 if size > 1 else 777
            ):
                writer.write(batch)
        assert (tmp_path / "parts").read_bytes() == (tmp_path / "whole").read_bytes()
    cut = parse_artifact(data, source, part_bytes=65_536)
    write_table(tmp_path / "cut", cut.events)
    assert (tmp_path / "cut").read_bytes() == (tmp_path / "whole").read_bytes()
