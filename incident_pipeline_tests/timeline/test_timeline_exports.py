"""The timeline for other tools: nothing lost, nothing added, nothing computed by a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from outage import alert, change, log, outage, said
from stored_results import store

from incident_pipeline.errors import ConfigError, MalformedInputError, MissingArtifactError
from incident_pipeline.parsers.table import write_table
from incident_pipeline.results import ResultsFolder
from incident_pipeline.serialise import write_json
from incident_pipeline.timeline.exports import FORMS, NOT_KEY, UNTIMED, Exported, export_timeline
from incident_pipeline.timeline.records import COLUMNS
from incident_pipeline.timeline.spreadsheet import cell, csv_line
from incident_pipeline.timeline.wall_clock import WallClock

if TYPE_CHECKING:
    from conftest import Incident

REPEAT = [
    log(5, "told twice") | {"uri": "logs/a.jsonl"},
    log(5, "told twice") | {"uri": "logs/b.jsonl"},
]
ROWS = [
    *REPEAT,
    change(1, "deploy", "api 1 -> 2"),
    alert(7),
    said(8, "=HYPERLINK(evil) rolling back", actor="U1"),
    log(9, "no time") | {"time_ns": None},
    log(10, "pool full", severity=17) | {"attributes": {"k": "v"}, "time_precision": "ms"},
]


@pytest.fixture
def folder(incident: Incident, tmp_path: Path) -> ResultsFolder:
    return store(incident(ROWS), tmp_path / "inc-1")[0]


def rows_of(folder: ResultsFolder, out: Path, **options: Any) -> tuple[Exported, list[dict[str, Any]]]:
    done = export_timeline(folder, out, "timesketch", **options)
    return done, [json.loads(line) for line in out.read_text().splitlines()]


def ids_of(folder: ResultsFolder) -> set[str]:
    return set(pq.read_table(folder.timeline_table)["event_id"].to_pylist())


def test_timesketch_has_the_fields_it_needs(folder: ResultsFolder, tmp_path: Path) -> None:
    done, rows = rows_of(folder, tmp_path / "t.jsonl", full=True)
    for row in rows:
        assert isinstance(row["message"], str)
        assert row["timestamp_desc"]
        moment = datetime.fromisoformat(row["datetime"])
        assert moment.utcoffset() is not None
        assert int(moment.timestamp() * 1_000_000) == row["timestamp"]
        assert int(row["time_ns"]) // 1_000 == row["timestamp"]
        assert isinstance(row["tag"], list)
    assert [row["position"] for row in rows] == sorted(row["position"] for row in rows)
    assert done.written == len(rows)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("full", [False, True])
def test_dft_1299_1308_1310_counts_are_reconciled(
    folder: ResultsFolder, tmp_path: Path, form: str, full: bool
) -> None:
    done = export_timeline(folder, tmp_path / "out", form, full=full)  # type: ignore[arg-type]  # one of FORMS
    assert done.total == len(ROWS)
    assert done.written + sum(done.left_out.values()) == done.total
    assert (NOT_KEY in done.left_out) is not full
    assert done.merged == 1


def test_dft_1309_rows_without_a_time_borrow_none_and_are_counted(
    folder: ResultsFolder, tmp_path: Path
) -> None:
    done, rows = rows_of(folder, tmp_path / "t.jsonl", full=True)
    assert done.left_out == {UNTIMED: 1}
    out = tmp_path / "t.csv"
    assert export_timeline(folder, out, "csv", full=True).left_out == {}
    untimed = [row for row in csv.DictReader(io.StringIO(out.read_text())) if not row["time"]]
    assert [row["message"] for row in untimed] == ["no time"]
    assert len({row["event_id"] for row in rows}) == len(ROWS) - 1


@pytest.mark.parametrize("form", ["csv", "json"])
def test_every_event_is_in_the_full_export_once(folder: ResultsFolder, tmp_path: Path, form: str) -> None:
    out = tmp_path / "out"
    export_timeline(folder, out, form, full=True)  # type: ignore[arg-type]  # one of FORMS
    rows = (
        json.loads(out.read_text())["rows"]
        if form == "json"
        else list(csv.DictReader(io.StringIO(out.read_text())))
    )
    assert len(rows) == len(ROWS)
    assert {row["event_id"] for row in rows} == ids_of(folder)


def test_merged_rows_name_the_row_they_stand_with(folder: ResultsFolder, tmp_path: Path) -> None:
    _, rows = rows_of(folder, tmp_path / "t.jsonl", full=True)
    (merged,) = [row for row in rows if "merged_into" in row]
    assert merged["merge_rule"] == "same_record"
    assert "merged" in merged["tag"]
    assert any(row["event_id"] == merged["merged_into"] for row in rows)


def test_key_entries_say_why_and_where(folder: ResultsFolder, tmp_path: Path) -> None:
    _, rows = rows_of(folder, tmp_path / "t.jsonl")
    row = next(row for row in rows if row["kind"] == "change")
    assert row["key_rule"] == "change"
    assert "key-entry" in row["tag"]
    assert row["message"] == "deploy by ci: api 1 -> 2"
    assert (row["artifact_uri"], row["line"], row["byte_start"], row["byte_end"]) == (
        "changes/c.jsonl", 1, 0, 99,
    )  # fmt: skip
    assert len(row["artifact_sha256"]) == 64


def test_the_whole_message_goes_out(incident: Incident, tmp_path: Path) -> None:
    long = "x" * 5_000
    folder, _ = store(incident([change(1, "deploy", long)]), tmp_path / "i")
    _, (row,) = rows_of(folder, tmp_path / "t.jsonl")
    assert row["message"] == f"deploy by ci: {long}"


def test_another_zone_stands_beside_utc(folder: ResultsFolder, tmp_path: Path) -> None:
    out, berlin = tmp_path / "out", WallClock.of("Europe/Berlin")
    export_timeline(folder, out, "csv", clock=berlin)
    row = next(csv.DictReader(io.StringIO(out.read_text())))
    assert row["time_in_Europe/Berlin"].startswith("2026-11-23T09:00:01")
    assert row["time_in_Europe/Berlin"].endswith("+01:00")
    assert row["time"].startswith("2026-11-23T08:00:01")
    export_timeline(folder, out, "markdown", clock=berlin)
    assert "- 09:00:01.000+01:00 (08:00:01.000 UTC) - **change**" in out.read_text()
    export_timeline(folder, out, "markdown", clock=berlin, full=True)
    assert re.search(r"^- ~?09:00:05\.000\+01:00 \(08:00:05\.000 UTC\) - ", out.read_text(), re.MULTILINE)


@pytest.mark.parametrize("form", ["timesketch", "json"])
def test_forms_with_utc_alone_refuse_a_zone(folder: ResultsFolder, tmp_path: Path, form: str) -> None:
    with pytest.raises(ConfigError, match="UTC only"):
        export_timeline(folder, tmp_path / "out", form, clock=WallClock.of("+02:00"))  # type: ignore[arg-type]  # one of FORMS
    assert not (tmp_path / "out").exists()


def test_key_entries_as_markdown_are_the_narrative(folder: ResultsFolder, tmp_path: Path) -> None:
    export_timeline(folder, tmp_path / "out.md", "markdown")
    assert (tmp_path / "out.md").read_text().startswith("# Timeline of INC-1\n")


def test_the_same_bytes_each_time(incident: Incident, tmp_path: Path) -> None:
    folder, _ = store(incident(outage(change(59, "deploy", "api 1 -> 2"))), tmp_path / "i")
    for form in FORMS:
        for name in ("a", "b"):
            export_timeline(folder, tmp_path / name, form, full=True)
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_an_order_of_other_events_is_refused_and_leaves_no_file(
    folder: ResultsFolder, incident: Incident, tmp_path: Path
) -> None:
    write_table(folder.events, incident(ROWS[:-1]).events)
    with pytest.raises(MalformedInputError, match="of which"):
        export_timeline(folder, tmp_path / "out", "csv")
    assert not (tmp_path / "out").exists()


def test_counts_of_another_timeline_are_refused(
    folder: ResultsFolder, incident: Incident, tmp_path: Path
) -> None:
    other = store(incident(ROWS[:2]), tmp_path / "other")[1]
    write_json(folder.timeline, other.timeline)
    with pytest.raises(MalformedInputError, match="the full order 7"):
        export_timeline(folder, tmp_path / "out", "csv")


def test_a_folder_without_a_timeline_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingArtifactError, match="timeline"):
        export_timeline(ResultsFolder(tmp_path), tmp_path / "out", "csv")


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1-1", "-1+1", "@SUM(A1)", "\t=1", " =1", "＝1", "a;=1", "a; -cmd|' /C calc'!A0", "\u202e=1"],  # noqa: RUF001 - a full-width sign is meant
)
def test_a_cell_is_never_a_formula(text: str) -> None:
    (row,) = csv.reader([csv_line([text])])
    for part in re.split(r"[;,|\t]", row[0]):
        assert not re.match(r"\s*[=+\-@＝]", part), row  # noqa: RUF001 - as above


@given(st.text())
def test_cells_hold_one_line_and_end_where_they_end(text: str) -> None:
    rows = list(csv.reader(io.StringIO(csv_line([text, 5, None]))))
    assert len(rows) == 1
    assert rows[0][1:] == ["5", ""]
    assert not rows[0][0].startswith(("=", "+", "@"))


def test_numbers_stay_numbers() -> None:
    assert cell("-5") == "-5"
    assert cell("1795420800123456789") == "1795420800123456789"


def test_the_columns_are_a_contract() -> None:
    assert COLUMNS[:3] == ("position", "time", "time_ns")
    assert {"event_id", "artifact_uri", "artifact_sha256", "byte_start", "byte_end"} <= set(COLUMNS)
