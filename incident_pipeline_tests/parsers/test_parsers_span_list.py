from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Look


def test_flat_spans_and_monitor_alerts(look: Callable[..., Look]) -> None:
    spans = [
        {
            "trace_id": "AB" * 16,
            "span_id": "a1",
            "parent_id": None,
            "service": "web",
            "name": "POST /x",
            "start": "2026-09-22T11:06:30Z",
            "duration_ms": 4150.5,
            "status": "ERROR",
            "error": "boom",
        }
    ]
    row = look(json.dumps(spans)).event
    assert (row["kind"], row["message"], row["service"], row["severity"], row["trace_id"]) == (
        "span",
        "POST /x",
        "web",
        17,
        "ab" * 16,
    )
    assert row["end_time_ns"] - row["time_ns"] == 4150500000
    assert (row["attributes"]["status.code"], row["attributes"]["status.message"]) == ("error", "boom")
    fired = {
        "service": "pay",
        "metric": "err",
        "threshold": 0.05,
        "observed": 0.7,
        "fired_at": "2026-06-20T10:41:00Z",
        "severity": "critical",
        "monitor": "m",
        "summary": "bad",
    }
    alerted = look(json.dumps(fired, indent=2)).event
    assert (alerted["kind"], alerted["service"], alerted["severity"], alerted["message"]) == (
        "alert",
        "pay",
        18,
        "bad",
    )
    assert alerted["attributes"] == {
        "metric": "err",
        "threshold": "0.05",
        "observed": "0.7",
        "monitor": "m",
        "status": "firing",
    }
