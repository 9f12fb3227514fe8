"""Datadog: fixtures of ours, written from the API reference."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime

from conftest import Look


def test_logs_of_the_search_api(look: Callable[..., Look]) -> None:
    page = {
        "data": [
            {
                "id": "AAA",
                "type": "log",
                "attributes": {
                    "timestamp": "2026-11-23T08:00:00.123Z",
                    "status": "warn",
                    "service": "cart",
                    "host": "node-1",
                    "message": "slow answer",
                    "tags": ["env:prod", "pod_name:cart-0", "team:a", "team:b", "plain"],
                    "attributes": {"dd": {"trace_id": "939688716533284796", "span_id": "255"}, "ms": 12},
                },
            }
        ],
        "meta": {"page": {"after": "next"}},
    }
    seen = look(json.dumps(page))
    event = seen.event
    assert seen.parsed.report.format == "datadog_logs"
    assert (event["message"], event["severity"], event["severity_raw"]) == ("slow answer", 13, "warn")
    assert (event["service"], event["host"]) == ("cart", "node-1")
    # decimal ids in hex: by hand for the short one, by Python's own formatting for the long one
    assert (event["span_id"], event["trace_id"]) == ("00000000000000ff", format(939688716533284796, "016x"))
    assert event["time_ns"] == int(datetime(2026, 11, 23, 8, tzinfo=UTC).timestamp()) * 10**9 + 123_000_000
    attributes = event["attributes"]
    assert (attributes["tags.env"], attributes["tags.team"], attributes["tags"], attributes["ms"]) == (
        "prod",
        "a, b",
        "plain",
        "12",
    )
    assert seen.json_of(event) == page["data"][0]
    assert "more pages follow this one: the export is not complete" in seen.parsed.report.assumptions


def test_logs_of_the_older_api_and_of_tools(look: Callable[..., Look]) -> None:
    content = {"timestamp": "2026-11-23T08:00:00Z", "message": "m", "service": "s", "tags": ["a:b"]}
    older = look(json.dumps({"logs": [{"id": "1", "content": content}], "status": "done", "nextLogId": None}))
    entry = {**content, "status": "error", "host": "h", "tags": ["pod_name:p-0"]}
    short = look(json.dumps({"logs": [entry]}, indent=2))
    assert [look_.parsed.report.format for look_ in (older, short)] == ["datadog_logs", "datadog_logs"]
    assert (older.event["message"], older.event["service"], older.event["attributes"]["id"]) == (
        "m",
        "s",
        "1",
    )
    assert (short.event["severity"], short.event["host"], short.event["json_pointer"]) == (17, "h", "/logs/0")
    assert not older.parsed.report.assumptions


def test_spans_have_hex_ids_and_an_exact_end(look: Callable[..., Look]) -> None:
    item = {
        "id": "x",
        "type": "spans",
        "attributes": {
            "start_timestamp": "2026-11-23T08:00:00.001Z",
            "end_timestamp": "2026-11-23T08:00:00.002Z",
            "trace_id": "939688716533284796",
            "span_id": "16",
            "parent_id": "0",
            "service": "cart",
            "resource_name": "GET /cart",
            "custom": {"duration": 990123, "error": {"message": "boom"}, "span": {"kind": "server"}},
        },
    }
    seen = look(json.dumps({"data": [item]}))
    event = seen.event
    assert seen.parsed.report.format == "datadog_spans"
    assert event["end_time_ns"] - event["time_ns"] == 990123
    assert (event["span_id"], event["parent_span_id"], event["severity"]) == ("0000000000000010", None, 17)
    assert event["attributes"]["error.message"] == "boom"


def test_events_of_both_apis(look: Callable[..., Look]) -> None:
    item = {
        "id": "e",
        "type": "event",
        "attributes": {
            "timestamp": "2026-11-23T08:00:00Z",
            "message": "p95 over 2 s",
            "tags": ["service:cart"],
            "attributes": {"title": "[Triggered] latency", "status": "error", "monitor": {"id": 7}},
        },
    }
    newer = look(json.dumps({"data": [item]}))
    old = {
        "id": 1,
        "title": "Deploy",
        "text": "v2",
        "date_happened": 1795422467,
        "alert_type": "success",
        "host": "h",
        "tags": ["service:cart"],
    }
    older = look(json.dumps({"events": [old]}))
    assert (newer.event["kind"], newer.event["message"]) == ("alert", "[Triggered] latency: p95 over 2 s")
    assert (newer.event["severity"], newer.event["attributes"]["monitor.id"]) == (17, "7")
    assert older.parsed.report.format == "datadog_events"
    assert (older.event["time_ns"], older.event["message"], older.event["severity"]) == (
        1795422467 * 10**9,
        "Deploy: v2",
        9,
    )


def test_audit_trail(look: Callable[..., Look]) -> None:
    item = {
        "id": "a",
        "type": "audit",
        "attributes": {
            "timestamp": "2026-11-23T08:00:00Z",
            "message": "Monitor muted",
            "attributes": {"usr": {"email": "ann@example.com"}, "action": "mute", "status": "info"},
        },
    }
    event = look(json.dumps({"data": [item]})).event
    assert (event["kind"], event["actor"], event["attributes"]["action"]) == (
        "audit",
        "ann@example.com",
        "mute",
    )


def test_metric_queries(look: Callable[..., Look]) -> None:
    answer = {
        "status": "ok",
        "series": [
            {
                "metric": "trace.hits",
                "scope": "service:cart,env:prod",
                "unit": [{"short_name": "req"}, {"short_name": "s"}],
                "expression": "sum:trace.hits{*}",
                "pointlist": [[1795422467000.0, 1.5], [1795422527000, None], ["x"]],
            }
        ],
    }
    seen = look(json.dumps(answer))
    (series,) = seen.series
    assert (series["name"], series["unit"], series["service"]) == ("trace.hits", "req/s", "cart")
    assert series["labels"] == {"service": "cart", "env": "prod", "expression": "sum:trace.hits{*}"}
    assert [(row["time_ns"], row["value"]) for row in seen.samples] == [
        (1795422467 * 10**9, 1.5),
        (1795422527 * 10**9, None),
    ]
    assert [json.loads(seen.bytes_of(row)) for row in seen.samples] == answer["series"][0]["pointlist"][:2]
    assert len(seen.quarantine) == 1
    columns = {"times": [1795422467000], "values": [[7], [None]], "series": [{"group_tags": ["a:b"]}, {}]}
    newer = look(json.dumps({"data": {"type": "timeseries_response", "attributes": columns}}))
    assert [row["value"] for row in newer.samples] == [7.0, None]
    assert newer.series[0]["labels"] == {"a": "b", "query_index": "0"}


def test_incidents_and_monitors(look: Callable[..., Look]) -> None:
    item = {
        "id": "i",
        "type": "incidents",
        "attributes": {
            "title": "Checkout down",
            "created": "2026-11-23T08:00:00.5+00:00",
            "resolved": "2026-11-23T09:00:00+00:00",
            "severity": "SEV-2",
            "state": "resolved",
            "fields": {"services": {"value": ["cart"]}},
        },
    }
    user = {"id": "u", "type": "users", "attributes": {"name": "Ann"}}
    seen = look(json.dumps({"data": [item], "included": [user]}))
    incident, person = seen.events
    assert (incident["kind"], incident["service"], incident["severity"]) == ("ticket", "cart", 17)
    assert incident["end_time_ns"] - incident["time_ns"] == 3_599_500_000_000
    assert (person["kind"], person["message"]) == ("object_state", "Ann")
    monitors = [
        {"name": "p95", "type": "query alert", "query": "avg:x", "message": "page", "overall_state": "Alert"},
        {"name": "cpu", "type": "query alert", "query": "avg:y", "message": "", "overall_state": "OK"},
    ]
    listed = look(json.dumps({"monitors": monitors}))
    assert [(row["kind"], row["message"]) for row in listed.events] == [
        ("alert", "p95: Alert"),
        ("object_state", "cpu: OK"),
    ]
    assert [row["time_ns"] for row in listed.events] == [None, None]
