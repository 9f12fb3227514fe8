from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incident_pipeline.timeline import span_index
from incident_pipeline.timeline.causality import CYCLIC, NO_ROW, UNLINKED, link

if TYPE_CHECKING:
    from conftest import Incident


def span(span_id: str, parent: str | None = None, trace: str = "t1", **more: Any) -> dict[str, Any]:
    return {
        "kind": "span",
        "trace_id": trace,
        "span_id": span_id,
        "parent_span_id": parent,
        "time_ns": 1,
    } | more


def depths(incident: Incident, *rows: dict[str, Any]) -> list[int]:
    return link(incident(rows).events).depth.tolist()


def test_depth_counts_parents_whatever_the_order_of_rows(incident: Incident) -> None:
    rows = [span("c", "b"), span("a"), span("b", "a"), span("d", "c")]
    assert depths(incident, *rows) == [2, 0, 1, 3]


def test_equal_span_ids_of_other_traces_are_other_spans(incident: Incident) -> None:
    rows = [span("a"), span("b", "a"), span("b", trace="t2"), span("c", "b", trace="t2")]
    assert depths(incident, *rows) == [0, 1, 0, 1]


def test_logs_and_span_events_hang_one_below_their_span(incident: Incident) -> None:
    rows = [
        span("a"),
        span("b", "a"),
        {"kind": "log", "trace_id": "t1", "span_id": "b", "time_ns": 1},
        {"kind": "span_event", "trace_id": "t1", "span_id": "a", "time_ns": 1},
        {"kind": "log", "trace_id": "t1", "time_ns": 1},
        {"kind": "log", "time_ns": 1},
    ]
    assert depths(incident, *rows) == [0, 1, 2, 1, UNLINKED, UNLINKED]


def test_a_parent_that_was_not_collected_counts_as_one(incident: Incident) -> None:
    links = link(incident([span("b", "gone"), span("c", "b"), {"trace_id": "t1", "span_id": "gone"}]).events)
    assert links.depth.tolist() == [1, 2, 1]
    assert links.parent.tolist() == [NO_ROW, 0, NO_ROW]


def test_an_empty_or_all_zero_parent_is_no_parent(incident: Incident) -> None:
    assert depths(incident, span("a", ""), span("b", "0" * 16)) == [0, 0]


def test_cycles_end_and_are_marked_with_all_that_hangs_on_them(incident: Incident) -> None:
    rows = [span("a", "b"), span("b", "a"), span("c", "b"), span("s", "s"), span("ok")]
    log = {"kind": "log", "trace_id": "t1", "span_id": "c", "time_ns": 1}
    assert depths(incident, *rows, log) == [CYCLIC, CYCLIC, CYCLIC, CYCLIC, 0, CYCLIC]


def test_no_spans_at_all(incident: Incident) -> None:
    assert depths(incident) == []
    assert depths(incident, {"message": "a"}) == [UNLINKED]


# Machines that run tests are shared: a deadline would measure their load.
@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(-1, 30), min_size=1, max_size=31))
def test_depth_equals_walking_up(incident: Incident, parents: list[int]) -> None:
    rows = [span(f"s{i}", f"s{p}" if p >= 0 else None) for i, p in enumerate(parents)]

    def walk(at: int) -> int:
        steps = 0
        while parents[at] >= 0:
            steps += 1
            if parents[at] >= len(parents):
                return steps
            at = parents[at]
            if steps > len(parents):
                return CYCLIC
        return steps

    assert link(incident(rows).events).depth.tolist() == [walk(i) for i in range(len(parents))]


def trace_of(parents: list[int | None], width: int = 16) -> pa.Table:
    ids = [f"{at:0{width}x}" for at in range(1, len(parents) + 1)]
    return pa.table(
        {
            "kind": ["span"] * len(ids),
            "artifact_sha256": ["a"] * len(ids),
            "trace_id": ["7" * 32] * len(ids),
            "span_id": ids,
            "parent_span_id": pa.array([None if up is None else ids[up] for up in parents], pa.string()),
        }
    )


@pytest.mark.parametrize("count", [10, 100_000])
def test_a_chain_is_as_deep_as_it_is_long(count: int) -> None:
    depth = link(trace_of([None, *range(count - 1)])).depth
    assert depth.tolist() == list(range(count))


def test_a_trace_of_100_000_spans_with_a_circle_far_down_ends() -> None:
    parents: list[int | None] = [at // 3 if at else None for at in range(100_000)]
    parents[50_000] = 50_001
    parents[50_001] = 50_000
    depth = link(trace_of(parents)).depth
    assert np.flatnonzero(depth == CYCLIC).tolist() == [50_000, 50_001]
    assert depth.max() == 11


@pytest.mark.parametrize("width", [1, 8, 16, 31, 32, 33, 80])
def test_ids_of_any_length_link(width: int) -> None:
    assert link(trace_of([None, 0, 1], width)).depth.tolist() == [0, 1, 2]


@pytest.mark.parametrize("good_salt", [1, None])
def test_spans_whose_keys_collide_are_told_apart(
    monkeypatch: pytest.MonkeyPatch, good_salt: int | None
) -> None:
    honest = span_index._keys

    def colliding(trace: Any, span: Any, salt: int) -> Any:
        return honest(trace, span, salt) if salt == good_salt else np.zeros(len(trace), np.uint64)

    monkeypatch.setattr(span_index, "_keys", colliding)
    links = link(trace_of([None, 0, 1, 0, 3]))
    assert links.depth.tolist() == [0, 1, 2, 1, 2]
    assert links.parent.tolist() == [NO_ROW, 0, 1, 0, 3]
