"""Loki: fixtures of ours, written from the HTTP API, and what logcli and Explore write."""

from __future__ import annotations

import json
from collections.abc import Callable

from conftest import Look

_ENTRIES = [
    ["1795420801000222496", 'level=error msg="no stock" trace_id=0af7651916cd43dd8448eb211c80319c'],
    [
        "1795420800000000001",
        "plain line",
        {"detected_level": "warn", "traceID": "0AF7651916CD43DD8448EB211C80319C"},
    ],
    ["1795420800000000000"],
]


def test_streams(look: Callable[..., Look]) -> None:
    stream = {"stream": {"app": "cart", "pod": "cart-0", "level": "info"}, "values": _ENTRIES}
    answer = {"status": "success", "data": {"resultType": "streams", "result": [stream], "stats": {}}}
    seen = look(json.dumps(answer, indent=2))
    assert seen.parsed.report.format == "loki_query_range"
    first, second = seen.events
    assert (first["time_ns"], first["time_precision"]) == (1795420801000222496, "ns")
    assert (first["service"], first["host"]) == ("cart", "cart-0")
    # the line's own level comes first, the label's is kept
    assert (first["severity"], first["attributes"]["level"], first["message"]) == (17, "info", "no stock")
    assert (second["severity"], second["severity_raw"]) == (13, "warn")
    assert {first["trace_id"], second["trace_id"]} == {"0af7651916cd43dd8448eb211c80319c"}
    assert [seen.json_of(row) for row in seen.events] == _ENTRIES[:2]
    assert [row["json_pointer"] for row in seen.events] == [
        f"/data/result/0/values/{index}" for index in (0, 1)
    ]
    assert [row["reason"] for row in seen.quarantine] == ["an entry without time and line"]


def test_push_bodies_logcli_and_explore(look: Callable[..., Look]) -> None:
    push = look(
        json.dumps({"streams": [{"stream": {"app": "cart"}, "values": [["1795420800000000001", "hi"]]}]})
    )
    assert (push.parsed.report.format, push.event["time_ns"]) == ("loki_query_range", 1795420800000000001)
    logcli = look('{"labels":{"app":"cart"},"line":"hi","timestamp":"2026-11-23T08:00:00.000000001Z"}\n')
    assert (logcli.event["time_ns"], logcli.event["service"]) == (1795420800000000001, "cart")
    entry = {
        "line": "hi",
        "timestamp": "1795420800000000001",
        "date": "2026-11-23T08:00:00.000Z",
        "fields": {"app": "x"},
    }
    explore = look(json.dumps([entry]))
    assert (explore.event["time_ns"], explore.event["service"], explore.event["json_pointer"]) == (
        1795420800000000001,
        "x",
        "/0",
    )


def test_metric_answers_are_read_like_those_of_prometheus(look: Callable[..., Look]) -> None:
    result = [{"metric": {"app": "cart"}, "values": [[1795420800, "2"]]}]
    seen = look(
        json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result, "stats": {}}})
    )
    assert seen.parsed.report.format == "prometheus_query_range"
    assert [row["value"] for row in seen.samples] == [2.0]


def test_an_answer_without_entries_is_a_row_that_says_so(look: Callable[..., Look]) -> None:
    text = json.dumps({"status": "success", "data": {"resultType": "streams", "result": []}})
    seen = look(text)
    assert seen.parsed.report.format == "loki_query_range"
    assert (seen.event["kind"], seen.event["time_ns"], seen.bytes_of(seen.event)) == (
        "tool_output",
        None,
        text.encode(),
    )
    assert seen.event["message"] == "answer without records (loki_query_range)"


def test_a_cut_answer_gives_the_whole_entries(look: Callable[..., Look]) -> None:
    values = [[str(1795420800000000000 + index), f"line {index}"] for index in range(9)]
    answer = {"data": {"resultType": "streams", "result": [{"stream": {"app": "a"}, "values": values}]}}
    text = json.dumps(answer, indent=1)
    seen = look(text[: text.index("line 7")])
    assert seen.parsed.report.format == "loki_query_range"
    assert [row["message"] for row in seen.events] == [f"line {index}" for index in range(7)]
    assert seen.quarantine
