"""Weaknesses that SOLVE-IT lists for timelines, one test per id: what must not happen to the rows."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers import Source, parse_artifact
from incident_pipeline.timeline import build_timeline, narrative, table_root
from incident_pipeline.timeline.selection import LIMIT

if TYPE_CHECKING:
    from conftest import Incident

    from incident_pipeline.timeline import BuiltTimeline

SECOND = 1_000_000_000


def log(name: str, time_ns: int | None, uri: str = "a.log", message: str = "", **more: Any) -> dict[str, Any]:
    row = {"event_id": name, "time_ns": time_ns, "uri": uri, "message": message or name, "service": "api"}
    return row | {"severity": 17} | more


def twice(count: int = 6) -> list[dict[str, Any]]:
    """Write records that two artifacts hold, one that only the second has, and one without a time."""
    rows = [
        log(f"{uri}{at}", at * SECOND, uri, f"said {at}") for uri in ("a.log", "b.log") for at in range(count)
    ]
    return [*rows, log("alone", 3 * SECOND, "b.log"), log("untimed", None)]


def parsed(text: str) -> list[dict[str, Any]]:
    source = Source("0" * 64, "logs/app.log", "logs", "app")
    rows: list[dict[str, Any]] = parse_artifact(text.encode(), source).events.to_pylist()
    return rows


def kept_and_merged(built: BuiltTimeline) -> tuple[list[str], list[str]]:
    rows = built.table.to_pylist()
    kept = [row["event_id"] for row in rows if row["merged_into"] is None]
    return kept, [row["event_id"] for row in rows if row["merged_into"] is not None]


def test_dfw_1308_no_entry_is_lost_in_sorting(incident: Incident) -> None:
    kept, merged = kept_and_merged(build_timeline(incident(twice())))
    assert set(kept) | set(merged) == {row["event_id"] for row in twice()}
    assert not set(kept) & set(merged)
    assert len(merged) == 6


def test_dfw_1309_entries_without_a_time_are_kept(incident: Incident) -> None:
    built = build_timeline(incident(twice()))
    last = built.table.to_pylist()[-1]
    assert (last["event_id"], last["time_ns"], last["order_basis"]) == ("untimed", None, "undetermined")
    assert built.timeline.untimed == 1


def test_dfw_1310_no_entry_is_added(incident: Incident) -> None:
    built = build_timeline(incident(twice()))
    assert Counter(built.table["event_id"].to_pylist()) == Counter(row["event_id"] for row in twice())
    assert built.timeline.total == len(twice())


def test_dfw_1311_resolution_of_a_stamp_feigns_no_order(incident: Incident) -> None:
    rows = [
        log("second", 5 * SECOND, time_precision="s"),
        log("milli", 5 * SECOND + 1, "b.log", time_precision="ms"),
    ]
    table = build_timeline(incident(rows)).table.to_pylist()
    assert [row["order_basis"] for row in table if row["event_id"] == "second"] == ["undetermined"]


def test_dfw_1144_what_looks_like_no_time_at_first_is_found() -> None:
    rows = parsed("2026-01-16T10:27:03,123456789+02:00 ERROR pool exhausted\n")
    assert [row["time_ns"] for row in rows] == [1768552023123456789]


def test_dfw_1145_every_timestamp_is_extracted_or_said_to_be_missing() -> None:
    rows = parsed("".join(f"2026-01-16T10:27:0{at}Z INFO line {at}\n" for at in range(5)) + "no time here\n")
    assert len(rows) in (5, 6)
    assert sum(row["time_ns"] is not None for row in rows) == 5
    assert "no time here" in "\n".join(row["message"] for row in rows)


def test_dfw_1146_order_that_is_not_a_time_is_used(incident: Incident) -> None:
    rows = [log(name, SECOND, time_precision="s") for name in ("third", "second", "first")]
    span = {"kind": "span", "trace_id": "t", "time_ns": 9 * SECOND, "uri": "s.json"}
    rows += [
        span | {"event_id": "child", "span_id": "c", "parent_span_id": "p"},
        span | {"event_id": "root", "span_id": "p"},
    ]
    table = build_timeline(incident(rows)).table.to_pylist()
    assert [row["event_id"] for row in table] == ["third", "second", "first", "root", "child"]
    assert [row["order_basis"] for row in table][1:3] == ["source_order", "source_order"]
    assert table[-1]["order_basis"] == "causal"


def flood(count: int = 500) -> list[dict[str, Any]]:
    """Write a flood of equal errors, and among them one deploy, one alert and one message of a person."""
    rows = [log(f"flood{at}", at * SECOND, message="upstream timed out") for at in range(count)]
    told = {"uri": "told.json", "time_ns": 250 * SECOND}
    return [
        *rows,
        told | {"event_id": "deploy", "kind": "change", "message": "deploy api 1.2"},
        told | {"event_id": "alert", "kind": "alert", "message": "Slow", "attributes": {"status": "firing"}},
        told | {"event_id": "person", "kind": "chat", "message": "rolling back", "actor": "ann"},
    ]


def test_dfw_1295_the_filter_is_not_too_strict(incident: Incident) -> None:
    shown = {entry.hash for entry in build_timeline(incident(flood())).timeline.entries}
    assert {"deploy", "alert", "person", "flood0"} <= shown


def test_dfw_1296_what_is_not_shown_is_still_there(incident: Incident) -> None:
    built = build_timeline(incident(flood()))
    hidden = {row["event_id"] for row in flood()} - {entry.hash for entry in built.timeline.entries}
    assert hidden
    assert hidden <= set(built.table["event_id"].to_pylist())


def test_dfw_1297_the_filter_is_not_too_broad(incident: Incident) -> None:
    kinds = [
        log(f"n{at}", at * SECOND, message=f"kind {chr(97 + at % 26)}{chr(97 + at // 26)} failed")
        for at in range(300)
    ]
    assert build_timeline(incident([*flood(), *kinds])).timeline.shown <= LIMIT


def test_dfw_1298_repeats_do_not_crowd_the_entries(incident: Incident) -> None:
    entries = build_timeline(incident(flood())).timeline.entries
    assert sum(entry.message == "upstream timed out" for entry in entries) <= 2


def test_dfw_1299_a_filtered_timeline_says_that_it_is_one(incident: Incident) -> None:
    timeline = build_timeline(incident(flood())).timeline
    assert (timeline.shown, timeline.total) == (len(timeline.entries), len(flood()))
    assert re.search(rf"\b{timeline.shown}\b.* of \b{timeline.total}\b", narrative(timeline))
    assert timeline.kinds["log"].total == 500


def test_dfw_1232_a_timestamp_is_extracted_from_every_entry() -> None:
    rows = parsed("".join(f"2026-01-16T10:27:{at:02}Z WARN line {at}\n" for at in range(60)))
    assert [row["time_ns"] // SECOND % 60 for row in rows] == list(range(60))


@pytest.mark.parametrize(("line", "severity"), [("ERROR", 17), ("WARN", 13), ("INFO", 9)])
def test_dfw_1235_the_type_of_an_entry_is_extracted(line: str, severity: int) -> None:
    rows = parsed(f"2026-01-16T10:27:03Z {line} pool exhausted\n" * 2)
    assert {(row["kind"], row["severity"]) for row in rows} == {(Kind.LOG.value, severity)}


def test_dfw_1236_an_unknown_type_is_kept_as_it_was_read() -> None:
    rows = parsed('{"time":"2026-01-16T10:27:03Z","level":"SEVERE-9","msg":"x"}\n' * 2)
    assert {row["severity_raw"] for row in rows} == {"SEVERE-9"}


def test_dfw_1128_a_changed_row_does_not_fit_the_root_kept_elsewhere(incident: Incident) -> None:
    built = build_timeline(incident(twice()))
    at = built.table.schema.get_field_index("time_ns")
    changed = built.table.set_column(
        at, built.table.schema.field(at), built.table["time_ns"].combine_chunks().fill_null(1)
    )
    assert table_root(built.table).hex() == built.timeline.merkle_root
    assert table_root(changed).hex() != built.timeline.merkle_root


def test_dfw_1152_the_report_names_every_entry(incident: Incident) -> None:
    timeline = build_timeline(incident(flood())).timeline
    text = narrative(timeline)
    assert all(entry.message.split()[0] in text for entry in timeline.entries)


def test_dfw_1153_what_cannot_be_rendered_plainly_is_shown_all_the_same(incident: Incident) -> None:
    hostile = "<script>alert(1)</script> | \x1b[31m\u202e `x` **y**"
    rows = [{"event_id": "odd", "kind": "chat", "time_ns": 1, "message": hostile, "actor": "ann"}]
    text = narrative(build_timeline(incident(rows)).timeline)
    assert "alert(1)" in text
    assert not re.search(r"(?<!\\)<script", text)
    assert "\x1b" not in text
