"""Times of a whole column: what `timestamps.parse_time` gives for each text, worked out form by form.

Times of one source are written in one form. The first text that is not read yet shows a form: which
characters are digits and what they count. All texts of that form are then read at once; what has no
form of the plain kinds is read one by one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import pyarrow as pa

from incident_pipeline.model.event import Precision, TimeBasis
from incident_pipeline.parsers.columns import bytes_of
from incident_pipeline.parsers.timestamps import CALENDAR, SECOND, days_of, offset_of, parse_time

if TYPE_CHECKING:
    import re

    from numpy.typing import NDArray

    from incident_pipeline.parsers.timestamps import Zone

_MAX_FORMS: Final = 24
_ZERO, _NINE = 48, 57
_EPOCHS: Final = {10: 9, 13: 6, 16: 3, 19: 0}
"""Digits before the point -> how many decimal places the unit lies above the nanosecond."""
_YEARS: Final = (1700, 2250)
"""Years whose nanoseconds surely fit 64 bits; others are read one by one."""
_PRECISIONS: Final = tuple(item.value for item in Precision)
_BASES: Final = tuple(item.value for item in TimeBasis)
_FINEST: Final = (
    Precision.SECOND, *[Precision.MILLI] * 3, *[Precision.MICRO] * 3, *[Precision.NANO] * 3,
)  # fmt: skip


class Times(NamedTuple):
    """Times as columns; `known` says which rows have one."""

    ns: NDArray[np.int64]
    known: NDArray[np.bool_]
    precision: NDArray[np.int8]
    basis: NDArray[np.int8]

    def precisions(self) -> pa.Array:
        """Give the precision column of the event table."""
        return _named(_PRECISIONS, self.precision, self.known)

    def bases(self) -> pa.Array:
        """Give the basis column of the event table."""
        return _named(_BASES, self.basis)


def parse_times(column: pa.Array, zone: Zone | None) -> Times:
    """Read a column of texts. Rows that are null, or of no known time, are not `known`."""
    count = len(column)
    times = Times(
        np.zeros(count, np.int64), np.zeros(count, bool), np.zeros(count, np.int8),
        np.full(count, _BASES.index(TimeBasis.NONE), np.int8),
    )  # fmt: skip
    data, offsets = bytes_of(column)
    lengths = np.diff(offsets)
    left = np.flatnonzero(lengths > 0)
    for _ in range(_MAX_FORMS):
        if not len(left):
            break
        first = int(left[0])
        text = data[offsets[first] : offsets[first + 1]].tobytes().decode()
        same = left[lengths[left] == lengths[first]]
        digits = np.lib.stride_tricks.sliding_window_view(data, int(lengths[first]))[offsets[same]]
        if not _read_form(text, digits, zone, times, same)[0]:
            _read_one(text, zone, times, first)
        left = left[1:]
        left = left[~times.known[left]]
    for row in left.tolist():
        _read_one(data[offsets[row] : offsets[row + 1]].tobytes().decode(), zone, times, row)
    return times


def _read_one(text: str, zone: Zone | None, times: Times, row: int) -> None:
    stamp = parse_time(text, zone)
    if stamp.time_ns is not None and stamp.raw == text and stamp.precision is not None:
        _put(times, np.array([row]), np.array([stamp.time_ns]), stamp.precision, stamp.basis)


def _put(times: Times, rows: NDArray[np.int64], ns: NDArray[np.int64], precision: str, basis: str) -> None:
    times.ns[rows] = ns
    times.known[rows] = True
    times.precision[rows] = _PRECISIONS.index(precision)
    times.basis[rows] = _BASES.index(basis)


def _read_form(
    text: str, digits: NDArray[np.uint8], zone: Zone | None, times: Times, rows: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Read the rows whose texts have the form of `text`; say which those are."""
    match = CALENDAR.fullmatch(text)
    if match is not None:
        return _read_calendar(match, digits, zone, times, rows)
    whole, _, fraction = text.partition(".")
    plain = text.isascii() and whole.isdigit() and (fraction.isdigit() or "." not in text)
    if not plain or len(whole) not in _EPOCHS or len(fraction) > 18:  # noqa: PLR2004 - places of decimals and the clock
        return np.zeros(len(rows), bool)
    fits = _fits(text, digits) & (digits[:, 0] > _ZERO)
    shift = _EPOCHS[len(whole)]
    kept = min(shift, len(fraction))
    ns = _number(digits[:, : len(whole)]) * 10**shift if shift else _number(digits[:, : len(whole)])
    if kept:
        ns = ns + _number(digits[:, len(whole) + 1 : len(whole) + 1 + kept]) * 10 ** (shift - kept)
    fits &= ns > 0
    precision = _FINEST[min(9, 9 - shift + len(fraction))]
    _put(times, rows[fits], ns[fits], precision, TimeBasis.EXPLICIT)
    return fits


