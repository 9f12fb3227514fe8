"""The plain algorithm that the pipeline grew out of, on its own terms: ours gives the same sequence.

Gather (time, type, source, trace and span ids, message, hash) from all artifacts, drop what has equal hash
and normalised message, sort by time and then by causal depth: span parents in the same trace.
"""

from __future__ import annotations

import hashlib
import random
import re
from typing import TYPE_CHECKING, Any

from incident_pipeline.timeline import build_timeline

if TYPE_CHECKING:
    from conftest import Incident

MILLI = 1_000_000


def normalised(message: str) -> str:
    return re.sub(r"\s+", " ", message).strip()


def seed_timeline(events: list[dict[str, Any]]) -> list[str]:
    spans = {(e["trace_id"], e["span_id"]): e["parent"] for e in events if e["type"] == "span"}

    def depth(event: dict[str, Any]) -> int:
        if event["trace_id"] is None:
            return 0
        parent = event["parent"] if event["type"] == "span" else event["span_id"]
        steps = 0
        while parent is not None:
            steps += 1
            parent = spans.get((event["trace_id"], parent))
        return steps

    kept: dict[tuple[str, str], dict[str, Any]] = {}
    for event in events:
        kept.setdefault((event["hash"], normalised(event["message"])), event)
    ordered = sorted(kept.values(), key=lambda event: (event["time"], depth(event)))
    return [normalised(event["message"]) for event in ordered]


def evidence(seed: int) -> list[dict[str, Any]]:
    """Write traces, logs and chat of a cache incident; some log lines were collected twice."""
    draw = random.Random(seed)  # noqa: S311 - test data
    events: list[dict[str, Any]] = []

    def add(artifact: str, kind: str, time: int, message: str, **ids: str | None) -> None:
        trace, span, parent = (ids.get(name) for name in ("trace", "span", "parent"))
        told = f"{kind} {time} {message} {trace} {span}"
        events.append(
            {
                "artifact": artifact, "type": kind, "time": time, "message": message, "trace_id": trace,
                "span_id": span, "parent": parent, "hash": hashlib.sha256(told.encode()).hexdigest(),
            }
        )  # fmt: skip

    for trace in range(8):
        # All start within the same millisecond, children first: only their links tell them apart.
        for level in reversed(range(5)):
            parent = f"s{level - 1}" if level else None
            add("traces.json", "span", trace * 10, f"t{trace} level {level}", trace=f"t{trace}",
                span=f"s{level}", parent=parent)  # fmt: skip
    for line in range(60):
        add("edge.log", "log", 100 + line, f"purge request {line}")
    again = [
        event | {"artifact": "edge-copy.log", "message": f"  {event['message']} "} for event in events[-40:]
    ]
    add("chat.json", "chat", 95, "who is on call?")
    events += again
    draw.shuffle(events)
    return events


def test_the_seeds_algorithm_gives_the_same_sequence(incident: Incident) -> None:
    for seed in range(5):
        events = evidence(seed)
        tables = incident(
            {
                "uri": event["artifact"], "kind": event["type"], "time_ns": event["time"] * MILLI,
                "time_precision": "ms", "message": event["message"], "service": "edge",
                "trace_id": event["trace_id"], "span_id": event["span_id"], "parent_span_id": event["parent"],
            }
            for event in events
        )  # fmt: skip
        table = build_timeline(tables).table
        said = dict(
            zip(tables.events["event_id"].to_pylist(), tables.events["message"].to_pylist(), strict=True)
        )
        ours = [normalised(said[row["event_id"]]) for row in table.to_pylist() if row["merged_into"] is None]
        assert ours == seed_timeline(events)
        assert table.num_rows == len(events)
