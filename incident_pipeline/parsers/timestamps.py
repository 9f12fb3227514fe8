"""The one module that parses times: RFC 3339 and its relatives, and epoch numbers, to UTC nanoseconds.

Integer arithmetic only: a float64 loses the last digits of `1761019822.3152757`, and datetime drops
nanoseconds. A time that the source gives as unknown (zero, year 1) is None, never 1970. Times without
a zone take the one that is given, else UTC, and say so (`assumed_zone`). Ambiguous zone abbreviations
(IST, CST) are refused unless a zone is given. Days are counted with Howard Hinnant's civil-day rule.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, Literal, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from incident_pipeline.errors import ConfigError
from incident_pipeline.model.event import Precision, TimeBasis

Zone = int | ZoneInfo
"""Seconds east of UTC, or a zone with rules."""

Unit = Literal["s", "ms", "us", "ns"]

DateOrder = Literal["dmy", "mdy"]
"""Which comes first in a date such as 03/04/2026."""

SECOND: Final = 10**9
_DAY: Final = 86_400
_MIN_NS: Final = -(2**63)
_MAX_NS: Final = 2**63 - 1
_MIN_GUESS: Final = 10**8
"""A bare number below this is no plausible epoch (1973): a counter, a duration, seconds since start."""

_ABBREVIATIONS: Final = {
    "UTC": 0, "GMT": 0, "WET": 0, "WEST": 3600, "BST": 3600, "CET": 3600, "CEST": 7200, "EET": 7200,
    "EEST": 10800, "MSK": 10800, "JST": 32400, "KST": 32400, "AEST": 36000, "AEDT": 39600, "NZST": 43200,
    "NZDT": 46800, "EST": -18000, "EDT": -14400, "CDT": -18000, "MST": -25200, "MDT": -21600,
    "PST": -28800, "PDT": -25200,
}  # fmt: skip
_AMBIGUOUS: Final = ("IST", "CST")

_CALENDAR_TEXT: Final = (
    r"(\d{4})([-/])(\d\d)\2(\d\d)(?:[Tt ]|  )(\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,18}))?)?"
    r"(?: ?([Zz]|[+-]\d\d(?::?\d\d){0,2}|" + "|".join((*_ABBREVIATIONS, *_AMBIGUOUS)) + r")(?![A-Za-z0-9]))?"
)
CALENDAR: Final = re.compile(_CALENDAR_TEXT, re.ASCII)
_MONTHS: Final = "janfebmaraprmayjunjulaugsepoctnovdec"
_MAIL: Final = re.compile(
    r"(?:(?:mon|tue|wed|thu|fri|sat|sun), )?(\d{1,2})"
    r" (jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec) (\d{4})"
    r" (\d\d):(\d\d)(?::(\d\d))? ([+-]\d{4}|[A-Z]{1,4})(?: \([^()]{0,60}\))?",
    re.ASCII | re.IGNORECASE,
)
_SLASHED: Final = re.compile(
    r"(\d{1,2})[/.](\d{1,2})[/.](\d{4}),? (\d{1,2}):(\d\d)(?::(\d\d)(?:[.,](\d{1,18}))?)?"
    r"(?: ?([AaPp])[Mm]\b)?"
    r"(?: ([Zz]|[+-]\d\d:?\d\d)(?![A-Za-z0-9]))?",
    re.ASCII,
)
_TAI64N: Final = re.compile(r"@4[0-9a-f]{23}(?![0-9a-f])")
_TAI_SECONDS: Final = 10
_EPOCH: Final = re.compile(r"(\d{1,20})(?:\.(\d{0,20}))?(?:[eE]\+?(\d{1,2}))?", re.ASCII)
_OFFSET: Final = re.compile(r"([+-])(\d\d):?(\d\d)?:?(\d\d)?", re.ASCII)

_SHIFT: Final[dict[str, int]] = {"s": 9, "ms": 6, "us": 3, "ns": 0}
_PRECISIONS: Final = (Precision.SECOND, *[Precision.MILLI] * 3, *[Precision.MICRO] * 3, *[Precision.NANO] * 3)


class Stamp(NamedTuple):
    """A time as read: UTC nanoseconds or None, the finest unit written, how it was arrived at, the text."""

    time_ns: int | None
    precision: str | None
    basis: str
    raw: str | None


UNKNOWN: Final = Stamp(None, None, TimeBasis.NONE, None)
"""No time was given."""


def parse_time(text: str, zone: Zone | None = None) -> Stamp:
    """Read a calendar time or an epoch number; the time is None when the text is neither."""
    text = text.strip()
    if not text:
        return UNKNOWN
    match = CALENDAR.fullmatch(text)
    if match is not None:
        return _calendar(match, zone)
    if text[0] == "@" and _TAI64N.fullmatch(text) is not None:
        return _tai_time(text)
    mail = _MAIL.fullmatch(text) if text[0].isalnum() and not text.isdigit() else None
    return parse_epoch(text) if mail is None else _mail_time(mail, zone)


def parse_slashed(text: str, order: DateOrder | None, zone: Zone | None = None) -> Stamp | None:
    """Read a date as `03/04/2026 10:00:00` that a text starts with; None when there is none.

    Which of the two is the day can't be told from it, so without an `order` its time is unknown.
    """
    match = _SLASHED.match(text)
    if match is None:
        return None
    first, second, year, hour, minute, seconds, fraction, half, suffix = match.groups()
    hours = int(hour)
    if order is None or (half and not 1 <= hours <= 12):  # noqa: PLR2004 - hours of half a day
        return Stamp(None, None, TimeBasis.NONE, match[0])
    if half:
        hours = hours % 12 + (12 if half[0] in "pP" else 0)
    day, month = (int(first), int(second)) if order == "dmy" else (int(second), int(first))
    clock = (hours, int(minute), int(seconds or 0))
    return civil_stamp((int(year), month, day), clock, fraction or "", suffix, zone, match[0])


def _mail_time(match: re.Match[str], zone: Zone | None) -> Stamp:
    """Read the date of RFC 5322 (2822): `Tue, 24 Nov 2026 09:05:47 +0100`."""
    day, month, year, hour, minute, second, suffix = match.groups()
    number = _MONTHS.index(month.lower()) // 3 + 1
    clock = (int(hour), int(minute), int(second or 0))
    # -0000 is a time in UTC of which the local zone is not known (section 3.3).
    return civil_stamp((int(year), number, int(day)), clock, "", suffix, zone, match[0])


def _tai_time(text: str) -> Stamp:
    """Read a TAI64N label: `@` and 24 hex digits, seconds from 2^62 on and nanoseconds.

    The writers (daemontools' multilog, svlogd) add ten seconds to the system's UTC and know no leap
    seconds, whatever the specification says, so ten are taken off.
    """
    seconds, nanos = int(text[1:17], 16) - 2**62 - _TAI_SECONDS, int(text[17:], 16)
    time_ns = seconds * SECOND + nanos
    if nanos >= SECOND or not 0 < time_ns <= _MAX_NS:
        return Stamp(None, None, TimeBasis.NONE, text)
    return Stamp(time_ns, Precision.NANO, TimeBasis.EXPLICIT, text)


def leading_time(text: str, zone: Zone | None = None) -> Stamp | None:
    """Read the calendar time that a text starts with, optionally in brackets; None when there is none."""
    bracket = text.startswith("[")
    if text.startswith("@4") and (label := _TAI64N.match(text)) is not None:
        return _tai_time(label[0])
    match = CALENDAR.match(text, int(bracket))
    if match is None or (bracket and text[match.end() : match.end() + 1] != "]"):
        return None
    return _calendar(match, zone)


def parse_epoch(text: str, unit: Unit | None = None) -> Stamp:
    """Read seconds, milli-, micro- or nanoseconds since 1970 from their decimal text.

    Without a `unit` the magnitude decides: over 1e17 ns, over 1e14 us, over 1e11 ms, else seconds.
    Zero and, where the unit is guessed, numbers too small to be a time give None.
    """
    match = _EPOCH.fullmatch(text)
    if match is None:
        return Stamp(None, None, TimeBasis.NONE, text)
    whole, fraction, exponent = match[1], match[2] or "", int(match[3] or 0)
    digits = int(whole + fraction) * 10 ** max(0, exponent - len(fraction))
    decimals = max(0, len(fraction) - exponent)
    size = digits // 10**decimals
    if digits == 0 or (unit is None and size < _MIN_GUESS):
        return Stamp(None, None, TimeBasis.NONE, text)
    shift = _SHIFT[unit or _unit_of(size)]
    time_ns = digits * 10 ** (shift - decimals) if shift >= decimals else digits // 10 ** (decimals - shift)
    if time_ns > _MAX_NS:
        return Stamp(None, None, TimeBasis.NONE, text)
    precision = _PRECISIONS[min(9, 9 - shift + decimals)]
    return Stamp(time_ns, precision, TimeBasis.EXPLICIT, text)


def parse_nanos(value: int | str | None) -> Stamp:
    """Read the nanoseconds of OTLP, a string or an integer; zero, empty and absent mean unknown."""
    if value is None or value in ("", "0", 0):
        return UNKNOWN
    text = str(value)
    if text.isascii() and text.isdigit():
        time_ns = int(text) if len(text) < 20 else _MAX_NS + 1  # noqa: PLR2004 - int64 has 19 digits
        if 0 < time_ns <= _MAX_NS:
            return Stamp(time_ns, Precision.NANO, TimeBasis.EXPLICIT, text)
    return Stamp(None, None, TimeBasis.NONE, text)


def parse_zone(name: str) -> Zone:
    """Read an offset (`+02:00`, `-0700`), `UTC`, a clear abbreviation or an IANA zone name.

    Raises:
        ConfigError: there is no such zone.
    """
    match = _OFFSET.fullmatch(name)
    if match is not None:
        return _offset(match)
    if name.upper() in ("Z", *_ABBREVIATIONS):
        return _ABBREVIATIONS.get(name.upper(), 0)
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        message = f"{name!r} is no time zone."
        raise ConfigError(
            message, advice="Use an offset such as +02:00 or a name such as Europe/Berlin."
        ) from error


def format_time(time_ns: int) -> str:
    """Give RFC 3339 in UTC, with 0, 3, 6 or 9 fraction digits as needed."""
    seconds, nanos = divmod(time_ns, SECOND)
    days, rest = divmod(seconds, _DAY)
    year, month, day = _civil(days)
    text = f"{year:04d}-{month:02d}-{day:02d}T{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}"
    if nanos:
        fraction = f"{nanos:09d}"
        while fraction.endswith("000"):
            fraction = fraction[:-3]
        text += "." + fraction
    return text + "Z"


def _unit_of(size: int) -> Unit:
    if size > 10**17:
        return "ns"
    if size > 10**14:
        return "us"
    return "ms" if size > 10**11 else "s"


def civil_stamp(
    date: tuple[int, int, int],
    clock: tuple[int, int, int],
    fraction: str,
    suffix: str | None,
    zone: Zone | None,
    raw: str,
) -> Stamp:
    """Give the stamp of a calendar time: (year, month, day), (hour, minute, second), 0-18 fraction digits.

    `suffix` is the zone as written, `zone` the one to assume where it is absent or ambiguous. A leap
    second (:60) becomes the next second by plain arithmetic. No such time gives None.
    """
    unknown = Stamp(None, None, TimeBasis.NONE, raw)
    days = days_of(*date)
    if days is None or clock[0] > 23 or clock[1] > 59 or clock[2] > 60 or date[0] == 1:  # noqa: PLR2004
        return unknown
    basis = TimeBasis.EXPLICIT
    if suffix is None or suffix in _AMBIGUOUS:
        if suffix is not None and zone is None:
            return unknown
        basis = TimeBasis.ASSUMED_ZONE
        offset: int | None = _offset_at(zone, *date, clock)
    else:
        offset = offset_of(suffix)
    if offset is None:
        return unknown
    nanos = int(fraction[:9].ljust(9, "0")) if fraction else 0
    seconds = days * _DAY + clock[0] * 3600 + clock[1] * 60 + clock[2] - offset
    time_ns = seconds * SECOND + nanos
    if time_ns == 0 or not _MIN_NS <= time_ns <= _MAX_NS:
        return unknown
    return Stamp(time_ns, _PRECISIONS[min(9, len(fraction))], basis, raw)


def year_of(time_ns: int) -> int:
    """Give the UTC year of a time."""
    return _civil(time_ns // SECOND // _DAY)[0]


def _calendar(match: re.Match[str], zone: Zone | None) -> Stamp:
    year, _, month, day, hour, minute, second, fraction, suffix = match.groups()
    date = (int(year), int(month), int(day))
    clock = (int(hour), int(minute), int(second or 0))
    return civil_stamp(date, clock, fraction or "", suffix, zone, match[0])


def offset_of(suffix: str) -> int | None:
    """Give the seconds east of UTC of a zone as written; None where it says nothing clear."""
    if suffix in ("Z", "z"):
        return 0
    known = _ABBREVIATIONS.get(suffix)
    if known is not None:
        return known
    match = _OFFSET.fullmatch(suffix)
    return _offset(match) if match is not None else None


def _offset(match: re.Match[str]) -> int:
    seconds = int(match[2]) * 3600 + int(match[3] or 0) * 60 + int(match[4] or 0)
    return -seconds if match[1] == "-" else seconds


def _offset_at(zone: Zone | None, year: int, month: int, day: int, clock: tuple[int, int, int]) -> int:
    if zone is None or isinstance(zone, int):
        return zone or 0
    local = datetime(year, month, day, clock[0], clock[1], min(clock[2], 59), tzinfo=zone)
    shift = local.utcoffset()
    return 0 if shift is None else shift.days * _DAY + shift.seconds


def fold_at(time_ns: int, zone: ZoneInfo) -> int:
    """Give the nanoseconds by which a local time comes again when clocks are put back; 0 when it comes once.

    `time_ns` is the first of the two.
    """
    try:
        local = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=time_ns // SECOND)).astimezone(zone)
        first, second = local.replace(fold=0).utcoffset(), local.replace(fold=1).utcoffset()
    except OverflowError:
        return 0
    if local.fold or first is None or second is None or second >= first:
        return 0
    return int((first - second).total_seconds()) * SECOND


@lru_cache(maxsize=4096)
def days_of(year: int, month: int, day: int) -> int | None:
    """Count the days since 1970-01-01; None when there is no such day."""
    if not 1 <= month <= 12 or year == 0:  # noqa: PLR2004 - months
        return None
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    length = 29 if month == 2 and leap else (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[month - 1]  # noqa: PLR2004
    if not 1 <= day <= length:
        return None
    shifted = year - (month <= 2)  # noqa: PLR2004 - the year starts in March, so that the leap day is its last
    era, of_era = divmod(shifted, 400)
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468


def _civil(days: int) -> tuple[int, int, int]:
    era, of_era = divmod(days + 719_468, 146_097)
    year_of_era = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * of_year + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9  # noqa: PLR2004 - March is month 0 of the shifted year
    return year_of_era + era * 400 + (month <= 2), month, of_year - (153 * shifted + 2) // 5 + 1  # noqa: PLR2004