def _read_calendar(
    match: re.Match[str], digits: NDArray[np.uint8], zone: Zone | None, times: Times, rows: NDArray[np.int64]
) -> NDArray[np.bool_]:
    nothing = np.zeros(len(rows), bool)
    suffix = match[9]
    offset = offset_of(suffix) if suffix is not None else zone or 0
    if not isinstance(offset, int) or match[7] is None:
        return nothing
    fits = _fits(match[0], digits, until=match.start(9) if suffix is not None else None)
    if not fits.any():
        return nothing
    year, month, day, hour, minute, second = (
        _number(digits[:, match.start(group) : match.end(group)]) for group in (1, 3, 4, 5, 6, 7)
    )
    dates, place = np.unique(year * 10_000 + month * 100 + day, return_inverse=True)
    days = [days_of(date // 10_000, date // 100 % 100, date % 100) for date in dates.tolist()]
    known = np.array([number is not None for number in days])
    fits &= known[place] & (hour < 24) & (minute < 60) & (second <= 60)  # noqa: PLR2004 - places of decimals and the clock
    fits &= (year >= _YEARS[0]) & (year < _YEARS[1])
    counted = np.array([number or 0 for number in days], np.int64)[place]
    ns = (counted * 86_400 + hour * 3600 + minute * 60 + second - offset) * SECOND
    fraction = match[8] or ""
    if fraction:
        kept = min(9, len(fraction))
        ns = ns + _number(digits[:, match.start(8) : match.start(8) + kept]) * 10 ** (9 - kept)
    fits &= ns != 0
    basis = TimeBasis.EXPLICIT if suffix is not None else TimeBasis.ASSUMED_ZONE
    _put(times, rows[fits], ns[fits], _FINEST[min(9, len(fraction))], basis)
    return fits


def _fits(text: str, digits: NDArray[np.uint8], until: int | None = None) -> NDArray[np.bool_]:
    """Say which texts have digits where `text` has them (before `until`), and are equal to it elsewhere."""
    form = np.frombuffer(text.encode(), np.uint8)
    counts = (form >= _ZERO) & (form <= _NINE)
    if until is not None:
        counts[until:] = False
    marks = ~counts
    numbers = digits[:, counts] - np.uint8(_ZERO)
    return (digits[:, marks] == form[marks]).all(axis=1) & (numbers <= 9).all(axis=1)  # type: ignore[no-any-return]  # noqa: PLR2004 - places of decimals and the clock


def _number(digits: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Give the numbers that rows of digits write."""
    value = np.zeros(len(digits), np.int64)
    for column in range(digits.shape[1]):
        value = value * 10 + (digits[:, column].astype(np.int64) - _ZERO)
    return value


def _named(
    names: tuple[str, ...], codes: NDArray[np.int8], known: NDArray[np.bool_] | None = None
) -> pa.Array:
    picked = pa.array(codes, mask=None if known is None else ~known)
    return pa.array(names, pa.string()).take(picked)
