# ruff: noqa: E501, ISC004 - records stand on one line each, as they are read
"""Reading by columns and reading row by row give the same rows, whatever the input."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_pipeline.parsers import Source, all_formats
from incident_pipeline.parsers.clock import Clock
from incident_pipeline.parsers.json_columns import SCALAR_GRAMMAR, Lines, are_scalars
from incident_pipeline.parsers.parts import COLUMNS, parse_part
from incident_pipeline.parsers.rows import Rows
from incident_pipeline.parsers.sink import SCHEMAS, MemorySink
from incident_pipeline.parsers.stream import Part
from incident_pipeline.parsers.time_columns import parse_times
from incident_pipeline.parsers.timestamps import parse_time

LINES = {
    "json_lines": [
        b'{"level":"info","ts":1761019822.3152757,"logger":"cart","msg":"took 12ms","trace_id":"00aB17","n":0}',
        b'{"level":"warn","ts":1761019823.5,"logger":"a.b","msg":"say \\"hi\\"\\n","trace_id":"000","n":-1.50}',
        b'{"time":"2026-11-23T08:00:00.25Z","level":"ERROR","message":"","service":"","host":"h","ok":true}',
        b'{"time":"2026-11-23 08:00:00,250","level":"x","message":"\xc3\xa9","service":"s","host":"","ok":null}',
        b'{"ts": 1761019822, "msg": "spaced", "deep": {"er": {"x": 1e3}, "y": "z"}}',
        b'{"ts":0,"msg":"zero"}',
        b'{"ts":"","severity_number":17,"span_id":"not an id"}',
        b'{"no":"message","at":"all"}',
        b'{"time":1761019822,"method":"GET","uri":"/a/b?c=1","status":503,"request_time":0.250}',
        b'{"time":1761019822,"method":"GET","uri":"/a","status":"abc","request_time":"00.5"}',
        b'{"ts":1761019822,"msg":"list","l":[1,"a"],"e":{}}',
        b'{"msg":"twice","msg":"over"}',
        b'{"a":{"b":1},"a.b":2}',
        b'{"msg":"\\u00e9 \\\\ \\b"}',
        b'[{"msg":"in a list"},{"msg":"too"}]',
        b'{"msg":"cut',
        b'web-1  | {"msg":"behind a prefix"}',
    ],
    "access_log": [
        b'10.0.0.1 - - [23/Nov/2026:08:00:00 +0000] "GET /a/b?c=1 HTTP/1.1" 200 512 "-" "curl/8.4.0"',
        b'10.0.0.1 - ann [23/Nov/2026:08:00:01 -0330] "POST /a HTTP/2.0" 503 - "https://x/?y" "Mozilla/5.0 (X11)"',
        b'::1 - - [31/Feb/2026:08:00:01 +0000] "GET / HTTP/1.1" 404 0 "" ""',
        b'- - - [01/Jan/1970:00:00:00 +0000] "-" 400 0 "-" "-"',
        b'10.0.0.1 - - [23/nov/2026:08:00:00 +0000] "GET / HTTP/1.0" 099 1 "-" "a"',
        b'a.example:80 10.0.0.2 - bob [23/Nov/2026:08:00:00 +0000] "GET /a b HTTP/1.1" 200 5 "-" "x" 0.010',
        b'10.0.0.1 - - [23/Nov/2026:08:00:00 +0000] "GET /\\x22 HTTP/1.1" 200 5 "-" "\\"q\\""',
        b'10.0.0.1 - - [23/Nov/2026:08:00:00 +0000] "GET - HTTP/1.1" 200 5',
        b"lorem ipsum",
    ],
    "otlp_json": [
        b'{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"cart"}},'
        b'{"key":"a","value":{"stringValue":"r"}}]},'
        b'"scopeLogs":[{"scope":{"name":"app"},"logRecords":[{"timeUnixNano":"1761019822000000001","severityNumber":9,'
        b'"severityText":"","body":{"stringValue":"took 1ms"},"attributes":[{"key":"a","value":{"intValue":"7"}},'
        b'{"key":"b","value":{"doubleValue":1.50}}],"traceId":"0123456789ABCDEF0123456789abcdef","spanId":"","flags":0},'
        b'{"timeUnixNano":"1761019822000000002","observedTimeUnixNano":"1761019822000000003","severityNumber":17,'
        b'"body":{"stringValue":"say \\"hi\\""},"traceId":"00000000000000000000000000000000"}]}]}]}',
        b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"1761019822000000001","severityText":"WARN","body":{"stringValue":""}}]}]}]}',
        b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"0","observedTimeUnixNano":"1761019822000000001","body":{"stringValue":"x"}}]}]}]}',
        b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":1761019822000000001,"body":{"intValue":"5"},"attributes":[{"key":"l","value":{"boolValue":true}}]}]}]}]}',
        b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"1761019822000000001","traceId":"ASNFZ4mrze8BI0VniavN7w==","flags":1,"eventName":"e"}]}]}]}',
        b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"1761019822000000001","attributes":[{"key":"l","value":{"intValue":"1"}},{"key":"l","value":{"intValue":"2"}}]}]}]}]}',
        b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"0123456789abcdef0123456789abcdef","spanId":"0123456789abcdef","name":"s"}]}]}]}',
        b'{"resourceLogs":[]}',
        b"[1]",
        b"{cut",
    ],
    "syslog": [
        b"Nov 23 08:00:00 node-1 app[77]: took 12ms",
        b"Nov  3 08:00:01 node-1 kernel: out of memory",
        b"Dec 31 23:59:59 node-1 app: x",
        b"Jan  1 00:00:01 node-1 app: y",
        b"Feb 31 00:00:01 node-1 app: no such day",
        b"Nov 23 08:00:00 node-1 sshd[7]: Accepted publickey for ann from 10.0.0.1 port 22",
        b"Nov 23 08:00:00 node-1 app[77]: last message repeated 3 times",
        b"Nov 23 08:00:00 node-1 app[77]: ERROR trace_id=0123456789abcdef0123456789abcdef x",
        b"\tcontinued",
        b"2026-11-23T08:00:00.063878+00:00 node-1 app[77]: took 12ms",
        b"2026-11-23T08:00:00Z info app: not a host",
        b"<34>1 2026-11-23T08:00:00.003Z node-1 app 77 ID47 - took 12ms",
        b"<191>1 2026-11-23T08:00:00.003Z - - - - - nothing known",
        b'<34>1 2026-11-23T08:00:00.003Z node-1 app 77 ID47 [x@1 a="b"] structured',
        b"<192>1 2026-11-23T08:00:00.003Z node-1 app 77 ID47 - beyond",
        b"<34>Nov 23 08:00:00 node-1 app: with a priority",
        b"12 <34>1 counted",
        b"-- Boot 1 --",
        b"lorem ipsum",
    ],
}
CHANGES = st.lists(
    st.tuples(st.integers(0, 10**6), st.sampled_from(["flip", "cut", "insert", "none"])), max_size=3
)


@st.composite
def streams(draw: st.DrawFn, name: str) -> bytes:
    """Draw lines of a format, some of them damaged."""
    lines = [
        bytearray(line) for line in draw(st.lists(st.sampled_from(LINES[name]), min_size=1, max_size=12))
    ]
    for place, change in draw(CHANGES):
        line = lines[place % len(lines)]
        at = place // 13 % (len(line) + 1)
        if change == "flip" and at < len(line):
            line[at] ^= 1 << place % 8
        elif change == "cut":
            del line[at:]
        elif change == "insert":
            line[at:at] = draw(
                st.sampled_from([b'"', b"\\", b" ", b"\xff", b"\n", b"{", b"0", b"\xef\xbb\xbf", b"?"])
            )
    return draw(st.sampled_from([b"\n", b"\r\n", b"\n\n"])).join(map(bytes, lines)) + draw(
        st.sampled_from([b"", b"\n"])
    )


def rows_of(name: str, data: bytes, worth: int, year: int | None) -> tuple[Any, ...]:
    (parser,) = (item for item in all_formats() if item.id == name)
    sink = MemorySink()
    source = Source(sha256="ab" * 32, uri="logs/edge-access.log", source="s")
    rows = Rows(source, b"", clock=Clock(None, year), sink=sink)
    for offset, line in ((100, 7), (100 + len(data), 7 + data.count(b"\n"))):
        parse_part(parser, Part(data, offset, line), rows, worth=worth)
        rows.flush()
    rows.finish()
    counts = (rows.events_count, rows.untimed_count, rows.rejects_count, rows.first_ns, rows.last_ns)
    return [sink.table(table).to_pylist() for table in SCHEMAS], counts, set(rows.assumptions)


@pytest.mark.parametrize("name", sorted(COLUMNS))
def test_columns_are_the_row_loop(name: str) -> None:
    @given(streams(name), st.sampled_from([None, 2026]))
    def same(data: bytes, year: int | None) -> None:
        assert rows_of(name, data, 0, year) == rows_of(name, data, 10**9, year)

    same()


@pytest.mark.parametrize("name", sorted(COLUMNS))
def test_plain_lines_are_read_as_columns(name: str) -> None:
    (parser,) = (item for item in all_formats() if item.id == name)
    data = b"\n".join(LINES[name][:2] * 50)
    rows = Rows(Source(sha256="ab" * 32, uri="x"), data)
    bulk, left = COLUMNS[name](data, rows)
    assert bulk is not None
    assert (len(bulk.starts) >= 100, left) == (True, [])
    assert parser.id == name


@pytest.mark.parametrize("name", ["json_lines", "otlp_json"])
def test_documents_over_many_lines_are_no_matter_of_columns(name: str) -> None:
    lines = [line for line in LINES[name] if line[:1] == b"{" and line[-1:] == b"}"]
    documents = [json.loads(line) for line in lines[:3]]
    for data in (
        json.dumps(documents[0], indent=1),
        "\n".join(json.dumps(one, indent=2) for one in documents),
    ):
        assert rows_of(name, data.encode(), 0, None) == rows_of(name, data.encode(), 10**9, None)


SCALARS = st.one_of(
    st.sampled_from(["true", "false", "null", "-", "-0", "00", "0.", "-0.0", ".5", "1.", "1e5", "1.5E-3", "/", ":", "é"]),
    st.integers(-(10**20), 10**20).map(str),
    st.floats().map(repr),
    st.text("0123456789.-eE+", min_size=1, max_size=26),
)  # fmt: skip


@given(st.lists(SCALARS, min_size=1, max_size=20))
def test_numbers_are_told_eight_bytes_at_a_time_as_by_their_grammar(drawn: list[str]) -> None:
    texts = [text.encode() for text in drawn]
    data = b"".join(b'{"n":' + text + b"}\n" for text in texts)
    ends = np.cumsum([len(text) + 7 for text in texts]) - 2
    starts = ends - np.array([len(text) for text in texts])
    told = are_scalars(Lines(data), starts, ends, np.ones(len(texts), bool))
    assert told.tolist() == [re.search(SCALAR_GRAMMAR, text) is not None for text in drawn]


TIMES = st.one_of(
    st.sampled_from(
        ["2026-11-23T08:00:00Z", "2026-11-23 08:00:00,123", "2026/11/23 08:00:00.123456789+02:00", "1761019822.3152757",
         "1761019822000", "1761019822000000001", "2026-02-30T00:00:00Z", "2026-11-23T08:00:60Z", "0", "", "x",
         "9999999999999999999", "0001-01-01T00:00:00Z", "2026-11-23 08:00:00 CST", " 1761019822", "1761019822.",
         "1970-01-01T00:00:00Z", "2026-11-23T24:00:00Z", "1761019822.12345678901234"]
    ),
    st.datetimes().map(lambda time: time.isoformat() + "Z"),
    st.integers(0, 10**19).map(str),
    st.floats(1e8, 1e12).map(repr),
)  # fmt: skip


@given(st.lists(st.one_of(st.none(), TIMES), max_size=12), st.sampled_from([None, 3600]))
def test_times_of_a_column_are_those_of_its_texts(texts: list[str | None], zone: int | None) -> None:
    times = parse_times(pa.array(texts, pa.string()), zone)
    for number, text in enumerate(texts):
        stamp = parse_time(text or "", zone)
        known = stamp.time_ns is not None and stamp.raw == text
        assert times.known[number] == known
        if known:
            assert times.ns[number] == stamp.time_ns
            assert times.precisions()[number].as_py() == stamp.precision
            assert times.bases()[number].as_py() == stamp.basis
