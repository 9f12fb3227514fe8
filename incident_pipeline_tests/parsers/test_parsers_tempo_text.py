"""Tempo as text: fixtures of ours, written from the shapes that tools print."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from conftest import Look

_TREE = """Trace (traceID=0af7651916cd43dd8448eb211c80319c)
├─ GET /cart (gateway) - 12.5ms (span_id=1)
│  Datetime: start=2026-11-23T08:00:00.100Z end=2026-11-23T08:00:00.112Z
│  Resource labels: k8s.pod.name='gw 0' node='n1'
│  Attributes:
│    http.status_code: 500
│  ├─ SELECT (db) - 2ms (span_id=2)
│  │  Datetime: start=2026-11-23T08:00:00.105Z end=2026-11-23T08:00:00.107Z
│  └─ SET (cache) - 900us (span_id=3)
└─ audit (gateway) - 1ms (span_id=4)
"""


def test_a_tree_gives_parents_by_depth(look: Callable[..., Look]) -> None:
    seen = look(_TREE)
    assert seen.parsed.report.format == "tempo_text"
    head, root, db, cache, audit = seen.events
    assert head["kind"] == "tool_output"
    assert {row["trace_id"] for row in seen.events} == {"0af7651916cd43dd8448eb211c80319c"}
    assert [row["parent_span_id"] for row in (root, db, cache, audit)] == [
        None,
        root["span_id"],
        root["span_id"],
        None,
    ]
    moment = datetime.fromisoformat("2026-11-23T08:00:00.100+00:00")
    assert root["time_ns"] == int(moment.timestamp()) * 10**9 + 100_000_000 == 1795420800100000000
    assert (root["service"], root["message"], root["end_time_ns"]) == (
        "gateway",
        "GET /cart",
        1795420800112000000,
    )
    attributes = root["attributes"]
    assert (attributes["resource.k8s.pod.name"], attributes["http.status_code"]) == ("gw 0", "500")
    assert (cache["time_ns"], cache["attributes"]["duration"]) == (None, "900us")
    # together the rows cover every line
    assert " ".join(seen.bytes_of(row).decode() for row in seen.events).split() == _TREE.split()


def test_a_search_lists_traces(look: Callable[..., Look]) -> None:
    text = (
        "found 2\nTrace (traceID=abc) (durationMs=120)\n"
        "\tstartTime=2026-11-23T08:00:00.5Z rootServiceName=gateway rootTraceName=GET /cart\n"
        "Trace (traceID=def) (durationMs=7)\n\tstartTime=? rootServiceName=gateway rootTraceName=x\n"
    )
    seen = look(text)
    first, second = seen.events
    assert (first["trace_id"], first["service"], first["message"]) == (
        "0000000000000abc",
        "gateway",
        "GET /cart",
    )
    assert first["end_time_ns"] - first["time_ns"] == 120_000_000
    assert second["time_ns"] is None
    assert [seen.bytes_of(row) for row in seen.quarantine] == [b"found 2"]
