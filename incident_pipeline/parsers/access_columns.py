"""Access logs of the combined format as columns: the rows of `formats.access_log`, for many lines at once.

A line is read here when it is the plain case: an address, a user, the bracketed time, three quoted texts
without escapes, a status and a size, and nothing else. Anything more is left to the row loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from incident_pipeline.model.event import Kind, TimeBasis
from incident_pipeline.parsers.byte_words import clock_seconds
from incident_pipeline.parsers.columns import (
    Bulk,
    Pieces,
    Slices,
    bytes_of,
    constant,
    map_column,
    map_distinct,
    sizes,
    strays,
    truths,
)
from incident_pipeline.parsers.formats import access_log
from incident_pipeline.parsers.json_columns import Lines
from incident_pipeline.parsers.severity import status_severity
from incident_pipeline.parsers.timestamps import SECOND, UNKNOWN

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from incident_pipeline.parsers.rows import Rows
    from incident_pipeline.parsers.timestamps import Stamp, Zone

_STAMP: Final = 26
"""Characters of `23/Nov/2026:08:00:00 +0000`."""
_CLOCK: Final = 12
"""Where the clock stands in it."""
_YEARS: Final = (1700, 2250)
"""Years whose nanoseconds surely fit 64 bits; others are read one by one."""
_LONGEST_PATH: Final = 200
_ADDRESS: Final = np.isin(np.arange(256), list(b"0123456789abcdefABCDEF.:"))
_USER: Final = np.isin(
    np.arange(256), list(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@-")
)
_UPPER: Final = np.isin(np.arange(256), list(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
_DIGITS: Final = np.isin(np.arange(256), list(b"0123456789"))
_KEYS: Final = (
    "client.address", "http.protocol", "http.request.header.referer", "http.request.method",
    "http.response.body.size", "http.response.status_code", "time.kind", "url.original",
    "user_agent.original",
)  # fmt: skip
_PROTOCOLS: Final = ("HTTP/1.0", "HTTP/1.1", "HTTP/2.0", "HTTP/3.0")
_SPACE: Final = 32


def access_columns(data: bytes, rows: Rows) -> tuple[Bulk | None, list[tuple[int, int, int]]]:
    """Read what can be read as columns; give it, and the lines that are left (start, end, number from 0)."""
    lines = Lines(data)
    plain = _plain(lines)
    bulk, taken = _read(lines, plain, rows) if len(plain) else (None, plain)
    slow = np.ones(len(lines.starts), bool)
    slow[taken] = False
    slow &= lines.ends > lines.starts
    left = np.flatnonzero(slow)
    return bulk, list(zip(lines.starts[left].tolist(), lines.ends[left].tolist(), left.tolist(), strict=True))


def _plain(lines: Lines) -> NDArray[np.int64]:
    """Give the lines whose quotes, brackets and spaces stand as in the combined format."""
    fine = (lines.counts == 6) & (lines.ends - lines.starts < 16_384)  # noqa: PLR2004 - a place in the format
    if len(lines.slashes):
        fine[np.searchsorted(lines.ends, lines.slashes)] = False
    if not lines.data.isascii():
        other = np.flatnonzero(lines.buffer > 127)  # noqa: PLR2004 - a place in the format
        fine[np.searchsorted(lines.ends, other)] = False
    rows = np.flatnonzero(fine)
    quote = lines.quotes[lines.first_quote[rows][:, None] + np.arange(6)]
    starts, ends, buffer = lines.starts[rows], lines.ends[rows], lines.buffer
    first = quote[:, 0]
    good = (first - starts > _STAMP + 7) & (quote[:, 5] == ends - 1) & (quote[:, 4] == quote[:, 3] + 2)
    good &= (buffer[first - 1] == _SPACE) & (buffer[first - 2] == ord("]"))
    good &= (buffer[first - 3 - _STAMP] == ord("[")) & (buffer[first - 4 - _STAMP] == _SPACE)
    good &= buffer[quote[:, 4] - 1] == _SPACE
    gap = quote[:, 2] - quote[:, 1]
    good &= (gap >= 8) & (buffer[quote[:, 1] + 1] == _SPACE) & (buffer[quote[:, 2] - 1] == _SPACE)  # noqa: PLR2004 - a place in the format
    good &= buffer[np.minimum(quote[:, 1] + 5, len(buffer) - 1)] == _SPACE
    return np.asarray(rows[good])


def _read(lines: Lines, plain: NDArray[np.int64], rows: Rows) -> tuple[Bulk | None, NDArray[np.int64]]:
    buffer, starts = lines.buffer, lines.starts[plain]
    quote = lines.quotes[lines.first_quote[plain][:, None] + np.arange(6)]
    opened = quote[:, 0] - 3 - _STAMP
    spaces = np.flatnonzero(buffer == _SPACE)
    before = np.searchsorted(spaces, starts)
    inside = np.searchsorted(spaces, quote[:, 0])
    # `address - user [`: three spaces before the bracket; `method url protocol`: two within the quotes.
    good = np.searchsorted(spaces, opened) - before == 3  # noqa: PLR2004 - a place in the format
    good &= np.searchsorted(spaces, quote[:, 1]) - inside == 2  # noqa: PLR2004 - a place in the format
    last = len(spaces) - 1
    one, two = spaces[np.minimum(before, last)], spaces[np.minimum(before + 1, last)]
    good &= (two == one + 2) & (buffer[np.minimum(one + 1, len(buffer) - 1)] == ord("-"))
    here, there = spaces[np.minimum(inside, last)], spaces[np.minimum(inside + 1, last)]
    good &= (there > here + 1) & (here > quote[:, 0] + 1) & (here - quote[:, 0] <= 40)  # noqa: PLR2004 - a place in the format
    good &= buffer[np.minimum(here + 1, len(buffer) - 1)] > _SPACE
    pieces = [
        (starts, one), (two + 1, opened - 1), (opened + 1, opened + 1 + _STAMP), (quote[:, 0] + 1, here),
        (here + 1, there), (there + 1, quote[:, 1]), (quote[:, 1] + 2, quote[:, 1] + 5),
        (quote[:, 1] + 6, quote[:, 2] - 1), (quote[:, 2] + 1, quote[:, 3]), (quote[:, 4] + 1, quote[:, 5]),
    ]  # fmt: skip
    plain, pieces = plain[good], [(begin[good], end[good]) for begin, end in pieces]
    if not len(plain):
        return None, plain
    width = len(pieces)
    slices = Pieces(lines.data, pieces)
    base = np.arange(len(plain)) * width
    address, user, stamp, method, url, protocol, status, size, referrer, agent = (
        slices.take(base + number) for number in range(width)
    )
    odd = strays(address, _ADDRESS) | strays(user, _USER) | strays(method, _UPPER) | strays(status, _DIGITS)
    dash = truths(pc.equal(size, "-"))
    for column in (address, user, method, status, size):
        odd |= sizes(column) == 0
    odd |= strays(size, _DIGITS) & ~dash
    odd |= truths(pc.greater(pc.binary_length(size), 20))
    odd |= ~truths(pc.is_in(protocol, pa.array(_PROTOCOLS))) | truths(pc.equal(url, "-"))
    code = map_distinct(status, _severity, pa.int8())
    odd |= truths(pc.is_null(code))
    path = _until_question(url)
    odd |= truths(pc.greater(pc.binary_length(path), _LONGEST_PATH))
    times, timed = _times(lines, pieces[2][0], rows.zone)
    ns = pa.array(times)
    odd |= ~timed
    told = pc.binary_join_element_wise(method, path, " ")
    message = pc.binary_join_element_wise(told, status, " -> ")
    present = np.ones((len(plain), len(_KEYS)), bool)
    for column, key in ((size, 4), (referrer, 2), (agent, 8)):
        present[:, key] = ~truths(pc.is_in(column, pa.array(["", "-"])))
    values = _values(slices, base, present[~odd] if odd.any() else present, odd)
    if odd.any():
        kept = pa.array(~odd)
        plain = plain[~odd]
        message, stamp, ns, user, code = (column.filter(kept) for column in (message, stamp, ns, user, code))
    count = len(plain)
    return Bulk(
        kind=Kind.LOG,
        starts=lines.starts[plain],
        ends=lines.ends[plain],
        lines=plain,
        message=message,
        attributes=values,
        time_ns=ns,
        time_precision=constant("s", count),
        time_basis=constant(TimeBasis.EXPLICIT, count),
        time_raw=stamp,
        actor=pc.if_else(pc.equal(user, "-"), None, user),
        severity=code,
    ), plain


def _values(
    slices: Slices, base: NDArray[np.int64], present: NDArray[np.bool_], odd: NDArray[np.bool_]
) -> pa.MapArray:
    """Build the attributes: which of the keys a row has, and from which of its slices."""
    base = base[~odd]
    of_key = np.array([0, 5, 8, 3, 7, 6, -1, 4, 9])
    keys = np.broadcast_to(np.arange(len(_KEYS), dtype=np.int32), present.shape)[present]
    indices = np.where(of_key >= 0, base[:, None] + of_key, -1)[present]
    texts = pc.fill_null(slices.take(indices), "end")
    return map_column(present.sum(axis=1), pa.array(_KEYS).take(pa.array(keys)), texts)


def _severity(status: str) -> int | None:
    return status_severity(int(status)) if status.isdigit() and "1" <= status[0] <= "5" else None


def _times(
    lines: Lines, at: NDArray[np.int64], zone: Zone | None
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Read the times at these places: nanoseconds, and which are known. Each day is worked out once."""
    seconds, known = clock_seconds(lines.words[at + _CLOCK])
    # What stands before and behind the clock: the day in words that overlap, the offset at the end.
    sides = (lines.words[at], lines.words[at + 4], lines.words[at + _STAMP - 8] >> np.uint64(16))
    turns = np.zeros(len(at), bool)
    turns[:1] = True
    for side in sides:
        turns[1:] |= side[1:] != side[:-1]
    firsts = np.flatnonzero(turns)
    days: dict[bytes, int | None] = {}
    starts = np.zeros(len(firsts), np.int64)
    for number, place in enumerate(at[firsts].tolist()):
        text = lines.data[place : place + _STAMP]
        key = text[:_CLOCK] + text[_CLOCK + 8 :]
        if key not in days:
            days[key] = _midnight(key.decode(), zone)
        start = days[key]
        if start is None:
            known[firsts[number] : firsts[number + 1] if number + 1 < len(firsts) else None] = False
        else:
            starts[number] = start
    ns = starts[np.cumsum(turns) - 1] + seconds * SECOND
    return ns, known & (ns != 0)


