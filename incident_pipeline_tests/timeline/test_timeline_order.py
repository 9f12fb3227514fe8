"""Order and its honesty. Names carry the ids of the SOLVE-IT weaknesses that a test guards against."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from incident_pipeline.timeline import TIMELINE, build_timeline, table_root
from incident_pipeline.timeline.order import UNIT_NS

if TYPE_CHECKING:
    from conftest import Incident

    from incident_pipeline.timeline import BuiltTimeline

SECOND = 1_000_000_000

ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "uri": st.sampled_from(["a.log", "b.log", "c.log"]),
            "time_ns": st.none() | st.integers(0, 3).map(lambda n: n * 500_000_000),
            "time_precision": st.sampled_from(["s", "ms", "us", "ns"]),
            "kind": st.sampled_from(["log", "span", "chat"]),
            "message": st.sampled_from([None, "x", "y"]),
            "trace_id": st.sampled_from([None, "t"]),
            "span_id": st.sampled_from([None, "a", "b"]),
            "parent_span_id": st.sampled_from([None, "a", "b"]),
        }
    ),
    max_size=25,
)


def ids(built: BuiltTimeline) -> list[str]:
    return built.table["event_id"].to_pylist()


def bases(built: BuiltTimeline) -> list[str]:
    return built.table["order_basis"].to_pylist()


def event(name: str, time_ns: int | None, **more: Any) -> dict[str, Any]:
    return {"event_id": name, "time_ns": time_ns, "message": name} | more


def span(name: str, time_ns: int, parent: str | None = None, **more: Any) -> dict[str, Any]:
    return event(name, time_ns, kind="span", trace_id="t", span_id=name, parent_span_id=parent, **more)


# Machines that run tests are shared: a deadline would measure their load.
@settings(deadline=None, max_examples=60)
@given(ROWS)
def test_dft_1308_no_entry_lost_and_dft_1310_none_added(
    incident: Incident, rows: list[dict[str, Any]]
) -> None:
    tables = incident(rows)
    built = build_timeline(tables)
    assert Counter(ids(built)) == Counter(tables.events["event_id"].to_pylist())
    assert built.table["position"].to_pylist() == list(range(len(rows)))
    assert built.timeline.total == len(rows)
    merged = [target for target in built.table["merged_into"].to_pylist() if target]
    assert built.timeline.merged == len(merged)
    assert set(merged) <= set(ids(built))
    # Nobody is merged into something that is merged itself.
    kept = {
        row["event_id"]
        for row in built.table.to_pylist()
        if row["merged_into"] is None and row["rule"] is None
    }
    assert set(merged) <= kept


@settings(deadline=None, max_examples=60)
@given(ROWS)
def test_dft_1309_entries_without_time_come_last_and_stay_without(
    incident: Incident, rows: list[dict[str, Any]]
) -> None:
    tables = incident(rows)
    built = build_timeline(tables)
    # What is subtracted for the order where a clock is found to be off.
    ahead = dict(zip(tables.events["event_id"].to_pylist(), built.correction.shift.tolist(), strict=True))
    times = [
        None if row["time_ns"] is None else row["time_ns"] - ahead[row["event_id"]]
        for row in built.table.to_pylist()
    ]
    timed = [time for time in times if time is not None]
    assert times == sorted(timed) + [None] * (len(times) - len(timed))


@settings(deadline=None, max_examples=60)
@given(ROWS, st.randoms(use_true_random=False))
def test_order_does_not_depend_on_how_artifacts_were_listed(
    incident: Incident, rows: list[dict[str, Any]], random: Any
) -> None:
    uris = ["a.log", "b.log", "c.log"]
    random.shuffle(uris)
    listed = [row for uri in uris for row in rows if row["uri"] == uri]
    ordinary = [row for uri in sorted(uris) for row in rows if row["uri"] == uri]
    one, other = build_timeline(incident(listed)), build_timeline(incident(ordinary))
    assert one.timeline == other.timeline
    assert one.table.equals(other.table)


def test_dft_1311_a_coarse_stamp_does_not_pretend_to_an_order(incident: Incident) -> None:
    built = build_timeline(
        incident(
            [
                event("coarse", 5 * SECOND, time_precision="s", uri="b.log"),
                event("early", 5 * SECOND - 1, uri="a.log"),
                event("within", 5 * SECOND + 400_000_000, uri="a.log"),
                event("after", 6 * SECOND, uri="a.log"),
            ]
        )
    )
    assert ids(built) == ["early", "coarse", "within", "after"]
    assert bases(built) == ["clock", "undetermined", "clock", "clock"]
    rows = built.table.to_pylist()
    assert (rows[1]["interval_low_ns"], rows[1]["interval_high_ns"]) == (5 * SECOND, 6 * SECOND)


def test_dft_1311_equal_stamps_of_two_artifacts_are_undetermined_both(incident: Incident) -> None:
    built = build_timeline(incident([event("a", 7, uri="a.log"), event("b", 7, uri="b.log")]))
    assert bases(built) == ["undetermined", "undetermined"]


def test_equal_stamps_of_one_artifact_keep_the_order_of_the_source(incident: Incident) -> None:
    built = build_timeline(incident([event(name, SECOND, time_precision="s") for name in "zyx"]))
    assert ids(built) == ["z", "y", "x"]
    assert bases(built) == ["clock", "source_order", "source_order"]


def test_equal_times_are_put_in_causal_order(incident: Incident) -> None:
    rows = [
        event("log of child", 9, trace_id="t", span_id="child", uri="logs.jsonl"),
        span("child", 9, "root"),
        span("root", 9),
    ]
    built = build_timeline(incident(rows))
    assert ids(built) == ["root", "child", "log of child"]
    assert built.table["depth"].to_pylist() == [0, 1, 2]
    assert bases(built)[1:] == ["causal", "causal"]


def test_dft_1312_a_child_before_its_parent_keeps_clock_order_and_says_so(incident: Incident) -> None:
    built = build_timeline(incident([span("root", 100), span("child", 60, "root")]))
    assert ids(built) == ["child", "root"]
    assert bases(built) == ["clock", "clock"]
    assert built.table["depth"].to_pylist() == [1, 0]


def test_links_in_a_circle_are_marked_and_lose_nothing(incident: Incident) -> None:
    built = build_timeline(incident([span("a", 5, "b"), span("b", 6, "a"), event("log", 7)]))
    assert ids(built) == ["a", "b", "log"]
    assert built.table["depth"].to_pylist() == [-1, -1, None]


def test_events_without_time_follow_their_source_and_feign_no_order_across(incident: Incident) -> None:
    rows = [event(name, None, uri=uri) for name, uri in [("a1", "a.log"), ("a2", "a.log"), ("b1", "b.log")]]
    built = build_timeline(incident([*rows, event("timed", 1, uri="a.log")]))
    assert ids(built)[0] == "timed"
    assert sorted(zip(ids(built), bases(built), strict=True)) == [
        ("a1", "undetermined"),
        ("a2", "source_order"),
        ("b1", "undetermined"),
        ("timed", "clock"),
    ]
    assert ids(built).index("a1") < ids(built).index("a2")


@settings(deadline=None, max_examples=60)
@given(ROWS)
def test_dft_1149_overlap_across_artifacts_is_never_called_clock_by_both(
    incident: Incident, rows: list[dict[str, Any]]
) -> None:
    tables = incident(rows)
    built = build_timeline(tables)
    artifact = dict(
        zip(tables.events["event_id"].to_pylist(), tables.events["artifact_uri"].to_pylist(), strict=True)
    )
    timed = [row for row in built.table.to_pylist() if row["time_ns"] is not None]
    for one in timed:
        for other in timed:
            overlap = (
                one["interval_low_ns"] < other["interval_high_ns"]
                and other["interval_low_ns"] < one["interval_high_ns"]
            )
            if overlap and artifact[one["event_id"]] != artifact[other["event_id"]]:
                assert {"undetermined", "causal"} & {one["order_basis"], other["order_basis"]}


def test_dft_1233_the_stamps_precision_is_the_entrys_uncertainty(incident: Incident) -> None:
    rows = [
        {"kind": "change", "time_ns": i * SECOND + 123_456_789, "time_precision": p, "message": p}
        for i, p in enumerate(UNIT_NS)
    ]
    entries = build_timeline(incident(rows)).timeline.entries
    assert [entry.time for entry in entries] == [
        "1970-01-01T00:00:00Z",
        "1970-01-01T00:00:01.123Z",
        "1970-01-01T00:00:02.123456Z",
        "1970-01-01T00:00:03.123456789Z",
    ]
    assert [entry.time_uncertainty_ns for entry in entries] == [SECOND, 1_000_000, 1_000, 1]


def test_a_time_of_unknown_precision_counts_as_a_second(incident: Incident) -> None:
    tables = incident([event("a", SECOND, kind="change")])
    at = tables.events.schema.get_field_index("time_precision")
    blank = tables.events.set_column(at, tables.events.schema.field(at), pa.nulls(1, pa.string()))
    built = build_timeline(type(tables)(blank, tables.samples, tables.series, tables.evidence))
    assert built.timeline.entries[0].time_uncertainty_ns == SECOND


def test_only_artifacts_of_the_incident_enter(incident: Incident) -> None:
    rows = [event("ours", 1, uri="a.log"), event("calm", 2, uri="calm.log")]
    built = build_timeline(incident(rows, references=["calm.log"]))
    assert ids(built) == ["ours"]
    assert built.timeline.total == 1


def test_no_events_give_an_empty_timeline(incident: Incident) -> None:
    built = build_timeline(incident([]))
    assert built.table.schema.equals(TIMELINE, check_metadata=True)
    assert built.timeline.entries == ()
    assert built.timeline.first_time is None


def test_merkle_root_covers_every_row_of_the_full_order(incident: Incident) -> None:
    rows = [event(name, i) for i, name in enumerate("abc")]
    built = build_timeline(incident(rows))
    assert built.timeline.merkle_root == table_root(built.table).hex()
    assert table_root(built.table.slice(1)).hex() != built.timeline.merkle_root
    other = build_timeline(incident([event(name, i) for i, name in enumerate("acb")]))
    assert other.timeline.merkle_root != built.timeline.merkle_root
