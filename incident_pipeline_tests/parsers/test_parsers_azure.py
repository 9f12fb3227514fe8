"""Azure: fixtures of ours, written from the schemas of logs, query results and alerts."""

from __future__ import annotations

import json
from collections.abc import Callable

from conftest import Look

_RESOURCE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/sites/cart"


def test_resource_logs_with_seven_digits(look: Callable[..., Look]) -> None:
    record = {
        "time": "2026-11-23T08:00:00.1234567Z",
        "resourceId": _RESOURCE,
        "operationName": "Microsoft.Web/sites/log",
        "category": "AppServiceConsoleLogs",
        "level": "Error",
        "resultDescription": "no stock",
        "properties": {"host": "h", "n": 1},
    }
    for text, pointer in (
        (json.dumps({"records": [record]}, indent=1), "/records/0"),
        (json.dumps(record) + "\n" + json.dumps(record), None),
        (json.dumps([record]), "/0"),
    ):
        seen = look(text)
        assert seen.parsed.report.format == "azure_activity"
        event = seen.events[0]
        assert (event["time_ns"], event["time_raw"]) == (1795420800123456700, record["time"])
        assert (event["kind"], event["message"], event["service"]) == ("log", "no stock", "cart")
        assert (event["severity"], event["attributes"]["properties.n"]) == (17, "1")
        assert (event["json_pointer"], seen.json_of(event)) == (pointer, record)


def test_activity_log_of_the_api(look: Callable[..., Look]) -> None:
    record = {
        "eventTimestamp": "2026-11-23T08:00:00.1234567Z",
        "resourceId": _RESOURCE,
        "operationName": {"value": "Microsoft.Web/sites/restart/action", "localizedValue": "Restart"},
        "category": {"value": "Administrative", "localizedValue": "Administrative"},
        "status": {"value": "Succeeded", "localizedValue": "Succeeded"},
        "level": "Informational",
        "caller": "ann@example.com",
    }
    seen = look(json.dumps({"value": [record], "nextLink": "more"}))
    event = seen.event
    assert (event["kind"], event["actor"]) == ("audit", "ann@example.com")
    assert event["message"] == "Microsoft.Web/sites/restart/action cart -> Succeeded"
    assert "more pages follow this one: the export is not complete" in seen.parsed.report.assumptions


def test_query_results(look: Callable[..., Look]) -> None:
    columns = [
        {"name": name, "type": "string"}
        for name in ("TimeGenerated", "Message", "SeverityLevel", "OperationId")
    ]
    rows = [["2026-11-23T08:00:00.1234567Z", "no stock", 3, "0af7651916cd43dd8448eb211c80319c"], ["short"]]
    table = {"name": "PrimaryResult", "columns": columns, "rows": rows}
    seen = look(json.dumps({"tables": [table]}))
    event = seen.event
    assert seen.parsed.report.format == "azure_log_analytics"
    assert (event["time_ns"], event["message"], event["severity"]) == (1795420800123456700, "no stock", 17)
    assert (event["trace_id"], event["json_pointer"]) == (rows[0][3], "/tables/0/rows/0")
    assert (seen.json_of(event), len(seen.quarantine)) == (rows[0], 1)
    flat = {"TableName": "AppTraces", "TimeGenerated": "2026-11-23T08:00:00Z", "Message": "m", "Level": "3"}
    assert look(json.dumps([flat])).event["severity"] == 13


def test_common_alert(look: Callable[..., Look]) -> None:
    essentials = {
        "alertRule": "cart 5xx",
        "severity": "Sev1",
        "monitorCondition": "Resolved",
        "firedDateTime": "2026-11-23T08:00:00.1234567Z",
        "resolvedDateTime": "2026-11-23T08:10:00Z",
        "description": "too many errors",
        "configurationItems": ["cart"],
    }
    body = {"schemaId": "azureMonitorCommonAlertSchema", "data": {"essentials": essentials}}
    event = look(json.dumps(body)).event
    assert (event["kind"], event["message"]) == ("alert", "cart 5xx Resolved: too many errors")
    assert (event["severity"], event["service"], event["end_time_ns"]) == (17, "cart", 1795421400 * 10**9)
