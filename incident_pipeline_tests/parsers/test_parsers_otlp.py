from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Look


TRACE = "5B8EFFF798038103D269B633813FC60C"
SPAN = "EEE19B7EC3C1B174"


def attributes(**values: Any) -> list[dict[str, Any]]:
    kinds = {str: "stringValue", int: "intValue", bool: "boolValue", float: "doubleValue"}
    return [
        {
            "key": key.replace("__", "."),
            "value": {kinds[type(value)]: str(value) if type(value) is int else value},
        }
        for key, value in values.items()
    ]


def span(**members: Any) -> dict[str, Any]:
    return {
        "traceId": TRACE,
        "spanId": SPAN,
        "name": "GET /x",
        "kind": 2,
        "startTimeUnixNano": "1544712660000000001",
        "endTimeUnixNano": "1544712661000000002",
        **members,
    }


def request(spans: list[dict[str, Any]], group: str = "scopeSpans", scope: str = "scope") -> dict[str, Any]:
    resource = {"attributes": attributes(service__name="api", k8s__pod__name="api-1", service__version="2")}
    return {"resourceSpans": [{"resource": resource, group: [{scope: {"name": "lib"}, "spans": spans}]}]}


def test_spans_of_export_lines(look: Callable[..., Look]) -> None:
    spans = [
        span(attributes=attributes(http__route="/x", n=3, ok=True, d=1.5)),
        span(spanId="EEE19B7EC3C1B175", parentSpanId=SPAN, kind=3, status={"code": 2, "message": "boom"}),
    ]
    data = (
        json.dumps(request(spans)) + "\r\n" + json.dumps(request(spans[:1]), separators=(",", ":"))
    ).encode()
    seen = look(data)
    assert seen.parsed.report.format == "otlp_json"
    assert not seen.quarantine
    first, second, third = seen.events
    assert [first["line"], second["line"], third["line"]] == [1, 1, 2]
    assert [seen.json_of(row) for row in seen.events] == [spans[0], spans[1], spans[0]]
    assert second["json_pointer"] == "/resourceSpans/0/scopeSpans/0/spans/1"
    assert (first["time_ns"], first["end_time_ns"]) == (1544712660000000001, 1544712661000000002)
    assert (first["service"], first["host"], first["message"], first["kind"]) == (
        "api",
        "api-1",
        "GET /x",
        "span",
    )
    assert (first["trace_id"], first["span_id"], first["parent_span_id"]) == (
        TRACE.lower(),
        SPAN.lower(),
        None,
    )
    assert first["attributes"] == {
        "http.route": "/x",
        "n": "3",
        "ok": "true",
        "d": "1.5",
        "span.kind": "server",
        "status.code": "unset",
        "resource.service.name": "api",
        "resource.k8s.pod.name": "api-1",
        "resource.service.version": "2",
        "scope.name": "lib",
    }
    assert (first["severity"], second["severity"]) == (None, 17)
    assert (second["attributes"]["status.code"], second["attributes"]["status.message"]) == ("error", "boom")


@pytest.mark.parametrize(
    "wrap",
    [
        lambda spans: request(spans, "instrumentationLibrarySpans", "instrumentationLibrary"),
        lambda spans: {"batches": request(spans)["resourceSpans"]},
        lambda spans: {"trace": request(spans)},
        lambda spans: {"trace": {"batches": request(spans)["resourceSpans"]}},
        lambda spans: [request(spans)],
    ],
)
@pytest.mark.parametrize("indent", [None, 2])
def test_old_names_tempo_wrappers_and_whole_documents(
    look: Callable[..., Look], wrap: Callable[[list[Any]], Any], indent: int | None
) -> None:
    trace, own = bytes(range(1, 17)), bytes(range(8))
    encoded = span(
        traceId=base64.b64encode(trace).decode(),
        spanId=base64.b64encode(own).decode(),
        kind="SPAN_KIND_CLIENT",
    )
    encoded["status"] = {"code": "STATUS_CODE_ERROR"}
    seen = look(json.dumps(wrap([encoded, encoded]), indent=indent))
    assert not seen.quarantine
    for row in seen.events:
        assert (row["trace_id"], row["span_id"]) == (trace.hex(), own.hex())
        assert (row["attributes"]["span.kind"], row["attributes"]["status.code"]) == ("client", "error")
        assert seen.json_of(row) == encoded
    assert len({row["event_id"] for row in seen.events}) == 2


def test_span_events_and_links(look: Callable[..., Look]) -> None:
    happened = {
        "timeUnixNano": "1544712660500000000",
        "name": "exception",
        "attributes": attributes(exception__message="no route"),
    }
    plain = {"timeUnixNano": 1544712660600000000, "name": "retry"}
    link = {"traceId": TRACE, "spanId": SPAN, "attributes": attributes(why="batch")}
    seen = look(json.dumps(request([span(events=[happened, plain, plain], links=[link])])))
    outer, first, second, third = seen.events
    assert [row["kind"] for row in seen.events] == ["span", "span_event", "span_event", "span_event"]
    assert (first["message"], second["message"]) == ("exception: no route", "retry")
    assert [seen.json_of(row) for row in (first, second, third)] == [happened, plain, plain]
    assert third["json_pointer"].endswith("/spans/0/events/2")
    assert (second["time_ns"], second["span_id"], second["service"]) == (
        1544712660600000000,
        SPAN.lower(),
        "api",
    )
    assert (outer["attributes"]["link.0.span_id"], outer["attributes"]["link.0.why"]) == (
        SPAN.lower(),
        "batch",
    )
    assert first["mask_id"] is not None
    assert outer["mask_id"] is None


