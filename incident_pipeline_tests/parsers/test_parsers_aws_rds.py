"""Amazon RDS: fixtures of ours, written from DescribeEvents and Performance Insights."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime

from conftest import Look


def test_events_in_both_cases(look: Callable[..., Look]) -> None:
    native = {
        "SourceIdentifier": "db-1",
        "SourceType": "db-instance",
        "Message": "Multi-AZ failover started",
        "EventCategories": ["failover"],
        "Date": "2026-11-23T08:00:00.123000+00:00",
    }
    snake = {
        "date": "2026-11-23T08:00:00Z",
        "message": "DB instance restarted",
        "source_identifier": "db-1",
        "source_type": "DB_INSTANCE",
        "event_categories": [],
    }
    for text, wanted, pointer in (
        (json.dumps({"Events": [native]}, indent=1), native, "/Events/0"),
        (json.dumps({"events": [snake]}), snake, "/events/0"),
    ):
        seen = look(text)
        assert seen.parsed.report.format == "rds_events"
        assert (seen.event["kind"], seen.event["service"]) == ("change", "db-1")
        assert (seen.json_of(seen.event), seen.event["json_pointer"]) == (wanted, pointer)
        moment = datetime.fromisoformat(str(wanted.get("Date") or wanted.get("date")))
        assert seen.event["time_ns"] == int(moment.timestamp()) * 10**9 + moment.microsecond * 1000
    assert look(json.dumps({"Events": [native]})).event["time_ns"] == 1795420800123000000


def test_performance_insights(look: Callable[..., Look]) -> None:
    document = {
        "db_instance_identifier": "db-1",
        "start_time": "2026-11-23T08:00:00Z",
        "top_sql": [{"statement": "select 1", "db_load_avg": 1.2, "wait_events": [{"name": "io"}]}, 7],
        "db_load": {
            "timestamps": ["2026-11-23T08:00:00Z", "2026-11-23T08:01:00Z"],
            "values": [1.5, None],
            "unit": "AAS",
        },
        "top_users": [{"id": "app", "db_load_avg": 0.5}],
    }
    seen = look(json.dumps(document))
    assert seen.parsed.report.format == "rds_performance_insights"
    assert [(row["time_ns"], row["value"]) for row in seen.samples] == [
        (1795420800 * 10**9, 1.5),
        (1795420860 * 10**9, None),
    ]
    assert [row["message"] for row in seen.events] == [
        "select 1 (average load 1.2)",
        "app (average load 0.5)",
    ]
    assert [seen.json_of(row) for row in seen.events] == [document["top_sql"][0], document["top_users"][0]]  # type: ignore[index]
    assert seen.series[0]["unit"] == "AAS"
    assert len(seen.quarantine) == 1
