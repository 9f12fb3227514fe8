"""Several formats in one stream: split by record, in order of their bytes, wherever the stream is cut."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incident_pipeline.parsers import Source, parse_artifact
from incident_pipeline.parsers.foreign import is_foreign
from incident_pipeline.parsers.jsontext import documents

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Look

NGINX = b'10.0.0.1 - - [16/Nov/2019:09:46:42 +0200] "GET /a HTTP/1.1" 200 12 "-" "curl/8"'
LOGFMT = b'ts=2019-11-16T07:46:43Z level=warn msg="slow upstream" upstream=cart'
JSON = b'{"time":"2019-11-16T07:46:44Z","level":"error","msg":"boom","service":"cart"}'
JAVA = (
    b"2019-11-16 07:46:45,001 [main] ERROR com.acme.Cart - failed\n"
    b"java.lang.IllegalStateException: no stock\n\tat com.acme.Cart.take(Cart.java:12)"
)
PLAIN = b"2019-11-16 07:46:46 something else happened"


def test_a_logfmt_line_in_an_access_log(look: Callable[..., Look]) -> None:
    data = b"\n".join([NGINX, NGINX, LOGFMT, b"", b"total garbage", NGINX])
    seen = look(data)
    assert seen.parsed.report.format == "access_log"
    assert [seen.bytes_of(row) for row in seen.events] == [NGINX, NGINX, LOGFMT, NGINX]
    assert [row["line"] for row in seen.events] == [1, 2, 3, 6]
    assert (seen.events[2]["message"], seen.events[2]["severity"]) == ("slow upstream", 13)
    assert [seen.bytes_of(row) for row in seen.quarantine] == [b"total garbage"]
    assert "records of other formats in the same stream: logfmt (1)" in seen.parsed.report.assumptions


def test_a_json_record_between_traces_is_not_swallowed(look: Callable[..., Look]) -> None:
    seen = look(b"\n".join([JAVA, JSON, JAVA, PLAIN]))
    assert seen.parsed.report.format == "java_log4j"
    assert [seen.bytes_of(row) for row in seen.events[:3]] == [JAVA, JSON, JAVA]
    assert (seen.events[1]["service"], seen.events[1]["message"]) == ("cart", "boom")
    assert len(seen.quarantine) == 0


def test_json_in_a_message_stays_with_its_record(look: Callable[..., Look]) -> None:
    body = (
        JAVA + b'\n{"sku":"A1","count":0}\n  {"time":"2019-11-16T07:46:44Z","level":"error","msg":"quoted"}'
    )
    seen = look(b"\n".join([body, JAVA]))
    assert [seen.bytes_of(row) for row in seen.events] == [body, JAVA]


def test_a_trace_between_json_lines_is_one_record(look: Callable[..., Look]) -> None:
    trace = b"java.lang.OutOfMemoryError: Java heap space\n\tat a.b.C.d(C.java:1)\n\tat a.b.E.f(E.java:2)"
    seen = look(b"\n".join([JSON, JSON, trace, JSON]))
    assert seen.parsed.report.format == "json_lines"
    assert [seen.bytes_of(row) for row in seen.events] == [JSON, JSON, trace, JSON]
    assert seen.quarantine == []


def test_lines_of_many_formats_and_none_that_rules(look: Callable[..., Look]) -> None:
    noise = [b"??? %d !!!" % number for number in range(40)]
    seen = look(b"\n".join([*noise, LOGFMT, *noise, JSON]))
    assert seen.parsed.report.format == "mixed"
    assert [seen.bytes_of(row) for row in seen.events] == [LOGFMT, JSON]
    assert len(seen.quarantine) == 80
    assert seen.parsed.problems[0].kind == "malformed"


def test_a_pin_leaves_nothing_to_others(look: Callable[..., Look]) -> None:
    seen = look(b"\n".join([NGINX, LOGFMT]), pin="access_log")
    assert (len(seen.events), len(seen.quarantine)) == (1, 1)


def test_a_broken_record_of_its_own_stays_in_quarantine(look: Callable[..., Look]) -> None:
    cut = b'{"time":"2019-11-16T07:46:44Z","level":"error","msg":"bo'
    seen = look(b"\n".join([JSON, cut, JSON]))
    assert [seen.bytes_of(row) for row in seen.quarantine] == [cut]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.sampled_from([NGINX, LOGFMT, JSON, JAVA, PLAIN, b"garbage", b"", b"\tat x.y(Z.java:1)"]),
        min_size=1,
        max_size=25,
    ),
    st.integers(1, 900),
)
def test_rows_do_not_depend_on_where_the_stream_is_cut(pieces: list[bytes], size: int) -> None:
    data = b"\n".join(pieces)
    source = Source(sha256="0" * 64, uri="log")
    whole = parse_artifact(data, source)
    parts = parse_artifact(data, source, part_bytes=size)
    assert parts.events.equals(whole.events)
    assert parts.quarantine.equals(whole.quarantine)
    assert parts.report == whole.report
    starts = whole.events.column("byte_start").to_pylist()
    assert starts == sorted(starts)
    covered = bytearray(len(data))
    for table in (whole.events, whole.quarantine):
        for row in table.to_pylist():
            covered[row["byte_start"] : row["byte_end"]] = b"\1" * (row["byte_end"] - row["byte_start"])
    at = 0
    for line in data.split(b"\n"):
        assert not line.strip() or any(covered[at : at + len(line)])
        at += len(line) + 1


@pytest.mark.parametrize(
    ("line", "foreign"),
    [
        (JSON.decode(), True),
        ('{"sku":"A1"}', False),
        ("{broken", False),
        (LOGFMT.decode(), True),
        ("time=12 passed", False),
        (NGINX.decode(), True),
        ("2019-11-16 07:46:46 x", True),
        ("12 items left", False),
        ("E0517 15:04:22.619632  1 r.go:253] x", True),
        ("Errors: 5", False),
        ("<34>Oct 11 22:14:15 m su: x", True),
        ("<html>", False),
        ("Oct 11 22:14:15 host sshd[7]: x", True),
        ("Caused by: x", False),
        ("at a.b(C:1)", False),
        ("", False),
    ],
)
def test_what_begins_a_record_beyond_doubt(line: str, foreign: bool) -> None:
    assert is_foreign(line) is foreign


def test_json_documents_one_after_the_other() -> None:
    one, two = json.dumps({"a": 1}, indent=2).encode(), json.dumps([{"b": "}"}], indent=1).encode()
    data = b"\n".join([one, two, b"done.", one])
    assert [data[start:end] for start, end in documents(data)] == [one, two, b"done.", one]
    broken = one + b"\n{\n"
    assert [broken[start:end] for start, end in documents(broken)] == [one, b"{"]


def test_documents_behind_what_a_tool_says(look: Callable[..., Look]) -> None:
    alert = json.dumps(
        {"streams": [{"stream": {"app": "cart"}, "values": [["1795420800000000001", "hi"]]}]}, indent=2
    ).encode()
    data = b"Fetching logs from cluster prod...\n" + alert + b"\n" + alert + b"\n"
    seen = look(data)
    assert seen.parsed.report.format == "loki_query_range"
    assert [seen.bytes_of(row) for row in seen.quarantine] == [b"Fetching logs from cluster prod..."]
    assert len(seen.events) == 2
    assert seen.events[0]["line"] > 1