def _midnight(sides: str, zone: Zone | None) -> int | None:
    """Give when the day of a stamp began at its offset; None where that day must be read line by line."""
    if not sides[7:11].isdigit() or not _YEARS[0] <= int(sides[7:11]) < _YEARS[1]:
        return None
    # Noon, since a moment of 0 ns counts as no time.
    noon = _stamp(f"{sides[:_CLOCK]}12:00:00{sides[_CLOCK:]}", zone).time_ns
    return None if noon is None else noon - 12 * 3600 * SECOND


def _stamp(text: str, zone: Zone | None) -> Stamp:
    match = access_log.STAMP.fullmatch(f"[{text}]")
    return access_log.clf_stamp(match, zone) if match is not None else UNKNOWN


def _until_question(url: pa.Array) -> pa.Array:
    """Give the addresses without their query."""
    data, offsets = bytes_of(url)
    ends = offsets[1:].astype(np.int64)
    marks = np.flatnonzero(data[: offsets[-1]] == ord("?"))
    owner = np.searchsorted(offsets, marks, side="right") - 1
    # In reverse, so that the first of several in an address is the one that stays.
    ends[owner[::-1]] = marks[::-1]
    return Slices(data.tobytes(), offsets[:-1].astype(np.int64), ends).take(np.arange(len(url)))
