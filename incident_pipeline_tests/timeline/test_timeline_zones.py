"""Zones: read, assumed, misread; whole quarters of an hour are proposed and never applied."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_pipeline.model.artifact import SealedArtifact
from incident_pipeline.parsers import Source, parse_artifact
from incident_pipeline.parsers.timestamps import parse_epoch, parse_time
from incident_pipeline.timeline import build_timeline
from incident_pipeline.timeline.skew import Bound
from incident_pipeline.timeline.ties import FAR
from incident_pipeline.timeline.zones import NEAR, QUARTER, misread_quarters, zone_text
from incident_pipeline_tests.timeline.clock_rows import HOUR, MILLI, SECOND, START, calls, records

if TYPE_CHECKING:
    from collections.abc import Callable

    from incident_pipeline.model.coverage import ClockEstimate
    from incident_pipeline.signals.tables import IncidentTables
    from incident_pipeline.timeline import BuiltTimeline

    Incident = Callable[..., IncidentTables]


def clock(built: BuiltTimeline, name: str) -> ClockEstimate:
    return next(estimate for estimate in built.correction.estimates if estimate.clock == name)


def parsed(stamps: list[str], timezone: str | None = None) -> list[tuple[int, str]]:
    """Parse one log record per stamp; give times and bases in source order."""
    data = "".join(json.dumps({"ts": stamp, "level": "info", "msg": "x"}) + "\n" for stamp in stamps).encode()
    artifact = SealedArtifact(
        sha256="0" * 64, size=len(data), stored_sha256="0" * 64, uri="a.jsonl", type="logs", source="app",
        timezone=timezone,
    )  # fmt: skip
    events = parse_artifact(data, Source.of(artifact, "identity")).events
    return list(zip(events["time_ns"].to_pylist(), events["time_basis"].to_pylist(), strict=True))


@given(quarters=st.integers(-96, 96), error=st.integers(-NEAR, NEAR), half=st.integers(0, SECOND))
def test_a_bound_near_a_quarter_is_that_quarter(quarters: int, error: int, half: int) -> None:
    middle = quarters * QUARTER + error
    found = misread_quarters(Bound(middle - half, middle + half, 5))
    assert found == (quarters or None)


@given(offset=st.integers(NEAR + SECOND + 1, QUARTER - NEAR - SECOND - 1), sign=st.sampled_from([1, -1]))
def test_a_bound_between_quarters_is_no_zone(offset: int, sign: int) -> None:
    assert misread_quarters(Bound(sign * offset - SECOND, sign * offset + SECOND, 5)) is None


def test_a_bound_that_holds_two_quarters_names_none() -> None:
    assert misread_quarters(Bound(QUARTER, 2 * QUARTER, 5)) is None


def test_of_a_bound_on_one_side_the_forced_side_counts() -> None:
    assert misread_quarters(Bound(HOUR - SECOND, HOUR - SECOND + FAR, 5)) == 4
    assert misread_quarters(Bound(-SECOND, FAR, 5)) is None


@pytest.mark.parametrize(("quarters", "text"), [(4, "+01:00"), (-14, "-03:30"), (23, "+05:45")])
def test_zones_are_written_as_incident_json_takes_them(quarters: int, text: str) -> None:
    assert zone_text(quarters) == text


def test_dft_1263_local_stamps_read_as_utc_are_proposed(incident: Incident) -> None:
    rows = [*calls(), *calls(server="db-1", tag="u"), *records(ahead=HOUR, basis="assumed_zone")]
    built = build_timeline(incident(rows))
    estimate = clock(built, "logs/api.log")
    assert estimate.zone_hours == 1.0
    assert not estimate.applied
    assert '"timezone" for logs/api.log' in estimate.note
    assert '"+01:00"' in estimate.note
    assert not built.correction.shift.any()


def test_dft_1313_a_zone_that_was_applied_already_is_proposed_too(incident: Incident) -> None:
    rows = [*calls(), *calls(server="db-1", tag="u"), *records(ahead=-2 * HOUR)]
    estimate = clock(build_timeline(incident(rows)), "logs/api.log")
    assert estimate.zone_hours == -2.0
    assert not estimate.applied
    assert "applied twice" in estimate.note


def test_dft_1266_rows_of_a_doubtful_zone_have_no_settled_place(incident: Incident) -> None:
    tables = incident(
        [*calls(), *calls(server="db-1", tag="u"), *records(ahead=30 * SECOND + HOUR - 30 * SECOND)]
    )
    built = build_timeline(tables)
    # Once read rightly they lie among the calls: that is not settled, and said of each of them.
    kinds = {row["event_id"]: row["kind"] for row in tables.events.to_pylist()}
    logs = [row for row in built.table.to_pylist() if kinds[row["event_id"]] == "log"]
    assert {row["order_basis"] for row in logs} == {"undetermined"}
    for row in logs:
        assert row["interval_low_ns"] <= row["time_ns"] - HOUR < row["time_ns"] < row["interval_high_ns"]


@pytest.mark.parametrize(("offset", "hours"), [(19800 * SECOND, 5.5), (20700 * SECOND, 5.75), (-HOUR, -1.0)])
def test_dft_1264_utc_and_local_time_confused(incident: Incident, offset: int, hours: float) -> None:
    rows = [*calls(), *calls(server="db-1", tag="u"), *records(ahead=offset + 2 * SECOND)]
    assert clock(build_timeline(incident(rows)), "logs/api.log").zone_hours == hours


def test_dft_1265_a_zone_that_changed_on_the_way_is_told(incident: Incident) -> None:
    rows = [
        *calls(40),
        *calls(40, server="db-1", tag="u"),
        *records(40, ahead=lambda number: 0 if number < 25 else HOUR),
    ]
    built = build_timeline(incident(rows))
    estimate = clock(built, "logs/api.log")
    assert estimate.contradicted
    assert not estimate.applied
    assert "+3600.0" in estimate.note
    assert estimate.low_ns <= 0 < HOUR <= estimate.high_ns + 20 * MILLI


def test_dft_1268_a_wrong_daylight_saving_setting_is_proposed(incident: Incident) -> None:
    # Winter, read as if daylight saving were on: the zone of incident.json is wrong by an hour.
    winter, _ = parsed(["2026-11-23 09:15:00"], "+02:00")[0]
    rightly, _ = parsed(["2026-11-23 09:15:00"], "Europe/Berlin")[0]
    assert rightly - winter == HOUR
    rows = [*calls(), *calls(server="db-1", tag="u"), *records(ahead=winter - rightly, basis="assumed_zone")]
    assert clock(build_timeline(incident(rows)), "logs/api.log").zone_hours == -1.0


def test_dft_1266_daylight_saving_is_the_zones_own_rule() -> None:
    summer, winter = parsed(["2026-07-01 12:00:00", "2026-12-01 12:00:00"], "Europe/Berlin")
    assert summer[0] == parse_time("2026-07-01T10:00:00Z").time_ns
    assert winter[0] == parse_time("2026-12-01T11:00:00Z").time_ns


def test_dft_1147_stamps_of_all_zones_are_one_time() -> None:
    stamps = ["2026-11-23T08:00:00Z", "2026-11-23T09:00:00+01:00", "2026-11-23T03:00:00-05:00"]
    assert len({time for time, _ in parsed(stamps)}) == 1


def test_dft_1269_the_offset_of_the_source_is_applied() -> None:
    ((time, basis),) = parsed(["2026-11-23 09:00:00"], "+01:00")
    assert time == parse_time("2026-11-23T08:00:00Z").time_ns
    assert basis != "explicit"
    # A stamp that names its own zone is not shifted once more.
    assert parsed(["2026-11-23T08:00:00Z"], "+01:00")[0] == (time, "explicit")


@pytest.mark.parametrize(
    "text", ["1795420000", "1795420000000", "1795420000000000", "1795420000000000000", "1795420000.000"]
)
def test_dft_1151_epochs_are_decoded_by_their_magnitude(text: str) -> None:
    assert parse_epoch(text).time_ns == START


def test_dft_1234_an_assumed_zone_is_said_of_each_time() -> None:
    assert [basis for _, basis in parsed(["2026-11-23 09:00:00", "2026-11-23T08:00:00Z"])] == [
        "assumed_zone", "explicit",
    ]  # fmt: skip


def entries(built: BuiltTimeline) -> list[dict[str, Any]]:
    return [entry.model_dump() for entry in built.timeline.entries]


def test_dft_1234_the_timeline_says_how_each_time_was_arrived_at(incident: Incident) -> None:
    built = build_timeline(
        incident([{"time_ns": START, "kind": "change", "message": "deploy", "time_basis": "assumed_zone"}])
    )
    assert entries(built)[0]["time_basis"] == "assumed_zone"
