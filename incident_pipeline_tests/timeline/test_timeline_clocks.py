"""How far clocks are apart, what of that is used for the order, and what is only said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incident_pipeline.timeline import build_timeline
from incident_pipeline.timeline.skew import Bound, bound_pairs, compose, consensus
from incident_pipeline.timeline.ties import FAR, Ties
from incident_pipeline_tests.timeline.clock_rows import MILLI, SECOND, START, calls, records

if TYPE_CHECKING:
    from collections.abc import Callable

    from incident_pipeline.model.coverage import ClockEstimate
    from incident_pipeline.signals.tables import IncidentTables
    from incident_pipeline.timeline import BuiltTimeline

    Incident = Callable[..., IncidentTables]


def clocks(built: BuiltTimeline) -> dict[str, ClockEstimate]:
    return {estimate.clock: estimate for estimate in built.correction.estimates}


def rows_of(built: BuiltTimeline) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = built.table.to_pylist()
    return rows


@settings(deadline=None, max_examples=200)
@given(
    truth=st.integers(-1000, 1000),
    good=st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)), min_size=4, max_size=30),
    bad=st.lists(st.tuples(st.integers(-5000, 5000), st.integers(0, 300)), max_size=3),
)
def test_the_consensus_holds_the_truth_while_few_are_broken(
    truth: int, good: list[tuple[int, int]], bad: list[tuple[int, int]]
) -> None:
    bad = [(low, width) for low, width in bad if not low <= truth <= low + width][: len(good) // 4]
    low = np.array([truth - a for a, _ in good] + [at for at, _ in bad])
    high = np.array([truth + b for _, b in good] + [at + width for at, width in bad])
    start, end, inside = consensus(low, high)
    if (~inside).sum() * 2 >= len(bad):
        assert start <= truth <= end
    if not bad:
        assert (start, end) == (low.max(), high.min())
        assert inside.all()


def test_broken_ties_are_counted_and_not_averaged_in() -> None:
    good = [(-10, 10)] * 18
    start, end, inside = consensus(*np.array([*good, (900, 950), (-800, -700)]).T)
    assert (start, end) == (-10, 10)
    assert int((~inside).sum()) == 2


def test_offsets_are_what_all_paths_together_allow() -> None:
    bounds = {(0, 1): Bound(-1, 1, 5), (1, 2): Bound(-5, 5, 5), (0, 2): Bound(-8, 3, 5)}
    graph = compose(bounds, [(1, 1), (1, 1), (1, 1)])
    assert not graph.misfits
    assert set(graph.reference.values()) == {0}
    # Directly at least -3, by way of clock 1 at most 6.
    assert (graph.offsets[2].bound.low, graph.offsets[2].bound.high) == (-3, 6)


def test_a_bound_that_closer_ones_deny_is_a_misfit() -> None:
    bounds = {(0, 1): Bound(-1, 1, 9), (1, 2): Bound(-1, 1, 9), (0, 2): Bound(50, 90, 9)}
    graph = compose(bounds, [(1, 1)] * 3)
    assert graph.misfits == ((0, 2),)
    assert all(abs(offset.bound.middle) <= 2 for offset in graph.offsets.values())


def test_many_clocks_are_tied_by_the_closest_bounds() -> None:
    count = 300
    bounds = {(at, at + 1): Bound(-at - 1, at + 1, 3) for at in range(count - 1)}
    graph = compose(bounds, [(1, 1)] * count)
    assert len(graph.offsets) == count
    assert all(offset.bound.low <= 0 <= offset.bound.high for offset in graph.offsets.values())


def test_a_pair_without_close_ties_is_judged_by_loose_ones() -> None:
    unit = np.array([0, 0]), np.array([1, 1])
    low, high = np.array([-50, 900]), np.array([50, 1000])
    both = Ties(*unit, low, high, np.zeros(2, np.int64), np.array([0, 5], np.int8))
    bound = bound_pairs(both, np.arange(2))[0, 1]
    assert (bound.low, bound.high, bound.observations, bound.kinds) == (-50, 50, 1, ("span",))


def test_dft_1312_a_wrong_clock_is_found_and_the_order_put_right(incident: Incident) -> None:
    tables = incident(
        [*calls(ahead=-3 * SECOND), *records(ahead=-3 * SECOND), *calls(server="db-1", tag="u")]
    )
    built = build_timeline(tables)
    estimate = clocks(built)["api-1"]
    assert estimate.applied
    assert estimate.reference == "edge-1"
    assert estimate.low_ns <= -3 * SECOND <= estimate.high_ns
    assert estimate.high_ns - estimate.low_ns < 3 * MILLI
    by_id = {row["event_id"]: row for row in tables.events.to_pylist()}
    told = [by_id[row["event_id"]] for row in rows_of(built)]
    # In each call the client comes first, then the server, then its record.
    for number in range(20):
        names = [(row["kind"], row["host"]) for row in told if row["trace_id"] == f"t{number:031x}"]
        assert names == [("span", "edge-1"), ("span", "api-1"), ("log", "api-1")]


def test_dft_1264_stored_times_and_shown_times_never_change(incident: Incident) -> None:
    tables = incident([*calls(ahead=-3 * SECOND), *records(ahead=-3 * SECOND)])
    built = build_timeline(tables)
    stored = {row["event_id"]: row["time_ns"] for row in tables.events.to_pylist()}
    assert {row["event_id"]: row["time_ns"] for row in rows_of(built)} == stored
    assert all(entry.time_ns == stored[entry.hash] for entry in built.timeline.entries)


def test_dft_1314_each_entry_gets_the_offset_of_its_own_clock(incident: Incident) -> None:
    rows = [
        *calls(server="api-1", ahead=250 * MILLI),
        *calls(server="db-1", ahead=-2 * SECOND, tag="u"),
        *calls(server="auth-1", tag="v"),
    ]
    tables = incident(rows)
    correction = build_timeline(tables).correction
    shift = {
        row["host"]: by for row, by in zip(tables.events.to_pylist(), correction.shift.tolist(), strict=True)
    }
    assert shift["edge-1"] == shift["auth-1"] == 0
    assert abs(shift["api-1"] - 250 * MILLI) <= MILLI
    assert abs(shift["db-1"] + 2 * SECOND) <= MILLI


def test_dft_1148_an_inaccurate_clock_widens_the_interval(incident: Incident) -> None:
    tables = incident([*calls(ahead=-3 * SECOND), *calls(server="db-1", tag="u")])
    built = build_timeline(tables)
    hosts = {row["event_id"]: row["host"] for row in tables.events.to_pylist()}
    for row in rows_of(built):
        if hosts[row["event_id"]] == "api-1":
            truth = row["time_ns"] + 3 * SECOND
            assert row["interval_low_ns"] <= truth < row["interval_high_ns"]
            assert row["interval_high_ns"] - row["interval_low_ns"] > MILLI
        elif hosts[row["event_id"]] == "edge-1":
            assert row["interval_high_ns"] - row["interval_low_ns"] == 1


def test_dft_1149_places_within_the_inaccuracy_are_undetermined(incident: Incident) -> None:
    near = {"kind": "log", "host": "edge-1", "message": "near", "uri": "edge.log"}
    rows = [*calls(), near | {"time_ns": START + SECOND + MILLI + 300_000}]
    built = build_timeline(incident(rows))
    api = [row for row in rows_of(built) if row["order_basis"] == "undetermined"]
    # Only the server span 0.3 ms beside it: its clock is known to a millisecond.
    assert len(api) == 1
    assert abs(api[0]["time_ns"] - rows[-1]["time_ns"]) < MILLI
    # The others stand behind their callers because they were called, whatever the clocks say.
    bases = [row["order_basis"] for row in rows_of(built)]
    assert (bases.count("causal"), bases.count("clock")) == (19, 21)


def test_a_served_call_right_behind_its_caller_is_causal(incident: Incident) -> None:
    built = build_timeline(incident(calls(network=0)))
    assert {row["order_basis"] for row in rows_of(built)} == {"clock", "causal"}


def test_dft_1260_without_an_anchor_nothing_is_claimed(incident: Incident) -> None:
    built = build_timeline(incident([*calls(), *records(host=None, trace=False, ahead=-3 * SECOND)]))
    estimate = clocks(built)["logs/api.log"]
    assert not estimate.tied
    assert not estimate.applied
    assert "cannot tell" in estimate.basis
    assert (estimate.low_ns, estimate.high_ns) == (-FAR, FAR)
    assert not built.correction.shift.any()


def test_dft_1261_an_inaccurate_anchor_is_outvoted(incident: Incident) -> None:
    # Three hosts agree; the one that called them all is off.
    rows = [
        *calls(server="api-1", ahead=2 * SECOND),
        *calls(server="db-1", ahead=2 * SECOND, tag="u"),
        *calls(server="auth-1", ahead=2 * SECOND, tag="v"),
    ]
    found = clocks(build_timeline(incident(rows)))
    assert found["edge-1"].applied
    assert found["edge-1"].low_ns <= -2 * SECOND <= found["edge-1"].high_ns
    assert not any(found[name].applied for name in ("api-1", "db-1", "auth-1"))


def test_dft_1261_a_few_broken_pairs_are_reported_and_change_nothing(incident: Incident) -> None:
    # Every tenth parent link is wrong, or the child was started and not waited for.
    rows = calls(40, ahead=lambda number: 700 * MILLI if number % 10 == 3 else 0)
    estimate = clocks(build_timeline(incident(rows)))["edge-1"]
    other = clocks(build_timeline(incident(rows)))["api-1"]
    found = other if other.reference == "edge-1" else estimate
    assert (found.observations, found.broken) == (40, 4)
    assert not found.applied
    assert abs(found.offset_ns) < MILLI
    assert not found.contradicted


def test_dft_1262_stamps_that_were_not_written_together_are_no_offset(incident: Incident) -> None:
    alert = {"kind": "alert", "uri": "alerts.jsonl", "message": "Down firing"}
    chat = {"kind": "chat", "uri": "chat.json", "message": "[FIRING] Down: all is lost", "actor": "bot"}
    rows: list[dict[str, Any]] = []
    for number in range(4):
        at = START + number * 600 * SECOND
        attributes = {"labels.alertname": "Down", "status": "firing", "fingerprint": f"f{number}"}
        rows += [alert | {"time_ns": at, "attributes": attributes}, chat | {"time_ns": at + 40 * SECOND}]
    found = clocks(build_timeline(incident(rows)))
    assert not any(estimate.applied for estimate in found.values())
    late = next(estimate for estimate in found.values() if estimate.observations)
    assert late.low_ns <= 0 <= late.high_ns


def test_one_pair_alone_is_reported_and_not_applied(incident: Incident) -> None:
    found = clocks(build_timeline(incident([*calls(1, ahead=-SECOND)])))
    estimate = next(estimate for estimate in found.values() if estimate.observations)
    assert estimate.observations == 1
    assert not estimate.applied
    assert "Too few" in estimate.note


def test_dft_1267_a_clock_that_was_set_is_told_and_not_averaged(incident: Incident) -> None:
    rows = [
        *calls(40, ahead=lambda number: -2 * SECOND if number < 20 else 5 * SECOND),
        *calls(40, server="db-1", tag="u"),
    ]
    built = build_timeline(incident(rows))
    estimate = clocks(built)["api-1"]
    assert estimate.contradicted
    assert not estimate.applied
    assert "it was set: -2.000 s until" in estimate.note
    assert "+5.000 s from then on" in estimate.note
    assert estimate.low_ns < -SECOND
    assert estimate.high_ns > 4 * SECOND


def test_ties_that_disagree_without_a_step_are_contradicted(incident: Incident) -> None:
    rows = calls(40, ahead=lambda number: (number % 3) * SECOND)
    found = clocks(build_timeline(incident([*rows, *calls(40, server="db-1", tag="u")])))["api-1"]
    assert found.contradicted
    assert not found.applied
    assert "deny the offset of most" in found.note


def test_a_child_that_outlives_its_caller_bounds_one_side_only(incident: Incident) -> None:
    rows = calls()
    for row in rows[1::2]:
        row["end_time_ns"] += SECOND
    found = clocks(build_timeline(incident(rows)))
    estimate = next(estimate for estimate in found.values() if estimate.observations)
    assert not estimate.applied
    assert "one side" in estimate.note


def test_producers_and_consumers_tie_no_clocks(incident: Incident) -> None:
    rows = calls(ahead=SECOND)
    for row in rows:
        row["attributes"] = {"span.kind": "producer" if row["host"] == "edge-1" else "consumer"}
    assert not any(estimate.tied for estimate in build_timeline(incident(rows)).correction.estimates)


def test_an_artifact_that_is_off_as_a_whole_is_one_clock(incident: Incident) -> None:
    rows = [
        *calls(server="api-1"),
        *calls(server="db-1", tag="u"),
        *records(uri="logs/all.log", ahead=-3 * SECOND),
        *records(uri="logs/all.log", host="db-1", tag="u", ahead=-3 * SECOND),
        *records(uri="logs/all.log", host="lone-1", trace=False, ahead=-3 * SECOND),
    ]
    estimate = clocks(build_timeline(incident(rows)))["logs/all.log"]
    assert estimate.applied
    assert estimate.low_ns <= -3 * SECOND <= estimate.high_ns


def test_clocks_do_not_depend_on_the_order_of_artifacts(incident: Incident) -> None:
    parts = [calls(ahead=SECOND), records(ahead=SECOND), calls(server="db-1", tag="u", uri="other.jsonl")]
    one = build_timeline(incident([row for part in parts for row in part]))
    other = build_timeline(incident([row for part in reversed(parts) for row in part]))
    assert one.correction.estimates == other.correction.estimates
    assert one.table.equals(other.table)


@pytest.mark.parametrize("offset", [-3 * SECOND, 250 * MILLI, 40 * SECOND])
def test_an_access_log_that_names_traces_is_tied_by_them(incident: Incident, offset: int) -> None:
    rows = [*calls(), *calls(server="db-1", tag="u")]
    access = records(host=None, uri="access.log", ahead=offset)
    for row in access:
        row["span_id"] = None
    estimate = clocks(build_timeline(incident([*rows, *access])))["access.log"]
    assert estimate.applied
    assert estimate.low_ns <= offset <= estimate.high_ns
