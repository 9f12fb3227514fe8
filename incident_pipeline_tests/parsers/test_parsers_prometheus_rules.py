from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Look


def test_rules_and_alerts(look: Callable[..., Look]) -> None:
    alert = {
        "labels": {"alertname": "Down", "job": "api"},
        "annotations": {"summary": "s"},
        "state": "firing",
        "activeAt": "2026-11-23T08:00:00Z",
        "value": "1",
    }
    rule = {
        "name": "Down",
        "query": "up == 0",
        "state": "firing",
        "labels": {"service": "api"},
        "alerts": [alert],
        "lastEvaluation": "2026-11-23T08:00:01.5Z",
        "type": "alerting",
    }
    quiet = {"name": "job:x", "query": "sum(x)", "type": "recording"}
    rules = look(
        json.dumps(
            {"status": "success", "data": {"groups": [{"name": "g", "file": "f", "rules": [rule, quiet]}]}}
        )
    )
    assert rules.parsed.report.format == "prometheus_rules"
    first, second, third = rules.events
    assert [row["kind"] for row in rules.events] == ["object_state", "alert", "object_state"]
    assert (first["message"], first["service"], first["attributes"]["group"]) == ("Down: up == 0", "api", "g")
    assert rules.json_of(second) == alert
    assert second["json_pointer"] == "/data/groups/0/rules/0/alerts/0"
    assert rules.json_of(third) == quiet
    alerts = look(json.dumps({"status": "success", "data": {"alerts": [alert]}}))
    row = alerts.event
    assert (row["kind"], row["message"], row["service"], row["attributes"]["status"]) == (
        "alert",
        "Down firing: s",
        "api",
        "firing",
    )
    assert alerts.json_of(row) == alert
