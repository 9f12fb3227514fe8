from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

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
