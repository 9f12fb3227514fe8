"""A pod's log as one JSON text, and clusters of lines: fixtures of ours."""

from __future__ import annotations

import json
from collections.abc import Callable

from conftest import Look
from hypothesis import given
from hypothesis import strategies as st


def test_lines_of_a_pod(look: Callable[..., Look]) -> None:
    logs = '2026-11-23T08:00:00.5Z ERROR no "stock" \\n here\n\n{"level":"warn","msg":"slow"}\n'
    seen = look(json.dumps({"pod_name": "cart-7d9f8b6c5d-x2k4p", "namespace": "shop", "logs": logs}))
    assert seen.parsed.report.format == "pod_log"
    first, second = seen.events
    assert (first["time_ns"], first["severity"], first["message"]) == (
        1795420800500000000,
        17,
        'no "stock" \\n here',
    )
    assert (second["message"], second["severity"], second["attributes"]["namespace"]) == ("slow", 13, "shop")
    assert {(row["service"], row["host"]) for row in seen.events} == {("cart", "cart-7d9f8b6c5d-x2k4p")}
    # independently: the bytes, read as the inside of a JSON text, are the lines
    lines = [json.loads(b'"' + seen.bytes_of(row) + b'"') for row in seen.events]
    assert lines == [line for line in logs.split("\n") if line.strip()]


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=12), max_size=6))
def test_every_line_is_a_row(look: Callable[..., Look], lines: list[str]) -> None:
    seen = look(json.dumps({"pod_name": "p", "logs": "\n".join(lines)}), pin="pod_log")
    wanted = [line for line in "\n".join(lines).split("\n") if line.strip()]
    logs = [row for row in seen.events if row["kind"] == "log"]
    assert [json.loads(b'"' + seen.bytes_of(row) + b'"') for row in logs] == wanted
    # without a line the object itself is a row: the pod had logged nothing
    assert [row["kind"] for row in seen.events if row not in logs] == ([] if wanted else ["tool_output"])


def test_patterns_have_counts_and_no_times(look: Callable[..., Look]) -> None:
    patterns = [
        {"signature": "GET <1> failed", "service": "cart", "count": 412, "delta_vs_baseline": "+412"},
        {"signature": "ok", "service": "cart", "count": 3},
    ]
    seen = look(json.dumps(patterns))
    assert seen.parsed.report.format == "log_patterns"
    assert [(row["kind"], row["message"], row["time_ns"]) for row in seen.events] == [
        ("tool_output", "GET <1> failed", None),
        ("tool_output", "ok", None),
    ]
    assert [seen.json_of(row) for row in seen.events] == patterns
