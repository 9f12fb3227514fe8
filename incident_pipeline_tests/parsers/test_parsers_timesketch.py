"""Timelines of other tools as evidence: times to the microsecond, messages as they are, ids kept."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Look

ROW: dict[str, Any] = {
    "message": "GET /cart -> 503",
    "datetime": "2026-11-23T08:00:00.123456+00:00",
    "timestamp": 1_795_420_800_123_456,
    "timestamp_desc": "Time of record",
}
OWN = ROW | {
    "data_type": "incident_pipeline:alert",
    "time_ns": "1795420800123456789",
    "time_end_ns": "1795420801000000000",
    "time_precision": "ns",
    "event_id": "ab" * 16,
    "artifact_uri": "alerts/a.json",
    "artifact_sha256": "cd" * 32,
    "byte_start": 5,
    "byte_end": 90,
    "kind": "alert",
    "service": "edge",
    "severity": 17,
    "trace_id": "0af7651916cd43dd8448eb211c80319c",
    "tag": ["key-entry"],
    "attributes": json.dumps({"status": "resolved", "labels.alertname": "Errors"}),
}


def lines(*rows: dict[str, Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_a_row_of_timesketch(look: Callable[..., Look]) -> None:
    seen = look(lines(ROW | {"hostname": "web-1", "username": "kim", "extra": {"a": 1}}))
    assert seen.parsed.report.format == "timesketch_jsonl"
    event = seen.event
    assert (event["kind"], event["message"]) == ("log", "GET /cart -> 503")
    assert (event["time_ns"], event["time_precision"]) == (1_795_420_800_123_456_000, "us")
    assert (event["host"], event["actor"]) == ("web-1", "kim")
    assert event["attributes"] == {"timestamp_desc": "Time of record", "extra.a": "1"}


def test_an_export_of_ours_gives_exact_times_kinds_and_ids_back(look: Callable[..., Look]) -> None:
    event = look(lines(OWN)).event
    assert (event["time_ns"], event["time_precision"]) == (1_795_420_800_123_456_789, "ns")
    assert event["end_time_ns"] == 1_795_420_801_000_000_000
    assert (event["kind"], event["service"], event["severity"]) == ("alert", "edge", 17)
    attributes = event["attributes"]
    assert attributes["event_id"] == OWN["event_id"]
    assert attributes["artifact_sha256"] == OWN["artifact_sha256"]
    assert (attributes["byte_start"], attributes["byte_end"]) == ("5", "90")
    assert (attributes["status"], attributes["labels.alertname"]) == ("resolved", "Errors")


def test_the_number_is_the_time_where_the_text_was_cut(look: Callable[..., Look]) -> None:
    seen = look(lines(ROW | {"datetime": "2026-11-23T08:00:00+00:00"}))
    assert seen.event["time_ns"] == 1_795_420_800_123_456_000
    assert "datetime" not in seen.event["attributes"]


def test_times_that_contradict_each_other_are_both_kept_and_told(look: Callable[..., Look]) -> None:
    seen = look(lines(ROW | {"datetime": "2026-11-23T09:00:00+00:00"}))
    assert seen.event["time_ns"] == 1_795_420_800_123_456_000
    assert seen.event["attributes"]["datetime"] == "2026-11-23T09:00:00+00:00"
    assert any("datetime and timestamp differ" in note for note in seen.parsed.report.assumptions)


@pytest.mark.parametrize("time", [{"datetime": None}, {"timestamp": None}])
def test_one_of_the_two_times_is_enough(look: Callable[..., Look], time: dict[str, None]) -> None:
    assert look(lines(ROW | time)).event["time_ns"] == 1_795_420_800_123_456_000


def test_a_forged_exact_time_does_not_count(look: Callable[..., Look]) -> None:
    event = look(lines(OWN | {"time_ns": "1795420900123456789"})).event
    assert event["time_ns"] == 1_795_420_800_123_456_000
    assert event["attributes"]["time_ns"] == "1795420900123456789"


def test_rows_of_plaso_are_read_too(look: Callable[..., Look]) -> None:
    row = {
        "__container_type__": "event", "data_type": "syslog:line", "hostname": "web-1", "message": "hi",
        "timestamp": 1_795_420_800_000_000, "timestamp_desc": "Content Modification Time",
        "date_time": {"__class_name__": "PosixTime", "timestamp": 1795420800},
    }  # fmt: skip
    seen = look(lines(row))
    assert seen.parsed.report.format == "timesketch_jsonl"
    assert seen.event["kind"] == "log"
    assert seen.event["attributes"]["date_time.timestamp"] == "1795420800"


def test_what_is_no_row_goes_to_quarantine_and_nothing_else_is_lost(look: Callable[..., Look]) -> None:
    seen = look(lines(ROW, ROW) + '{"message": "cut"}\n[1]\n' + lines(ROW), pin="timesketch_jsonl")
    assert len(seen.events) == 3
    assert [row["reason"] for row in seen.quarantine][:1] == ["no message, time or timestamp_desc"]


@pytest.mark.parametrize("attributes", ["no json", "[1]", '{"a": ', 5, None])
def test_attributes_that_are_no_object_stay(look: Callable[..., Look], attributes: object) -> None:
    event = look(lines(OWN | {"attributes": attributes})).event
    if isinstance(attributes, (str, int)):
        assert event["attributes"]["attributes"] == str(attributes)
    assert event["message"] == "GET /cart -> 503"


def test_ordinary_json_logs_are_none(look: Callable[..., Look]) -> None:
    rows = [{"message": "x", "timestamp": "2026-11-23T08:00:00Z", "level": "info"}] * 3
    assert look(lines(*rows)).parsed.report.format != "timesketch_jsonl"
