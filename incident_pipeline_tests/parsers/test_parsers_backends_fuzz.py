"""Damaged answers of back ends: nothing raises, and every line is in a row or in quarantine."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable
from typing import Any, Final

import pytest
from conftest import Look
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from incident_pipeline.parsers.jsontext import documents, is_json

_AT = "2026-11-23T08:00:00.123Z"
_LOG = {
    "messageType": "DATA_MESSAGE",
    "logGroup": "/a/b",
    "logEvents": [{"id": "1", "timestamp": 1, "message": "m"}],
}
_PACKED = base64.b64encode(gzip.compress(json.dumps(_LOG).encode())).decode()
_ALARM = {
    "AlarmName": "a",
    "NewStateValue": "ALARM",
    "StateChangeTime": _AT,
    "Trigger": {"Dimensions": [{"name": "n"}]},
}
_JAEGER = {
    "traceID": "1a",
    "spanID": "2",
    "operationName": "o",
    "startTime": 1795422467640814,
    "duration": 5,
    "references": [{"refType": "CHILD_OF", "traceID": "1a", "spanID": "1"}],
    "tags": [{"key": "error", "value": True}],
    "logs": [{"timestamp": 1795422467640815, "fields": [{"key": "event", "value": "x"}]}],
    "processID": "p1",
}
_ZIPKIN = {
    "traceId": "1a",
    "id": "2",
    "timestamp": 1795422467640814,
    "tags": {"error": "x"},
    "annotations": [{"value": "v"}],
}
_GCP = {
    "logName": "l",
    "insertId": "i",
    "timestamp": _AT,
    "protoPayload": {"methodName": "m"},
    "trace": "projects/p/traces/1",
}
_AZURE = {"time": _AT, "resourceId": "/r/cart", "operationName": {"value": "o"}, "category": "c", "level": 2}
_COLUMNS = {"columns": [{"name": "TimeGenerated"}], "rows": [[_AT]]}
_ITEM = {
    "id": "1",
    "type": "log",
    "attributes": {"timestamp": _AT, "tags": ["a:b"], "attributes": {"dd": {"trace_id": "9"}}},
}
_SERIES = {
    "metric": "m",
    "scope": "a:b",
    "pointlist": [[1795422467000.0, 1.5], [1, None]],
    "unit": [{"name": "x"}],
}
_METRIC = {"Id": "m", "Dimensions": [{"Name": "n", "Value": "v"}], "Timestamps": [_AT], "Values": [1]}
_HIT = {
    "_index": "i",
    "_id": "1",
    "_source": {"@timestamp": _AT, "processor": {"event": "span"}, "span": {"id": "1"}},
}
_LOAD = {"timestamps": [_AT], "values": [1.5], "unit": "AAS"}

SAMPLES: Final[dict[str, Any]] = {
    "jaeger_json": {
        "data": [{"traceID": "1a", "spans": [_JAEGER], "processes": {"p1": {"serviceName": "s"}}}]
    },
    "zipkin_v2_json": [[_ZIPKIN], [_ZIPKIN]],
    "datadog_logs": {"data": [_ITEM], "meta": {"page": {"after": "x"}}},
    "datadog_events": {"events": [{"title": "t", "date_happened": 1795422467, "alert_type": "error"}]},
    "datadog_audit": {"data": [{**_ITEM, "type": "audit"}]},
    "datadog_spans": {"data": [{**_ITEM, "type": "spans"}]},
    "datadog_metric_query": {"series": [_SERIES]},
    "datadog_incident": {"data": [{**_ITEM, "type": "incidents"}], "included": [{"type": "users"}]},
    "datadog_monitors": {"monitors": [{"name": "n", "query": "q", "type": "t", "overall_state": "Alert"}]},
    "elastic_search": {"took": 1, "hits": {"total": {"value": 3}, "hits": [_HIT]}},
    "splunk_json": {"results": [{"_time": _AT, "_raw": "level=warn msg=x", "host": "h"}]},
    "loki_query_range": {
        "data": {
            "resultType": "streams",
            "result": [{"stream": {"app": "a"}, "values": [["1795420800000000001", "x", {"a": "b"}]]}],
        }
    },
    "cloudwatch_logs": {"awslogs": {"data": _PACKED}},
    "cloudwatch_metric_data": {"MetricDataResults": [_METRIC]},
    "cloudwatch_alarm_sns": {"Records": [{"Sns": {"Message": json.dumps(_ALARM), "MessageId": "i"}}]},
    "rds_events": {"Events": [{"SourceIdentifier": "s", "Date": _AT, "Message": "m"}]},
    "rds_performance_insights": {
        "db_instance_identifier": "d",
        "db_load": _LOAD,
        "top_sql": [{"statement": "s"}],
    },
    "gcp_logentry": {"entries": [_GCP]},
    "gcp_monitoring_webhook": {"incident": {"incident_id": "i", "state": "open", "started_at": 1795420800}},
    "azure_activity": {"records": [_AZURE]},
    "azure_log_analytics": {"tables": [_COLUMNS]},
    "azure_monitor_alert": {"data": {"essentials": {"alertRule": "r", "firedDateTime": _AT}}},
    "pod_log": {"pod_name": "p", "logs": "a\nb\n"},
    "log_patterns": [{"signature": "s", "count": 1}],
}

_OTHER_TYPES = st.sampled_from(
    [None, True, 0, -1, 1.5, 1e300, "", "x", "NaN", [], [1], {}, {"a": {}}, "9" * 40, ["\x00"]]
)
_TEXTS = {
    "elastic_bulk": '{"index":{"_index":"i"}}\n{"@timestamp":"2026-11-23T08:00:00Z","message":"m"}\n'
    '{"delete":{"_id":"1"}}\n',
    "splunk_csv": '_time,_raw,host\n2026-11-23T08:00:00Z,"a ""b""\nc",h\n1795420801.5,x,h\n',
    "tempo_text": "Trace (traceID=abc) (durationMs=1)\n"
    "\tstartTime=2026-11-23T08:00:00Z rootServiceName=a rootTraceName=b\n"
    "├─ x (s) - 1.5ms (span_id=1)\n│  Datetime: start=2026-11-23T08:00:00Z end=2026-11-23T08:00:01Z\n"
    "│  Attributes:\n│   a: b\n",
}


def _covered(seen: Look, name: str) -> None:
    """Check that each line that is not blank is touched by a row, a sample or a quarantine entry.

    The header of a table is no record, nor are the lines of the envelope of a whole document.
    """
    if all(is_json(seen.data[start:end]) for start, end in documents(seen.data)):
        return
    held = [(row["byte_start"], row["byte_end"]) for row in (*seen.events, *seen.quarantine, *seen.samples)]
    assert all(0 <= start <= end <= len(seen.data) for start, end in held)
    at = 0
    header = name == "splunk_csv"
    for line in seen.data.split(b"\n"):
        if line.strip(b" \t\r\0\xef\xbb\xbf") and header:
            header = False
        elif line.strip(b" \t\r\0\xef\xbb\xbf"):
            assert any(start < at + len(line) and end > at for start, end in held), line
        at += len(line) + 1


def _replaced(value: Any, path: list[int], other: Any) -> Any:
    """Put another value at a place inside a document that a list of numbers leads to."""
    if not path or not isinstance(value, (dict, list)) or not value:
        return other
    if isinstance(value, dict):
        key = list(value)[path[0] % len(value)]
        return {**value, key: _replaced(value[key], path[1:], other)}
    index = path[0] % len(value)
    return [*value[:index], _replaced(value[index], path[1:], other), *value[index + 1 :]]


@pytest.mark.parametrize("name", sorted(SAMPLES))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.lists(st.integers(0, 7), max_size=7), other=_OTHER_TYPES)
def test_values_of_any_type(look: Callable[..., Look], name: str, path: list[int], other: Any) -> None:
    text = json.dumps(_replaced(SAMPLES[name], path, other))
    look(text)
    look(text, pin=name)


@pytest.mark.parametrize("name", sorted((*SAMPLES, *_TEXTS)))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    at=st.integers(0, 2000),
    junk=st.sampled_from(
        [b"", b"\n", b'"', b"{", b"]", b",", b"\\", b"\xff", b"\0", b"[[", b"}\n{", b"9" * 30]
    ),
    drop=st.integers(0, 3),
    cut=st.integers(0, 2000),
    twice=st.booleans(),
    indent=st.sampled_from([None, 1]),
)
def test_damaged_bytes(
    look: Callable[..., Look],
    name: str,
    at: int,
    junk: bytes,
    drop: int,
    cut: int,
    twice: bool,
    indent: int | None,
) -> None:
    text = _TEXTS.get(name) or json.dumps(SAMPLES[name], indent=indent)
    data = text.encode()
    at %= len(data)
    data = data[:at] + junk + data[at + drop :]
    if cut % 3 == 0:
        data = data[: cut % len(data)]
    if twice:
        data += b"\n" + data
    seen = look(data, pin=name)
    if indent is None or name in _TEXTS:
        _covered(seen, name)
    look(data)


@pytest.mark.parametrize("name", sorted((*SAMPLES, *_TEXTS)))
def test_each_is_recognised_by_its_structure(look: Callable[..., Look], name: str) -> None:
    seen = look(_TEXTS.get(name) or json.dumps(SAMPLES[name]))
    assert seen.parsed.report.format == name
    assert seen.events or seen.samples


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_a_document_longer_than_the_sample_is_recognised(look: Callable[..., Look], name: str) -> None:
    # the last member is longer than what detection looks at, so that no whole document is in the sample
    document = SAMPLES[name]
    text = json.dumps(document)
    if isinstance(document, list):
        text = text[:-1] + ", " * bool(document) + ", ".join([json.dumps(document[0])] * 3000) + "]"
    else:
        text = text[:-1] + ', "zz": "' + "x" * 70_000 + '"}'
    assert look(text, uri="x.json").parsed.report.format == name


def test_nesting_and_size_are_survived(look: Callable[..., Look]) -> None:
    for name in SAMPLES:
        look("[" * 5000, pin=name)
        look('{"data":' * 3000 + "1", pin=name)
        look('{"data": [' + '{"a": ' * 3000, pin=name)
