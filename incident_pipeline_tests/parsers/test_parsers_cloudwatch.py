"""CloudWatch: fixtures of ours, written from the API references of logs and metrics."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime

from conftest import Look

_AT = 1795420800123
_ISO = datetime.fromtimestamp(_AT / 1000, UTC)


def _delivery() -> dict[str, object]:
    return {
        "messageType": "DATA_MESSAGE",
        "owner": "1",
        "logGroup": "/aws/lambda/checkout",
        "logStream": "2026/11/23/[$LATEST]ab",
        "subscriptionFilters": ["f"],
        "logEvents": [
            {"id": "a", "timestamp": _AT, "message": "[ERROR] no stock"},
            {"id": "b", "timestamp": _AT + 1, "message": "done"},
        ],
    }


def _packed() -> str:
    return base64.b64encode(gzip.compress(json.dumps(_delivery()).encode())).decode()


def test_filter_log_events(look: Callable[..., Look]) -> None:
    event = {
        "logStreamName": "s",
        "timestamp": _AT,
        "message": "ERROR no stock\n",
        "ingestionTime": _AT + 900,
        "eventId": "37",
    }
    seen = look(json.dumps({"events": [event], "searchedLogStreams": [], "nextToken": "t"}, indent=1))
    assert seen.parsed.report.format == "cloudwatch_logs"
    assert (seen.event["message"], seen.event["severity"], seen.event["host"]) == ("no stock", 17, "s")
    assert seen.event["time_ns"] == int(_ISO.timestamp()) * 10**9 + 123_000_000 == _AT * 10**6
    assert (seen.event["attributes"]["eventId"], seen.json_of(seen.event)) == ("37", event)
    assert "more pages follow this one: the export is not complete" in seen.parsed.report.assumptions


def test_deliveries_plain_and_packed(look: Callable[..., Look]) -> None:
    plain = look(json.dumps(_delivery()))
    packed = look(json.dumps({"awslogs": {"data": _packed()}}))
    record = {"eventSource": "aws:kinesis", "kinesis": {"data": _packed()}}
    kinesis = look(json.dumps({"Records": [record, {"kinesis": {"data": "?"}}]}))
    for seen in (plain, packed, kinesis):
        assert seen.parsed.report.format == "cloudwatch_logs"
        assert [row["time_ns"] for row in seen.events] == [_AT * 10**6, (_AT + 1) * 10**6]
        assert {row["service"] for row in seen.events} == {"checkout"}
        assert seen.events[0]["severity"] == 17
    assert [row["json_pointer"] for row in packed.events] == [
        "/awslogs/data/logEvents/0",
        "/awslogs/data/logEvents/1",
    ]
    # a row of a packed delivery points at the text that holds it, and has the whole line
    assert json.loads(packed.bytes_of(packed.events[0])) == _packed()
    assert [row["message"] for row in packed.events] == ["[ERROR] no stock", "done"]
    assert len({row["event_id"] for row in packed.events}) == 2
    assert [row["reason"] for row in kinesis.quarantine] == ["no packed CloudWatch delivery"]


def test_insights_rows_are_in_utc(look: Callable[..., Look]) -> None:
    fields = {
        "@timestamp": "2026-11-23 08:00:00.123",
        "@message": "WARN slow",
        "@log": "1:/ecs/cart",
        "@ptr": "x",
    }
    row = [{"field": key, "value": value} for key, value in fields.items()]
    counted = [{"field": "bin(5m)", "value": "2026-11-23 08:00:00.000"}, {"field": "count(*)", "value": "7"}]
    seen = look(json.dumps({"results": [row, counted], "statistics": {}, "status": "Complete"}), tz="+05:00")
    first, second = seen.events
    assert (first["time_ns"], first["time_basis"], first["service"]) == (_AT * 10**6, "explicit", "cart")
    assert (first["severity"], first["json_pointer"]) == (13, "/results/0")
    assert (second["time_ns"], second["attributes"]["count(*)"]) == (None, "7")


def test_metric_data_in_both_cases(look: Callable[..., Look]) -> None:
    native = {
        "MetricDataResults": [
            {
                "Id": "m1",
                "Label": "CPUUtilization",
                "Timestamps": ["2026-11-23T08:01:00+00:00", "2026-11-23T09:00:00+01:00"],
                "Values": [1, 2.5],
                "StatusCode": "PartialData",
            }
        ]
    }
    seen = look(json.dumps(native))
    assert seen.parsed.report.format == "cloudwatch_metric_data"
    assert [(row["time_ns"], row["value"]) for row in seen.samples] == [
        (1795420860 * 10**9, 1.0),
        (1795420800 * 10**9, 2.5),
    ]
    assert [seen.bytes_of(row) for row in seen.samples] == [b"1", b"2.5"]
    assert "metric CPUUtilization: PartialData" in seen.parsed.report.assumptions
    result = {
        "id": "m1",
        "metric_name": "CPUUtilization",
        "dimensions": [{"Name": "DBInstanceIdentifier", "Value": "db-1"}],
        "unit": "Percent",
        "timestamps": ["2026-11-23T08:00:00Z"],
        "values": [3, 4],
    }
    snake = look(json.dumps({"namespace": "AWS/RDS", "period": 60, "metric_data_results": [result]}))
    (series,) = snake.series
    assert (series["name"], series["unit"], series["service"]) == ("CPUUtilization", "Percent", "db-1")
    assert (series["labels"]["namespace"], len(snake.samples), len(snake.quarantine)) == ("AWS/RDS", 1, 1)
    points = [{"Timestamp": "2026-11-23T08:00:00Z", "Average": 2.5, "Maximum": 4, "Unit": "Percent"}]
    older = look(json.dumps({"Label": "CPU", "Datapoints": points}))
    assert {(row["labels"]["stat"], row["name"]) for row in older.series} == {
        ("Average", "CPU"),
        ("Maximum", "CPU"),
    }


def test_alarms_of_sns_and_of_the_api(look: Callable[..., Look]) -> None:
    alarm = {
        "AlarmName": "cpu",
        "NewStateValue": "ALARM",
        "OldStateValue": "OK",
        "NewStateReason": "Threshold Crossed",
        "StateChangeTime": "2026-11-23T08:00:00.123+0000",
        "Trigger": {"MetricName": "CPU", "Dimensions": [{"name": "ServiceName", "value": "cart"}]},
    }
    notice = {"Type": "Notification", "MessageId": "m", "Message": json.dumps(alarm), "Timestamp": "x"}
    for text, pointer in (
        (json.dumps(notice), "/Message"),
        (
            json.dumps({"Records": [{"EventSource": "aws:sns", "Sns": notice}]}, indent=1),
            "/Records/0/Sns/Message",
        ),
        (json.dumps(alarm), None),
    ):
        seen = look(text)
        assert seen.parsed.report.format == "cloudwatch_alarm_sns"
        event = seen.event
        assert (event["time_ns"], event["message"]) == (_AT * 10**6, "cpu ALARM: Threshold Crossed")
        assert (event["severity"], event["service"], event["json_pointer"]) == (17, "cart", pointer)
    assert look(json.dumps(notice)).event["attributes"]["sns.MessageId"] == "m"
    listed = [
        {
            "AlarmName": "a",
            "StateValue": "OK",
            "StateReason": "r",
            "StateUpdatedTimestamp": "2026-11-23T08:00:00Z",
        },
        {"AlarmName": "b", "StateValue": "ALARM", "StateReason": "r"},
    ]
    seen = look(json.dumps({"MetricAlarms": listed, "CompositeAlarms": []}))
    assert [(row["kind"], row["time_ns"]) for row in seen.events] == [
        ("object_state", 1795420800 * 10**9),
        ("alert", None),
    ]
