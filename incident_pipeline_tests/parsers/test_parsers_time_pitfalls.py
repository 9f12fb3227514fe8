"""One test per pitfall of reading times; expected values are from the standard library or counted by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from incident_pipeline.parsers import Assume, Source, parse_artifact
from incident_pipeline.parsers.clock import Clock
from incident_pipeline.parsers.line_format import compile_verbose
from incident_pipeline.parsers.timestamps import leading_time, parse_slashed, parse_time, parse_zone

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Look

SECOND = 10**9


def ns(*civil: int, zone: object = UTC, fold: int = 0) -> int:
    return int(datetime(*civil, tzinfo=zone, fold=fold).timestamp()) * SECOND  # type: ignore[arg-type,misc]


def test_dst_fold_keeps_file_order_and_is_flagged(look: Callable[..., Look]) -> None:
    clocks = ["02:10:00", "02:59:58", "02:00:01", "02:00:00", "02:30:00", "03:00:05", "02:59:59"]
    data = "\n".join(f"2026-10-25 {clock} INFO tick" for clock in clocks)
    seen = look(data, tz="Europe/Berlin")
    berlin = ZoneInfo("Europe/Berlin")
    folds = [0, 0, 1, 1, 1, 0, 0]
    expected = [
        ns(2026, 10, 25, *map(int, clock.split(":")), zone=berlin, fold=fold)
        for clock, fold in zip(clocks[:-1], folds, strict=False)
    ]
    assert [row["time_ns"] for row in seen.events][:-1] == expected
    assert [row["attributes"].get("time.fold") for row in seen.events][:-1] == [
        "1" if fold else None for fold in folds[:-1]
    ]
    assert [row["line"] for row in seen.events] == list(range(1, 8))


def test_dst_fold_is_not_seen_in_disorder_or_other_hours(look: Callable[..., Look]) -> None:
    data = "\n".join(
        f"2026-10-25 {clock} INFO tick" for clock in ("02:20:00", "02:10:00", "04:00:00", "03:00:00")
    )
    assert not any("time.fold" in row["attributes"] for row in look(data, tz="Europe/Berlin").events)
    assert not any("time.fold" in row["attributes"] for row in look(data).events)


def test_leap_second_is_the_next_second() -> None:
    assert parse_time("2016-12-31T23:59:60Z").time_ns == ns(2017, 1, 1)
    assert parse_time("2016-12-31T23:59:61Z").time_ns is None


def test_tai64n_labels() -> None:
    # 1 Jan 2026 00:00:00 UTC is 1767225600; with the ten seconds that the writers add: 0x40000000 6955b90a.
    label = f"@{2**62 + 1767225600 + 10:016x}{123456789:08x}"
    assert (parse_time(label).time_ns, parse_time(label).precision) == (1767225600 * SECOND + 123456789, "ns")
    found = leading_time(f"{label} status: run")
    assert found is not None
    assert (found.time_ns, found.raw) == (1767225600 * SECOND + 123456789, label)
    assert parse_time("@400000000000000000000000").time_ns is None


def test_tai64n_log(look: Callable[..., Look]) -> None:
    seen = look("@400000006955b90a075bcd15 starting\n@400000006955b90b00000000 up\n")
    assert [row["message"] for row in seen.events] == ["starting", "up"]
    assert [row["time_ns"] for row in seen.events] == [1767225600 * SECOND + 123456789, 1767225601 * SECOND]


@pytest.mark.parametrize("digits", range(1, 10))
def test_one_to_nine_fraction_digits_and_comma(digits: int) -> None:
    fraction = "123456789"[:digits]
    expected = ns(2026, 11, 24, 9) + int(fraction.ljust(9, "0"))
    for mark in ".,":
        assert parse_time(f"2026-11-24T09:00:00{mark}{fraction}Z").time_ns == expected


def test_seven_digits_of_dot_net() -> None:
    stamp = parse_time("2026-11-24T09:00:00.1234567Z")
    assert (stamp.time_ns, stamp.precision) == (ns(2026, 11, 24, 9) + 123456700, "ns")


PATTERN = compile_verbose(
    r"(?P<mon>[A-Z][a-z]{2})[ ](?P<day>\d{1,2}),?[ ](?:(?P<year>\d{4})[ ])?(?P<hour>\d{1,2}):(?P<minute>\d\d)"
    r"(?::(?P<second>\d\d))?[ ]?(?P<ampm>[AaPp][Mm])?"
)[0]


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("12:00 AM", 0),
        ("12:01 PM", 12),
        ("1:00 PM", 13),
        ("11:59 pm", 23),
        ("0:30 AM", None),
        ("13:00 PM", None),
        ("13:00", 13),
    ],
)
def test_am_and_pm(text: str, hour: int | None) -> None:
    match = PATTERN.match(f"Nov 24, 2026 {text}")
    assert match is not None
    found = Clock().stamp(match).time_ns
    assert found == (None if hour is None else ns(2026, 11, 24, hour, int(text.split(":")[1][:2])))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Tue, 24 Nov 2026 09:05:47 +0100", ns(2026, 11, 24, 8, 5, 47)),
        ("24 nov 2026 09:05:47 GMT", ns(2026, 11, 24, 9, 5, 47)),
        ("Tue, 24 Nov 2026 09:05 EST (New York)", ns(2026, 11, 24, 14, 5)),
        ("Tue, 24 Nov 2026 09:05:47 -0000", ns(2026, 11, 24, 9, 5, 47)),
        ("Tue, 31 Nov 2026 09:05:47 +0100", None),
        ("Tue, 24 Nov 2026 09:05:47 IST", None),
    ],
)
def test_rfc_2822_dates(text: str, expected: int | None) -> None:
    assert parse_time(text).time_ns == expected


@pytest.mark.parametrize(("zone", "hours"), [("PDT", 7), ("CEST", -2), ("JST", -9), ("EST", 5), ("UTC", 0)])
def test_zone_abbreviations_that_are_clear(zone: str, hours: int) -> None:
    stamp = parse_time(f"2026-07-01 12:00:00 {zone}")
    assert (stamp.time_ns, stamp.basis) == (ns(2026, 7, 1, 12) + hours * 3600 * SECOND, "explicit")


@pytest.mark.parametrize("zone", ["IST", "CST"])
def test_ambiguous_zone_abbreviations_are_refused_unless_told(zone: str) -> None:
    assert parse_time(f"2026-07-01 12:00:00 {zone}").time_ns is None
    told = parse_time(f"2026-07-01 12:00:00 {zone}", parse_zone("Asia/Kolkata"))
    assert (told.time_ns, told.basis) == (ns(2026, 7, 1, 6, 30), "assumed_zone")


def test_day_and_month_are_refused_unless_told() -> None:
    text = "03/04/2026 10:00:00 ERROR boom"
    refused = parse_artifact(text.encode(), Source(sha256="0" * 64, uri="x"))
    row = refused.events.to_pylist()[0]
    assert (row["time_ns"], row["time_raw"], row["message"]) == (None, "03/04/2026 10:00:00", "ERROR boom")
    assert any("two ways" in note for note in refused.report.assumptions)
    for order, expected in (("dmy", ns(2026, 4, 3, 10)), ("mdy", ns(2026, 3, 4, 10))):
        told = parse_artifact(
            text.encode(),
            Source(sha256="0" * 64, uri="x"),
            assume=Assume(date_order=order),  # type: ignore[arg-type] - both are orders
        )
        assert told.events.column("time_ns").to_pylist() == [expected]
        assert not any("two ways" in note for note in told.report.assumptions)
    found = parse_slashed("11/24/2026, 9:05:47 PM x", "mdy")
    assert found is not None
    assert found.time_ns == ns(2026, 11, 24, 21, 5, 47)


def test_month_names_in_other_languages_are_not_guessed() -> None:
    assert parse_time("24 août 2026 10:00:00 +0100").time_ns is None


def test_year_rollover() -> None:
    clock = Clock(year=2025)
    found = []
    for text in ("Dec 31 23:59:59", "Jan 1 00:00:01", "Dec 31 23:59:58", "Jan 2 00:00:00"):
        match = PATTERN.match(text)
        assert match is not None
        found.append(clock.stamp(match).time_ns)
    assert found == [
        ns(2025, 12, 31, 23, 59, 59),
        ns(2026, 1, 1, 0, 0, 1),
        ns(2025, 12, 31, 23, 59, 58),
        ns(2026, 1, 2),
    ]
    assert clock.notes == {}


def test_a_log_that_was_silent_over_the_new_year_says_so() -> None:
    clock = Clock(year=2025)
    for text in ("Dec 20 10:00:00", "Mar 1 10:00:00"):
        match = PATTERN.match(text)
        assert match is not None
        stamp = clock.stamp(match)
    assert stamp.time_ns == ns(2025, 3, 1, 10)
    assert any("silent over the new year" in note for note in clock.notes)


def test_a_time_of_collection_settles_the_year_of_a_silent_log() -> None:
    clock = Clock(latest_ns=ns(2026, 3, 2))
    years = []
    for text in ("Dec 20 10:00:00", "Mar 1 10:00:00"):
        match = PATTERN.match(text)
        assert match is not None
        years.append(clock.stamp(match).time_ns)
    assert years == [ns(2025, 12, 20, 10), ns(2026, 3, 1, 10)]


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "0", "0.0"])
def test_placeholders_are_unknown(text: str) -> None:
    assert parse_time(text).time_ns is None


def test_floats_keep_every_digit() -> None:
    assert parse_time("1761019822.3152757").time_ns == 1761019822315275700
