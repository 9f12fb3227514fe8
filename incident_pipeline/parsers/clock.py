"""Read a time from the named groups of a pattern, with what must be assumed where the text is silent.

The groups: `year month mon day hour minute second fraction ampm offset epoch`; `month` in digits or as
an English name (`mon`), two-digit years from 1970 on, `offset` a zone as `timestamps` reads it. A
time without a year takes the year of `Clock`: the year given for the first line, and one more after each
fall from the year's end to its beginning (ten months and more; less is disorder); or, where only the day
of collection is known, the latest year that does not lie after it (RFC 3164 has neither year nor zone).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from incident_pipeline.model.event import TimeBasis
from incident_pipeline.parsers.timestamps import SECOND, Stamp, civil_stamp, fold_at, parse_epoch, year_of

if TYPE_CHECKING:
    import re

    from incident_pipeline.parsers.timestamps import DateOrder, Zone

_NAMES: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
MONTHS: Final = {name: number for number, name in enumerate(_NAMES, 1)}
_HALF_DAY: Final = 12
_ASSUMED: Final = (TimeBasis.ASSUMED_ZONE, TimeBasis.ASSUMED_ZONE_AND_YEAR)
_QUARTER_NS: Final = 900 * SECOND
"""Zones change at quarters of an hour."""
_STEP_NS: Final = 1800 * SECOND
_SILENCE: Final = 2
"""A fall by so many months is no disorder."""
_TURN: Final = 10
"""Months that a line falls or rises by at the turn of a year."""
_PIVOT: Final = 70
"""Two-digit years from here on are of the last century (POSIX has 69; 1969 is before the epoch)."""
_DAY_NS: Final = 86_400 * SECOND
_MIDNIGHT: Final = (0, 0, 0)
_LAST: Final = (23, 59, 59)

TIME_GROUPS: Final = (
    "year", "month", "mon", "day", "hour", "minute", "second", "fraction", "ampm", "offset", "epoch",
)  # fmt: skip
"""The groups of a pattern that tell a time."""
TIME_OF_DAY: Final = r"(?P<hour>\d{1,2}):(?P<minute>\d\d):(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,18}))?"
"""A building block for patterns: `14:03:09`, `14:03:09,123`."""
ISO_DATE: Final = r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)"
OFFSET: Final = r"(?P<offset>[Zz]|[+-]\d\d(?::?\d\d){0,2}|[A-Z]{2,5})"


class Clock:
    """What is known of the time of a stream: its zone, and its year where lines name none."""

    def __init__(
        self, zone: Zone | None = None, year: int | None = None, latest_ns: int | None = None
    ) -> None:
        """Take the zone of times without one, the year of the first line, and the time of collection."""
        self.zone = zone
        self._first_year = year
        self._year = year
        self._latest_ns = latest_ns
        self._month: int | None = None
        self._turned = False
        self.notes: dict[str, None] = {}
        """What the clock had to assume that no single row tells."""
        self.date_order: DateOrder | None = None
        self._last_ns: int | None = None
        self._folded = False
        self._folds: dict[int, int] = {}
        self._years: dict[tuple[int, int], int] = {}

    @property
    def is_stateful(self) -> bool:
        """Whether a time hangs on those before it: years are counted from the one given."""
        return self._year is not None

    def fresh(self) -> Clock:
        """Give a clock that knows what this one was told, and has seen no line yet."""
        clock = Clock(self.zone, self._first_year, self._latest_ns)
        clock.date_order, clock.notes = self.date_order, self.notes
        return clock

    def fold(self, stamp: Stamp) -> tuple[Stamp, bool]:
        """Give a time without a zone as it is, or an hour later where clocks were put back before it.

        When summer time ends an hour comes twice. A line of that hour that lies half an hour and more
        before the line before it is of the second time, and so are those after it, until the hour is over.
        """
        time_ns = stamp.time_ns
        if time_ns is None or stamp.basis not in _ASSUMED or self.zone is None or isinstance(self.zone, int):
            return stamp, False
        hour = time_ns // _QUARTER_NS
        shift = self._folds.get(hour)
        if shift is None:
            shift = self._folds[hour] = fold_at(time_ns, self.zone)
        if not shift:
            self._last_ns, self._folded = time_ns, False
            return stamp, False
        if self._last_ns is not None and self._last_ns - time_ns >= _STEP_NS:
            self._folded = True
        self._last_ns = time_ns
        return (stamp._replace(time_ns=time_ns + shift), True) if self._folded else (stamp, False)

    def stamp(self, match: re.Match[str], raw: str | None = None) -> Stamp:
        """Give the time that a match's named groups tell; its time is None when there is no such time.

        `raw` is the text as read; without it, the text from the first time group to the last.
        """
        groups = match.groupdict()
        text = raw if raw is not None else _spanned(match)
        if groups.get("epoch"):
            return parse_epoch(groups["epoch"])
        month = _month(groups)
        hour = _hour(groups)
        if month is None or hour is None:
            return Stamp(None, None, TimeBasis.NONE, text)
        year_text = groups.get("year")
        day, fraction, offset = int(groups["day"]), groups.get("fraction") or "", groups.get("offset")
        clock = (hour, int(groups["minute"]), int(groups.get("second") or 0))
        if year_text is not None:
            year = int(year_text)
            if len(year_text) == 2:  # noqa: PLR2004 - two digits
                year += 1900 if year >= _PIVOT else 2000
            return civil_stamp((year, month, day), clock, fraction, offset, self.zone, text)
        year_here = self._year_here(month, day, clock)
        if year_here is None:
            return Stamp(None, None, TimeBasis.NONE, text)
        found = civil_stamp((year_here, month, day), clock, fraction, offset, self.zone, text)
        if found.time_ns is None:
            return found
        both = found.basis == TimeBasis.ASSUMED_ZONE
        basis = TimeBasis.ASSUMED_ZONE_AND_YEAR if both else TimeBasis.ASSUMED_YEAR
        return found._replace(basis=basis)

    def _year_here(self, month: int, day: int, clock: tuple[int, int, int]) -> int | None:
        if self._year is not None:
            if self._month is not None and self._month - month >= _TURN:
                self._year += 1
                self._turned = True
            elif self._turned and self._month is not None and month - self._month >= _TURN:
                # Late lines of December after the first of January: the year before, for them only.
                return self._year - 1
            elif self._month is not None and self._month - month >= _SILENCE:
                self.notes.setdefault(
                    "the months of the log fall back by less than a turn of the year: the year was not "
                    "raised, though it may have been silent over the new year"
                )
            self._month = month
            return self._year
        if self._latest_ns is None:
            return None
        known = self._years.get((month, day))
        if known is not None:
            return known
        year = year_of(self._latest_ns + _DAY_NS)
        found = self._is_late(year, month, day, clock)
        first, last = self._is_late(year, month, day, _MIDNIGHT), self._is_late(year, month, day, _LAST)
        if first == last:  # so it is all day: no need to ask for each line
            self._years[month, day] = year - 1 if first else year
        return year - 1 if found else year

    def _is_late(self, year: int, month: int, day: int, clock: tuple[int, int, int]) -> bool:
        """Tell whether a time lies after the collection, with a day for zones."""
        found = civil_stamp((year, month, day), clock, "", None, self.zone, "")
        return found.time_ns is None or found.time_ns > (self._latest_ns or 0) + _DAY_NS


def _month(groups: dict[str, str | None]) -> int | None:
    name = groups.get("mon")
    if name:
        return MONTHS.get(name[:3].lower())
    number = groups.get("month")
    return int(number) if number else None


def _hour(groups: dict[str, str | None]) -> int | None:
    """Give the hour of a 24-hour clock."""
    hour = int(groups["hour"] or 0)
    half = (groups.get("ampm") or "").lower()
    if not half:
        return hour
    if not 1 <= hour <= _HALF_DAY:
        return None
    return hour % _HALF_DAY + (_HALF_DAY if half.startswith("p") else 0)


def _spanned(match: re.Match[str]) -> str:
    """Give the text from the first group of a time to the last."""
    spans = [match.span(number) for number in _numbers(match.re)]
    starts = [start for start, _ in spans if start >= 0]
    if not starts:
        return match[0]
    return match.string[min(starts) : max(end for _, end in spans)]


@lru_cache(maxsize=256)
def _numbers(pattern: re.Pattern[str]) -> tuple[int, ...]:
    """Give the numbers of a pattern's time groups."""
    return tuple(number for name, number in pattern.groupindex.items() if name in TIME_GROUPS)
