from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Look


def test_postgresql(look: Callable[..., Look]) -> None:
    record = {
        "timestamp": "2026-11-23 08:05:32.864 UTC",
        "pid": 1,
        "session_id": "a.b",
        "error_severity": "FATAL",
        "message": "too many clients",
        "detail": "d",
        "hint": "h",
        "statement": "SELECT 1",
        "state_code": "53300",
    }
    seen = look(json.dumps(record) + "\nbroken\n")
    row = seen.event
    assert seen.parsed.report.format == "postgresql_json"
    assert seen.parsed.report.runner_up == "json_lines"
    assert (row["service"], row["severity"], row["severity_raw"], row["message"]) == (
        "postgresql",
        21,
        "FATAL",
        "too many clients",
    )
    assert row["time_ns"] == 1795421132864 * 10**6
    assert {row["attributes"][key] for key in ("detail", "hint", "statement")} == {"d", "h", "SELECT 1"}
    assert [seen.bytes_of(item) for item in seen.quarantine] == [b"broken"]
