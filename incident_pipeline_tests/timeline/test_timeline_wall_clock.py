"""Times of another zone: offset shown, daylight saving followed, digits kept."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_pipeline.errors import ConfigError
from incident_pipeline.timeline.moments import rfc3339
from incident_pipeline.timeline.wall_clock import WallClock


@pytest.mark.parametrize(
    ("zone", "utc", "local"),
    [
        ("UTC", "2026-11-23T08:00:00.123Z", "2026-11-23T08:00:00.123+00:00"),
        ("Europe/Berlin", "2026-11-23T23:30:00.123456789Z", "2026-11-24T00:30:00.123456789+01:00"),
        ("Europe/Berlin", "2026-07-01T08:00:00Z", "2026-07-01T10:00:00+02:00"),
        ("Asia/Kolkata", "2026-07-01T08:00:00Z", "2026-07-01T13:30:00+05:30"),
        ("-03:30", "2026-07-01T02:00:00.5Z", "2026-06-30T22:30:00.5-03:30"),
    ],
)
def test_full(zone: str, utc: str, local: str) -> None:
    assert WallClock.of(zone).full(utc) == local


def test_dft_1266_1268_the_hour_that_comes_twice_is_told_apart_by_its_offset() -> None:
    berlin = WallClock.of("Europe/Berlin")
    assert berlin.time("2026-10-25T00:30:00Z") == "02:30:00+02:00"
    assert berlin.time("2026-10-25T01:30:00Z") == "02:30:00+01:00"


def test_time_of_day_ends_at_milliseconds() -> None:
    clock = WallClock.of("+01:00")
    assert clock.time("2026-11-23T08:00:00.123456Z") == "09:00:00.123+01:00"
    assert clock.time("2026-11-23T08:00:00Z") == "09:00:00+01:00"


def test_an_unknown_zone_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ConfigError, match="no time zone"):
        WallClock.of("Middle/Earth")


@given(st.integers(0, 4_000_000_000), st.sampled_from(["Europe/Berlin", "America/New_York", "+05:45"]))
def test_the_moment_stays_the_same(second: int, zone: str) -> None:
    utc = rfc3339(second * 1_000_000_000, 1_000_000_000)
    assert int(datetime.fromisoformat(WallClock.of(zone).full(utc)).timestamp()) == second