def log_request(*logs: dict[str, Any]) -> str:
    resource = {"attributes": attributes(service__name="api", service__instance__id="api-7")}
    return json.dumps({"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": list(logs)}]}]})


def test_log_records(look: Callable[..., Look]) -> None:
    logs = [
        {
            "timeUnixNano": "1544712660300000000",
            "severityNumber": 10,
            "severityText": "Information",
            "body": {"stringValue": "hello"},
            "traceId": TRACE,
            "spanId": SPAN,
            "attributes": attributes(a=1),
        },
        {
            "timeUnixNano": "0",
            "observedTimeUnixNano": "1544712660400000000",
            "severityNumber": "SEVERITY_NUMBER_ERROR2",
            "body": {"kvlistValue": {"values": [{"key": "msg", "value": {"stringValue": "x"}}]}},
        },
        {
            "severityText": "warn",
            "body": {"arrayValue": {"values": [{"intValue": "1"}, {"boolValue": True}]}},
        },
        {"eventName": "device.app.lifecycle", "traceId": "0" * 32},
    ]
    seen = look(log_request(*logs))
    assert not seen.quarantine
    first, second, third, fourth = seen.events
    assert [seen.json_of(row) for row in seen.events] == logs
    assert (first["severity"], first["severity_raw"], first["message"], first["host"]) == (
        10,
        "Information",
        "hello",
        "api-7",
    )
    assert (first["trace_id"], first["attributes"]["a"]) == (TRACE.lower(), "1")
    assert (second["time_ns"], second["attributes"]["time.kind"], second["severity"]) == (
        1544712660400000000,
        "observed",
        18,
    )
    assert (second["message"], second["attributes"]["body.msg"]) == ('{"msg":"x"}', "x")
    assert (third["time_ns"], third["time_basis"], third["severity"], third["message"]) == (
        None,
        "none",
        13,
        '["1",true]',
    )
    assert (fourth["message"], fourth["trace_id"]) == ("device.app.lifecycle", None)


def test_a_broken_record_costs_only_itself(look: Callable[..., Look]) -> None:
    bad = span(name=7)
    text = json.dumps(request([span(), bad, span(spanId="1111111111111111")]))
    seen = look(text + "\n" + text[: len(text) // 2] + "\n" + json.dumps(request([span()])) + "\n[1]\n")
    assert [row["line"] for row in seen.events] == [1, 1, 3]
    first, second, third = seen.quarantine
    assert seen.json_of(first) == bad
    assert seen.bytes_of(second).decode() == text[: len(text) // 2]
    assert seen.bytes_of(third) == b"1"
    assert all(row["reason"] for row in seen.quarantine)


def test_own_attributes_never_hide_kind_and_status(look: Callable[..., Look]) -> None:
    row = look(json.dumps(request([span(attributes=attributes(span__kind="weird"))]))).event
    assert (row["attributes"]["span.kind"], row["attributes"]["attribute.span.kind"]) == ("server", "weird")


def test_metrics(look: Callable[..., Look]) -> None:
    at = "1544712660300000000"
    metrics = [
        {
            "name": "requests",
            "unit": "1",
            "sum": {
                "dataPoints": [
                    {
                        "timeUnixNano": at,
                        "asInt": "5",
                        "attributes": attributes(code=200),
                        "exemplars": [{"traceId": TRACE}],
                    }
                ]
            },
        },
        {
            "name": "load",
            "gauge": {
                "dataPoints": [{"timeUnixNano": at, "asDouble": 0.5}, {"timeUnixNano": at, "asDouble": "NaN"}]
            },
        },
        {
            "name": "latency",
            "unit": "s",
            "histogram": {
                "dataPoints": [
                    {
                        "timeUnixNano": at,
                        "count": "3",
                        "sum": 2.5,
                        "bucketCounts": ["1", "2"],
                        "explicitBounds": [1],
                    }
                ]
            },
        },
        {
            "name": "size",
            "summary": {
                "dataPoints": [
                    {
                        "timeUnixNano": at,
                        "count": 1,
                        "sum": 4,
                        "quantileValues": [{"quantile": 0.9, "value": 4}],
                    }
                ]
            },
        },
        {"name": "broken", "gauge": {"dataPoints": [{"asInt": "x"}]}},
    ]
    resource = {"attributes": attributes(service__name="api")}
    line = json.dumps({"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": metrics}]}]})
    seen = look(line + "\n" + line)
    names = {
        row["series_id"]: (row["name"], row["labels"].get("le") or row["labels"].get("quantile"))
        for row in seen.series
    }
    assert len(seen.samples) == 2 * 10
    assert len(names) == 9
    once = [(*names[row["series_id"]], row["value"]) for row in seen.samples[:10]]
    assert once == [
        ("requests", None, 5.0),
        ("load", None, 0.5),
        ("load", None, None),
        ("latency_count", None, 3.0),
        ("latency_sum", None, 2.5),
        ("latency_bucket", "1.0", 1.0),
        ("latency_bucket", "+Inf", 3.0),
        ("size_count", None, 1.0),
        ("size_sum", None, 4.0),
        ("size", "0.9", 4.0),
    ]
    assert seen.samples[0]["exemplar_trace_id"] == TRACE.lower()
    assert seen.json_of(seen.samples[0]) == metrics[0]["sum"]["dataPoints"][0]  # type: ignore[index]
    assert {row["service"] for row in seen.series} == {"api"}
    assert [seen.json_of(row) for row in seen.quarantine] == [{"asInt": "x"}] * 2
