"""Telegraf's and collectd's JSON. The documents are ours, written from the manuals."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st
from record_fuzz import mutants
from sample_cover import check_covered, measured

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Look

METRICS = [
    {
        "fields": {"usage": 91.5, "count": 3},
        "name": "cpu",
        "tags": {"host": "db-1"},
        "timestamp": 1_700_000_000,
    },
    {
        "fields": {"usage": 4, "up": "ok"},
        "name": "cpu",
        "tags": {"host": "db-2"},
        "timestamp": 1_700_000_010_000,
    },
]
LINES = "\n".join(json.dumps(item) for item in METRICS) + "\n"
COLLECTD = json.dumps(
    [
        {
            "values": [1, 2.5], "dstypes": ["derive", "gauge"], "dsnames": ["rx", "tx"],
            "time": 1700000000.25, "interval": 10, "host": "web-1", "plugin": "interface",
            "plugin_instance": "eth0",
            "type": "if_octets", "type_instance": "",
        },
        {
            "values": [None], "dstypes": ["gauge"], "dsnames": ["value"], "time": 1700000010, "host": "web-1",
            "plugin": "load", "type": "load",
        },
    ]
)  # fmt: skip


def test_telegraf_on_lines_and_as_a_batch(look: Callable[..., Look]) -> None:
    expected = [
        ("cpu.usage", {"host": "db-1"}, 1_700_000_000 * 10**9, 91.5),
        ("cpu.count", {"host": "db-1"}, 1_700_000_000 * 10**9, 3.0),
        ("cpu.usage", {"host": "db-2"}, 1_700_000_010 * 10**9, 4.0),
    ]
    seen = look(LINES)
    assert (seen.parsed.report.format, seen.quarantine, measured(seen)) == ("telegraf_json", [], expected)
    assert [seen.json_of(row) for row in seen.samples] == [METRICS[0], METRICS[0], METRICS[1]]
    assert (seen.event["message"], seen.event["host"]) == ("cpu: usage=4 up=ok", "db-2")
    batch = look(json.dumps({"metrics": METRICS}))
    assert measured(batch) == expected
    assert batch.event["json_pointer"] == "/metrics/1"


def test_collectd_value_lists(look: Callable[..., Look]) -> None:
    seen = look(COLLECTD)
    assert (seen.parsed.report.format, seen.quarantine) == ("collectd_json", [])
    assert [(name, labels["dstype"], time, value) for name, labels, time, value in measured(seen)] == [
        ("interface.if_octets.rx", "derive", 1_700_000_000_250_000_000, 1.0),
        ("interface.if_octets.tx", "gauge", 1_700_000_000_250_000_000, 2.5),
        ("load.load", "gauge", 1_700_000_010_000_000_000, None),
    ]
    assert [seen.json_of(row) for row in seen.samples] == [json.loads(COLLECTD)[index] for index in (0, 0, 1)]


@given(
    mutants((LINES.encode(), COLLECTD.encode())), st.sampled_from(["telegraf_json", "collectd_json", None])
)
@settings(max_examples=200, deadline=None)
def test_damaged_documents_are_covered(look: Callable[..., Look], data: bytes, pin: str | None) -> None:
    seen = look(data, pin=pin)
    if seen.parsed.report.format == "telegraf_json" and b"metrics" not in data and data[:1] == b"{":
        check_covered(seen)
