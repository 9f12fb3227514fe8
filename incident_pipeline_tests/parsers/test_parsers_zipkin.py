"""Zipkin v2: fixtures of ours, written from zipkin2-api.yaml."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from conftest import Look

_SPANS = [
    {
        "traceId": "5af7183fb1d4cf5f",
        "id": "352bff9a74ca9ad2",
        "parentId": "6b221d5bc9e6496c",
        "kind": "CLIENT",
        "name": "get /api",
        "timestamp": 1556604172355737,
        "duration": 1431,
        "localEndpoint": {"serviceName": "backend", "ipv4": "192.168.99.1", "port": 3306},
        "remoteEndpoint": {"ipv4": "172.19.0.2", "port": 58648},
        "annotations": [{"timestamp": 1556604172355800, "value": "ws"}],
        "tags": {"http.method": "GET", "error": "timeout"},
    },
    {
        "traceId": "5af7183fb1d4cf5f",
        "id": "352bff9a74ca9ad2",
        "parentId": "6b221d5bc9e6496c",
        "kind": "SERVER",
        "timestamp": 1556604172355737,
        "shared": True,
        "localEndpoint": {"serviceName": "frontend"},
    },
]


def test_spans_that_share_an_id_are_two_spans(look: Callable[..., Look]) -> None:
    seen = look(json.dumps(_SPANS))
    assert seen.parsed.report.format == "zipkin_v2_json"
    client, annotation, server = seen.events
    assert (client["time_ns"], client["end_time_ns"]) == (1556604172355737000, 1556604172357168000)
    assert (client["service"], client["host"], client["severity"]) == ("backend", "192.168.99.1", 17)
    assert client["attributes"]["remoteEndpoint.port"] == "58648"
    assert (client["attributes"]["span.kind"], client["attributes"]["status.message"]) == (
        "client",
        "timeout",
    )
    assert (annotation["kind"], annotation["message"]) == ("span_event", "ws")
    assert (server["span_id"], server["attributes"]["shared"], server["end_time_ns"]) == (
        client["span_id"],
        "true",
        None,
    )
    # independently, by the datetime module
    wanted = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=1556604172355800)
    assert annotation["time_ns"] == int(wanted.timestamp()) * 10**9 + wanted.microsecond * 1000
    assert [seen.json_of(row) for row in (client, server)] == _SPANS


def test_a_list_of_traces_and_spans_on_lines(look: Callable[..., Look]) -> None:
    traces = look(json.dumps([[_SPANS[0]], [_SPANS[1]]]))
    assert [row["json_pointer"] for row in traces.events] == ["/0/0", "/0/0/annotations/0", "/1/0"]
    on_lines = look("\n".join(json.dumps(span) for span in _SPANS))
    assert [row["kind"] for row in on_lines.events] == ["span", "span_event", "span"]
