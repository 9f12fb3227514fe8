from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_pipeline.errors import ConfigError
from incident_pipeline.parsers.timestamps import (
    format_time,
    leading_time,
    parse_epoch,
    parse_nanos,
    parse_time,
    parse_zone,
)

INT64 = st.integers(min_value=-(2**63) + 1, max_value=2**63 - 1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def ns(text: str) -> int:
    whole, _, fraction = text.removesuffix("Z").partition(".")
    seconds = int(datetime.fromisoformat(whole + "+00:00").timestamp())
    return seconds * 10**9 + int((fraction + "0" * 9)[:9])


@given(INT64.filter(bool))
def test_formatted_time_reads_back(time_ns: int) -> None:
    stamp = parse_time(format_time(time_ns))
    assert (stamp.time_ns, stamp.basis) == (time_ns, "explicit")


@given(st.datetimes(min_value=datetime(1700, 1, 1), max_value=datetime(2260, 1, 1)), st.integers(-1439, 1439))  # noqa: DTZ001 - the zone is added below
def test_agrees_with_datetime(local: datetime, minutes: int) -> None:
    aware = local.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    since = aware - EPOCH
    expected = (since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1000
    assert parse_time(aware.isoformat(timespec="microseconds")).time_ns == (expected or None)
    assert parse_time(aware.strftime("%Y-%m-%d %H:%M:%S.%f%z")).time_ns == (expected or None)


@given(st.integers(10**8, 9 * 10**9), st.text("0123456789", min_size=1, max_size=9))
def test_epoch_seconds_keep_every_digit(seconds: int, fraction: str) -> None:
    stamp = parse_epoch(f"{seconds}.{fraction}")
    assert stamp.time_ns == int(str(seconds) + fraction.ljust(9, "0"))
    assert stamp.precision == ("ms" if len(fraction) <= 3 else "us" if len(fraction) <= 6 else "ns")


@pytest.mark.parametrize(
    ("text", "time", "precision"),
    [
        ("1761019822", "2025-10-21T04:10:22Z", "s"),
        ("1761019822.3152757", "2025-10-21T04:10:22.3152757Z", "ns"),
        ("1761019822315", "2025-10-21T04:10:22.315Z", "ms"),
        ("1761019822315.275", "2025-10-21T04:10:22.315275Z", "us"),
        ("1761019822315275", "2025-10-21T04:10:22.315275Z", "us"),
        ("1761019822315275700", "2025-10-21T04:10:22.3152757Z", "ns"),
        ("1.761019822e9", "2025-10-21T04:10:22Z", "s"),
        ("2026-11-23T08:05:47.097Z", "2026-11-23T08:05:47.097Z", "ms"),
        ("2026-11-23t08:05:47z", "2026-11-23T08:05:47Z", "s"),
        ("2026-11-23 08:05:47,097 UTC", "2026-11-23T08:05:47.097Z", "ms"),
        ("2026/11/23 08:05:47 +0100", "2026-11-23T07:05:47Z", "s"),
        ("2026-11-23T08:05:47.1234567-08:00", "2026-11-23T16:05:47.1234567Z", "ns"),
        ("2026-11-23 08:05 PDT", "2026-11-23T15:05:00Z", "s"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z", "s"),
        ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z", "s"),
    ],
)
def test_explicit_times(text: str, time: str, precision: str) -> None:
    stamp = parse_time(text)
    assert (stamp.time_ns, stamp.precision, stamp.basis, stamp.raw) == (ns(time), precision, "explicit", text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "0.0",
        "0001-01-01T00:00:00Z",
        "1970-01-01T00:00:00Z",
        "12",
        "3976009.961550321",
        "2023-02-29 00:00:00",
        "2026-13-01T00:00:00Z",
        "2026-11-23T24:00:00Z",
        "23/11/2026 08:05:47",
        "yesterday",
        "9999999999999999999999",
        "2026-11-23 08:05:47 IST",
        "9999-12-31T00:00:00Z",
        "2026-11-23",
        "1e99",
    ],
)
def test_unknown_is_none_never_1970(text: str) -> None:
    stamp = parse_time(text)
    assert (stamp.time_ns, stamp.precision, stamp.basis) == (None, None, "none")


def test_times_without_zone_say_what_was_assumed() -> None:
    assert parse_time("2026-11-23 08:05:47")[:3] == (ns("2026-11-23T08:05:47Z"), "s", "assumed_zone")
    berlin = parse_zone("Europe/Berlin")
    assert parse_time("2026-07-01 08:00:00", berlin).time_ns == ns("2026-07-01T06:00:00Z")
    assert parse_time("2026-12-01 08:00:00", berlin).time_ns == ns("2026-12-01T07:00:00Z")
    assert parse_time("2026-11-23 08:05:47 IST", parse_zone("+05:30")).time_ns == ns("2026-11-23T02:35:47Z")


def test_zone_names() -> None:
    assert [parse_zone(name) for name in ("UTC", "z", "-02:00", "+0530", "PDT")] == [
        0,
        0,
        -7200,
        19_800,
        -25_200,
    ]
    with pytest.raises(ConfigError, match="Nowhere/Land"):
        parse_zone("Nowhere/Land")


def test_otlp_nanoseconds() -> None:
    assert parse_nanos("1795421137631975297")[:2] == (1795421137631975297, "ns")
    assert parse_nanos(1795421137631975297).raw == "1795421137631975297"
    unknown = [parse_nanos(value).time_ns for value in (None, "", "0", 0, "x", -1, "9" * 30)]
    assert unknown == [None] * 7


def test_leading_time() -> None:
    stamp = leading_time("[2026-11-23 08:05:47.5] [error] boom")
    assert stamp is not None
    assert stamp.raw == "2026-11-23 08:05:47.5"
    assert leading_time("2025-01-01 00:00:00.123456789:INFO:x").time_ns == ns(
        "2025-01-01T00:00:00.123456789Z"
    )  # type: ignore[union-attr]
    assert leading_time("at 2026-11-23 08:05:47") is None
