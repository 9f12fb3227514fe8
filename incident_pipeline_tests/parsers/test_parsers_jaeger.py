"""Jaeger: fixtures of ours, written from the query service's JSON (model/json) and its documentation."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from conftest import Look


def _trace() -> dict[str, Any]:
    return {
        "traceID": "5b8efff798038103",
        "spans": [
            {
                "traceID": "5b8efff798038103",
                "spanID": "1",
                "flags": 1,
                "operationName": "GET /cart",
                "references": [],
                "startTime": 1795422467640814,
                "duration": 1500,
                "tags": [
                    {"key": "span.kind", "type": "string", "value": "server"},
                    {"key": "error", "type": "bool", "value": True},
                    {"key": "http.status_code", "type": "int64", "value": 500},
                ],
                "logs": [
                    {
                        "timestamp": 1795422467641000,
                        "fields": [
                            {"key": "event", "type": "string", "value": "error"},
                            {"key": "message", "type": "string", "value": "no stock"},
                        ],
                    }
                ],
                "processID": "p1",
                "warnings": ["clock skew adjusted"],
            },
            {
                "traceID": "5b8efff798038103",
                "spanID": "2a",
                "operationName": "consume",
                "references": [
                    {"refType": "FOLLOWS_FROM", "traceID": "5b8efff798038103", "spanID": "7"},
                    {"refType": "CHILD_OF", "traceID": "5b8efff798038103", "spanID": "1"},
                    {"refType": "FOLLOWS_FROM", "traceID": "aa", "spanID": "bb"},
                ],
                "startTime": 1795422467640900,
                "duration": 0,
                "tags": [],
                "logs": [],
                "processID": "p2",
            },
        ],
        "processes": {
            "p1": {"serviceName": "cart", "tags": [{"key": "hostname", "type": "string", "value": "cart-0"}]},
            "p2": {"serviceName": "worker"},
        },
    }


def test_a_trace_of_the_query_service(look: Callable[..., Look]) -> None:
    answer = {"data": [_trace()], "total": 0, "errors": None}
    seen = look(json.dumps(answer, indent=1), uri="trace.json")
    assert seen.parsed.report.format == "jaeger_json"
    root, log, child = seen.events
    # worked out by hand from the numbers above
    assert (root["time_ns"], root["end_time_ns"]) == (1795422467640814000, 1795422467642314000)
    assert (root["trace_id"], root["span_id"], root["parent_span_id"]) == (
        "5b8efff798038103",
        "0000000000000001",
        None,
    )
    assert (root["service"], root["host"], root["severity"]) == ("cart", "cart-0", 17)
    assert root["attributes"]["http.status_code"] == "500"
    assert root["attributes"]["warnings"] == '["clock skew adjusted"]'
    assert (log["kind"], log["message"], log["span_id"]) == ("span_event", "error: no stock", root["span_id"])
    assert child["parent_span_id"] == "0000000000000001"
    assert child["end_time_ns"] == child["time_ns"]
    assert child["attributes"]["link.0.span_id"] == "0000000000000007"
    assert child["attributes"]["link.1.trace_id"] == "00000000000000aa"
    # read independently: the bytes of every row are the objects the json module finds there
    spans = answer["data"][0]["spans"]
    assert [seen.json_of(root), seen.json_of(log), seen.json_of(child)] == [
        spans[0],
        spans[0]["logs"][0],
        spans[1],
    ]
    assert [row["json_pointer"] for row in seen.events] == [
        "/data/0/spans/0",
        "/data/0/spans/0/logs/0",
        "/data/0/spans/1",
    ]


def test_a_cut_download_gives_the_whole_spans_and_names_the_rest(look: Callable[..., Look]) -> None:
    text = json.dumps({"data": [_trace()]})
    cut = text[: text.index('"operationName": "consume"')]
    seen = look(cut, uri="trace.json", pin="jaeger")
    assert [row["message"] for row in seen.events] == ["GET /cart", "error: no stock"]
    assert seen.quarantine


def test_the_otlp_shaped_answer_of_the_newer_api_is_otlp(look: Callable[..., Look]) -> None:
    span = {
        "traceId": "5b8efff798038103d269b633813fc60c",
        "spanId": "eee19b7ec3c1b174",
        "name": "GET",
        "startTimeUnixNano": "1795422467640814001",
        "endTimeUnixNano": "1795422467640814002",
    }
    answer = {"result": {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}}
    seen = look(json.dumps(answer))
    assert seen.parsed.report.format == "otlp_json"
    assert (seen.event["time_ns"], seen.event["json_pointer"]) == (
        1795422467640814001,
        "/result/resourceSpans/0/scopeSpans/0/spans/0",
    )
