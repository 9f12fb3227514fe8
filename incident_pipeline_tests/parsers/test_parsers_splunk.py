"""Splunk: fixtures of ours, written from the documentation of search exports."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import datetime

from conftest import Look

_RESULT = {
    "_time": "2026-11-23T09:00:00.678+01:00",
    "_raw": "ERROR no stock",
    "host": "web-1",
    "source": "/var/log/cart.log",
    "sourcetype": "cart",
    "_indextime": "1795420806",
    "tag": ["a", "b"],
}


def test_an_export_in_json_lines(look: Callable[..., Look]) -> None:
    second = {"_time": "1795420801.123456", "_raw": 'level=warn msg="slow answer"', "host": "web-2"}
    text = "\n".join(
        json.dumps(line)
        for line in (
            {"preview": False, "offset": 0, "result": _RESULT},
            {"preview": False, "offset": 1, "result": second},
            {"preview": False, "lastrow": True},
        )
    )
    seen = look(text)
    assert seen.parsed.report.format == "splunk_json"
    first, warned, end = seen.events
    assert (first["message"], first["severity"], first["host"]) == ("no stock", 17, "web-1")
    moment = datetime.fromisoformat(_RESULT["_time"])  # type: ignore[arg-type]
    assert first["time_ns"] == int(moment.timestamp()) * 10**9 + 678_000_000
    assert (first["attributes"]["tag"], first["attributes"]["offset"]) == ('["a","b"]', "0")
    assert seen.json_of(first) == _RESULT
    assert (warned["message"], warned["severity"], warned["time_ns"]) == (
        "slow answer",
        13,
        1795420801123456000,
    )
    assert end["kind"] == "tool_output"


def test_results_of_a_job(look: Callable[..., Look]) -> None:
    seen = look(json.dumps({"preview": False, "init_offset": 0, "results": [_RESULT]}))
    assert seen.parsed.report.format == "splunk_json"
    assert (seen.event["json_pointer"], seen.event["severity_raw"]) == ("/results/0", "ERROR")


def test_csv_with_lines_inside_quotes(look: Callable[..., Look]) -> None:
    rows = [
        ["_time", "_raw", "host", "__mv_tag"],
        ["2026-11-23T08:00:00.678+0000", 'WARN first "line"\nat Cart.java:3', "web-1", ""],
        ["1795420801.5", "plain", "web-2", "$a$;$b$"],
    ]
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    seen = look(out.getvalue(), uri="export.csv")
    assert seen.parsed.report.format == "splunk_csv"
    first, second = seen.events
    assert first["message"].endswith('first "line"\nat Cart.java:3')
    assert (first["severity"], second["time_ns"], second["host"]) == (13, 1795420801500000000, "web-2")
    assert next(csv.reader([seen.bytes_of(first).decode()])) == rows[1]
    assert second["attributes"]["__mv_tag"] == "$a$;$b$"
