from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_pipeline.parsers import Source, known_formats, parse_artifact
from incident_pipeline.parsers.registry import all_formats

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Look

LOG = b'{"ts":1761019822,"level":"info","msg":"ok"}\n'


def test_names_are_unique() -> None:
    ids = [parser.id for parser in all_formats()]
    names = {name for parser in all_formats() for name in (parser.id, *parser.aliases)}
    assert len(set(ids)) == len(ids)
    assert not [parser.id for parser in all_formats() if set(parser.aliases) & set(ids)]
    wanted = {
        "otlp_json",
        "jsonl",
        "prometheus_query_range",
        "alertmanager_webhook",
        "service_map",
        "slack_export",
        "postgresql_json",
    }
    assert wanted <= names


@pytest.mark.parametrize(
    ("name", "chosen", "pinned"),
    [
        ("jsonl", "json_lines", True),
        ("JSON-Lines", "json_lines", True),
        ("csv", "csv_table", True),
        ("prometheus", "prometheus_query_range", True),
        ("incident_bundle_x", "json_lines", False),
    ],
)
def test_pins_and_unknown_names(look: Callable[..., Look], name: str, chosen: str, pinned: bool) -> None:
    for seen in (look(LOG, format=name), look(LOG, pin=name)):
        assert (seen.parsed.report.format, seen.parsed.report.pinned) == (chosen, pinned)
    unknown = look(LOG, format=name).parsed.report.assumptions
    assert any(name in text for text in unknown) is not pinned


def test_a_shared_name_narrows(look: Callable[..., Look]) -> None:
    formats = [
        look(data, format="timeline_csv").parsed.report.format
        for data in (LOG, b"time,message\n2026-01-01T00:00:00Z,x\n")
    ]
    assert formats == ["json_lines", "csv_table"]


def test_the_operator_overrides_the_bundle(look: Callable[..., Look]) -> None:
    assert look(LOG, format="csv", pin="jsonl").parsed.report.format == "json_lines"


def test_a_pinned_parser_keeps_what_it_cannot_read(look: Callable[..., Look]) -> None:
    seen = look(LOG * 3, pin="otlp_json")
    assert (len(seen.events), len(seen.quarantine)) == (0, 3)
    assert seen.parsed.report.runner_up == "json_lines"


def test_unknown_formats_go_to_quarantine_line_by_line(look: Callable[..., Look]) -> None:
    seen = look(b"lorem ipsum\n\n  dolor\r\nsit")
    assert [seen.bytes_of(row) for row in seen.quarantine] == [b"lorem ipsum", b"dolor", b"sit"]
    assert seen.parsed.report.format is None
    (problem,) = seen.parsed.problems
    assert (problem.kind, problem.exit_code) == ("malformed", 0)
    assert all(name in problem.advice for name in known_formats())


def test_binary_data_is_one_range(look: Callable[..., Look]) -> None:
    seen = look(b"\x89PNG\0\0\n\0")
    assert [(row["byte_start"], row["byte_end"]) for row in seen.quarantine] == [(0, 8)]


def test_report_counts(look: Callable[..., Look]) -> None:
    report = look(
        LOG + b'{"msg":"undated"}\nbroken\n', role="reference", source="otel", type="logs"
    ).parsed.report
    assert (report.events, report.events_without_time, report.quarantined, report.lines) == (2, 1, 1, 3)
    assert (report.first_time, report.last_time) == ("2025-10-21T04:10:22Z", "2025-10-21T04:10:22Z")
    assert (report.role, report.type, report.bytes_decoded) == ("reference", "logs", len(LOG) + 25)


def test_large_documents_are_recognised_by_their_head(look: Callable[..., Look]) -> None:
    spans = [{"traceId": "ab" * 16, "spanId": f"{index:016x}", "name": "x"} for index in range(1, 2000)]
    document = {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}
    for indent in (None, 1):
        seen = look(json.dumps(document, indent=indent))
        assert (seen.parsed.report.format, len(seen.events)) == ("otlp_json", 1999)
    messages = [
        {"type": "message", "user": "U1", "text": "hi " * 9, "ts": f"1795422467.{index:06d}"}
        for index in range(3000)
    ]
    assert look(json.dumps(messages)).parsed.report.format == "slack_export"


@given(
    st.binary(max_size=400), st.sampled_from([None, *known_formats()]), st.sampled_from(["unknown", "change"])
)
def test_arbitrary_bytes_never_raise_and_are_covered(data: bytes, pin: str | None, kind: str) -> None:
    check_coverage(data, pin, kind)


TOKENS = st.sampled_from(
    [
        b"{",
        b"}",
        b"[",
        b"]",
        b'"',
        b",",
        b":",
        b"\n",
        b"\\",
        b"1",
        b"2026-11-23T08:05:47Z",
        b'"ts"',
        b'"msg"',
        b'"edges"',
        b'"alerts"',
        b'"labels"',
        b'"startsAt"',
        b'"data"',
        b'"resultType":"matrix"',
        b'"result"',
        b'"resourceSpans"',
        b'"scopeSpans"',
        b'"spans"',
        b'{"traceId":"x"}',
        b'[1,"1"]',
        b'["a","b"]',
        b"a,b\n1,2\n",
        b"null",
        b"\xff",
        b'"\\ud800"',
    ]
)


@given(st.lists(TOKENS, max_size=30).map(b"".join), st.sampled_from([None, *known_formats()]))
def test_fragments_of_our_formats_never_raise_and_are_covered(data: bytes, pin: str | None) -> None:
    check_coverage(data, pin, "unknown")


def check_coverage(data: bytes, pin: str | None, kind: str) -> None:
    """Every byte that is neither blank nor punctuation of a list lies in a row or in quarantine."""
    parsed = parse_artifact(data, Source(sha256="0" * 64, uri="x", type=kind), pin=pin)
    tables = (parsed.events, parsed.samples, parsed.quarantine)
    ranges = [
        (row["byte_start"], row["byte_end"])
        for table in tables
        for row in table.select(["byte_start", "byte_end"]).to_pylist()
    ]
    assert all(0 <= start < end <= len(data) for start, end in ranges)
    ids = parsed.events.column("event_id").to_pylist()
    assert len(set(ids)) == len(ids)
    if parsed.report.format in (
        "empty",
        "otlp_json",
        "prometheus_query_range",
        "prometheus_rules",
        "alertmanager_webhook",
        "service_map",
        "csv_table",
        "openmetrics_text",
        "prometheus_text",
        "influx_line",
    ):
        return  # documents with structure around their records, a header, lines of remarks
    if any(problem.kind == "empty" for problem in parsed.problems):
        return  # `null`, `[]` and the like hold nothing to cover, whatever they were pinned to
    left = bytearray(data)
    for start, end in ranges:
        left[start:end] = b" " * (end - start)
    assert not bytes(left).removeprefix(b"\xef\xbb\xbf").strip(b" \t\r\n,[]\x0b\x0c")


def test_same_bytes_give_the_same_rows(look: Callable[..., Look]) -> None:
    first, second = look(LOG * 5), look(LOG * 5)
    assert first.events == second.events
    assert [row["event_id"] for row in first.events] != [row["event_id"] for row in look(LOG * 6).events][:5]
