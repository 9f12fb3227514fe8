"""Syslog as columns: the rows of `formats.syslog`, for many lines at once.

Read here are one-line records of the plain kinds (RFC 3164 with host and tag, rsyslog's ISO files, RFC 5424
without structured data) whose message says nothing of itself that the row loop would look into. A line
that is not, and the record before it, which it may continue, are left to the row loop together.
"""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.byte_words import begins_with, byte_at, clock_seconds, places_of, words_of
from incident_pipeline.parsers.columns import (
    Bulk,
    Slices,
    line_ranges,
    map_column,
    map_distinct,
    sizes,
    strays,
    truths,
)
from incident_pipeline.parsers.formats import syslog
from incident_pipeline.parsers.syslog_priority import FACILITIES, HIGHEST, LEVELS, NAMES
from incident_pipeline.parsers.time_columns import parse_times
from incident_pipeline.parsers.timestamps import SECOND

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from incident_pipeline.parsers.rows import Rows

_WORDS: Final = np.isin(
    np.arange(256), list(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-")
)
_DIGITS: Final = np.isin(np.arange(256), list(b"0123456789"))
_PRINTED: Final = (np.arange(256) > 32) & (np.arange(256) < 127)  # noqa: PLR2004 - a place in the format
_SPACE: Final = 32
_BSD: Final = 15
"""Characters of `Nov 23 08:00:00`."""
_DAY: Final = 7
"""Characters of `Nov 23 `."""
_LAST_SECOND: Final = 86_399
_LONGEST: Final = 32_768
_ISO: Final = r"^\d{4}-\d\d-\d\d[T]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?$"
_TELLING: Final = (b"--- ", b"last mes", b"level=", b"ts=", b"time=")
_MARKS: Final = np.isin(np.arange(256), list(b" \t\r\n\x0b\x0c[{@"))
_UPPER: Final = np.isin(np.arange(256), list(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
"""What more than the row loop looks into begins with: repeats, levels, records of their own."""
_KEYS: Final = ("process.pid", "syslog.facility", "syslog.msgid", "syslog.severity", "syslog.version")


Columns = dict[str, pa.Array]


class _Fields(NamedTuple):
    """The fields of lines of one kind: numbers of lines, and where each field begins and ends (-1: none)."""

    rows: NDArray[np.int64]
    fields: dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]]


class _Text:
    """A part as lines, with the places of what divides a head."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.buffer = np.frombuffer(data + bytes(64), np.uint8)
        self.words = words_of(self.buffer)
        self.starts, self.ends = line_ranges(self.buffer[: len(data)])
        self.marks = {mark: np.flatnonzero(self.buffer == mark) for mark in (_SPACE, ord(":"), ord("["))}
        first, last = self.buffer[self.starts], self.buffer[np.maximum(self.ends - 1, 0)]
        sizes = self.ends - self.starts
        self.plain = (sizes > 24) & (sizes < _LONGEST) & (first > _SPACE) & (last > _SPACE)  # noqa: PLR2004 - a place in the format
        other = np.flatnonzero(self.buffer > 127)  # noqa: PLR2004 - a place in the format
        self.plain[np.searchsorted(self.ends, other)] = False

    def next(self, mark: str | int, at: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give the place of the next such byte at or behind these places; the end of the data without."""
        places = self.marks[ord(mark) if isinstance(mark, str) else mark]
        return np.append(places, len(self.data))[np.searchsorted(places, at)]


def syslog_columns(data: bytes, rows: Rows) -> tuple[Bulk | None, list[tuple[int, int, int]]]:
    """Read what can be read as columns; give it, and the stretches left over (start, end, line from 0)."""
    everything = [(0, len(data), 0)]
    if syslog.FRAME.match(data) is not None:
        return None, everything
    text = _Text(data)
    first = text.buffer[text.starts]
    kinds = [
        (np.flatnonzero(text.plain & (first >= low) & (first <= high)), read)
        for low, high, read in ((65, 90, _bsd), (48, 57, _iso), (60, 60, _rfc5424))
    ]  # fmt: skip
    lines, read = max(kinds, key=lambda kind: len(kind[0]))
    if not len(lines):
        return None, everything
    clock = copy(rows.clock)
    fields, known = _told_plainly(text, *read(text, lines, rows))
    fast = np.zeros(len(text.starts), bool)
    fast[fields.rows] = True
    filled = np.flatnonzero(text.ends > text.starts)
    follows = np.append(fast[filled][1:], True)
    fast[filled[~follows]] = False
    slow = filled[~fast[filled]]
    if read is _bsd and clock.is_stateful and (len(slow) or not _one_month(known)):
        # Years are counted from line to line, in the order of the lines.
        rows.clock = clock
        return None, everything
    bulk = _bulk(text, *_kept(fields, known, fast[fields.rows])) if fast.any() else None
    if not len(slow):
        return bulk, []
    # Lines that follow each other without a record between them are one stretch.
    cuts = np.flatnonzero(np.diff(np.searchsorted(filled, slow)) > 1) + 1
    heads, tails = slow[np.append(0, cuts)], slow[np.append(cuts - 1, len(slow) - 1)]
    return bulk, list(
        zip(text.starts[heads].tolist(), text.ends[tails].tolist(), heads.tolist(), strict=True)
    )


def _told_plainly(text: _Text, fields: _Fields, known: Columns) -> tuple[_Fields, Columns]:
    """Keep the records whose fields are plain words, and whose message tells nothing else."""
    message = _column(text, fields, "message")
    odd = _tells_more(text, *fields.fields["message"])
    for name, allowed in (("host", _WORDS), ("tag", _WORDS), ("pid", _DIGITS), ("msgid", _PRINTED)):
        if name in fields.fields:
            column = _column(text, fields, name)
            odd |= strays(column, _PRINTED if "msgid" in fields.fields else allowed)
            odd |= (sizes(column) == 0) & (name != "pid")
    odd |= truths(pc.is_in(_column(text, fields, "tag"), pa.array(syslog.AUTH)))
    if "msgid" not in fields.fields:
        odd |= truths(pc.starts_with(_column(text, fields, "host"), "-"))
    if "pri" in fields.fields:
        pri = map_distinct(_column(text, fields, "pri"), _is_priority, pa.bool_())
        odd |= ~truths(pri)
    return _kept(fields, known | {"message": message}, ~odd)


def _tells_more(text: _Text, begin: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Say which messages the row loop may look into: more than it does, since it is asked then."""
    head = text.words[begin]
    first = byte_at(head, 0)
    more = _MARKS[first] | (_UPPER[first] & _UPPER[byte_at(head, 1)] & _UPPER[byte_at(head, 2)])
    more |= begins_with(head, b"message ") & begins_with(text.words[begin + 8], b"repeated")
    for start in _TELLING:
        more |= begins_with(head, start)
    for name in (b"race", b"RACE"):  # what every name of a trace id holds
        places = places_of(text.data, name)
        if len(places):
            row = np.searchsorted(begin, places, side="right") - 1
            row = row[(row >= 0) & (places < end[row])]
            more[row] = True
    return more


def _is_priority(word: str) -> bool:
    return word.isdigit() and int(word) <= HIGHEST


def _one_month(known: Columns) -> bool:
    return len({word[:3] for word in pc.unique(known["time_raw"]).to_pylist()}) <= 1


def _bulk(text: _Text, fields: _Fields, known: Columns) -> Bulk:
    count = len(fields.rows)
    nothing = pa.nulls(count, pa.string())
    host, tag, pid = (_column(text, fields, name) for name in ("host", "tag", "pid"))
    severity, severity_raw = pa.nulls(count, pa.int8()), nothing
    attributes = [_absent(pid), nothing, nothing, nothing, nothing]
    if "pri" in fields.fields:
        severity_raw = _column(text, fields, "pri")
        severity = map_distinct(severity_raw, lambda word: LEVELS[int(word) & 7], pa.int8())
        attributes[1] = map_distinct(severity_raw, lambda word: FACILITIES[int(word) >> 3], pa.string())
        attributes[2] = _absent(_column(text, fields, "msgid"))
        attributes[3] = map_distinct(severity_raw, lambda word: NAMES[int(word) & 7], pa.string())
        attributes[4] = _column(text, fields, "version")
        host, tag = _absent(host), _absent(tag)
    return Bulk(
        kind=Kind.LOG,
        starts=text.starts[fields.rows],
        ends=text.ends[fields.rows],
        lines=fields.rows,
        message=known["message"],
        attributes=_attributes(attributes),
        time_ns=known["time_ns"],
        time_precision=known["time_precision"],
        time_basis=known["time_basis"],
        time_raw=known["time_raw"],
        service=tag,
        host=host,
        severity=severity,
        severity_raw=severity_raw,
    )


def _attributes(columns: list[pa.Array]) -> pa.MapArray:
    """Build the attributes from a column for each key; null means that a row does not have it."""
    present = np.stack([truths(pc.is_valid(column)) for column in columns], axis=1)
    count = len(present)
    keys = np.broadcast_to(np.arange(len(columns), dtype=np.int32), present.shape)[present]
    places = (np.arange(count)[:, None] + np.arange(len(columns)) * count)[present]
    values = pa.concat_arrays(columns).take(pa.array(places))
    return map_column(present.sum(axis=1), pa.array(_KEYS).take(pa.array(keys)), values)


def _absent(column: pa.Array) -> pa.Array:
    """Give a column with null for what is empty or a dash."""
    return pc.if_else(pc.is_in(column, pa.array(["", "-"])), None, column)


def _tagged(
    text: _Text,
    lines: NDArray[np.int64],
    at: NDArray[np.int64],
    time: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> tuple[_Fields, NDArray[np.bool_]]:
    """Read `host tag[pid]: message`, which begins at these places; say which lines have it."""
    ends = text.ends[lines]
    host_end = text.next(_SPACE, at)
    colon = text.next(":", np.minimum(host_end + 1, len(text.data)))
    bracket = text.next("[", np.minimum(host_end + 1, len(text.data)))
    inside = text.buffer[np.maximum(colon - 1, 0)] == ord("]")
    tag_end = np.where(inside, bracket, colon)
    fine = (host_end < ends) & (colon + 2 < ends) & (tag_end < colon + ~inside) & (tag_end > host_end + 1)
    fine &= (text.buffer[np.minimum(colon + 1, len(text.data))] == _SPACE) & (host_end > at)
    fine &= ~inside | (colon - 1 > bracket + 1)
    # Where there is no process id, an empty stretch stands for it.
    pid = (np.where(inside, bracket + 1, colon), np.where(inside, colon - 1, colon))
    fields = {
        "time": time, "host": (at, host_end), "tag": (host_end + 1, tag_end), "pid": pid,
        "message": (colon + 2, ends),
    }  # fmt: skip
    return _Fields(lines, fields), fine


def _bsd(text: _Text, lines: NDArray[np.int64], rows: Rows) -> tuple[_Fields, Columns]:
    starts = text.starts[lines]
    day, clock = text.words[starts], text.words[starts + _DAY]
    fits = (byte_at(day, 3) == _SPACE) & (byte_at(day, 6) == _SPACE) & (text.buffer[starts + _BSD] == _SPACE)
    fits &= _DIGITS[byte_at(day, 5)] & (_DIGITS[byte_at(day, 4)] | (byte_at(day, 4) == _SPACE))
    for place in range(8):
        fits &= byte_at(clock, place) == ord(":") if place in (2, 5) else _DIGITS[byte_at(clock, place)]
    found, fine = _tagged(text, lines, starts + _BSD + 1, (starts, starts + _BSD))
    fields, _ = _kept(found, {}, fits & fine)
    raw = _column(text, fields, "time")
    known = _by_day(text, fields, raw, rows)
    if known is not None:
        return fields, known
    matches = {word: syslog.BSD.match(f"{word} -") for word in pc.unique(raw).to_pylist()}
    # In the order of their first line, since a clock that counts years goes forwards.
    stamps = {word: rows.clock.stamp(match, word) for word, match in matches.items() if match is not None}
    known = {
        "time_ns": map_distinct(
            raw, lambda word: stamps[word].time_ns if word in stamps else None, pa.int64()
        ),
        "time_precision": map_distinct(
            raw, lambda word: stamps[word].precision if word in stamps else None, pa.string()
        ),
        "time_basis": map_distinct(
            raw, lambda word: str(stamps[word].basis) if word in stamps else None, pa.string()
        ),
        "time_raw": raw,
    }
    return _kept(fields, known, truths(pc.is_valid(known["time_basis"])))


def _by_day(text: _Text, fields: _Fields, raw: pa.Array, rows: Rows) -> Columns | None:
    """Work out each day once; None where the hour matters too, or a day or hour is none."""
    starts = text.starts[fields.rows]
    seconds, fine = clock_seconds(text.words[starts + _DAY])
    if not len(starts) or not fine.all() or not (rows.zone is None or isinstance(rows.zone, int)):
        return None
    days = text.words[starts] & np.uint64((1 << 8 * _DAY) - 1)
    if (days == days[0]).all():
        firsts, which = np.zeros(1, np.int64), np.zeros(len(days), np.int64)
    else:
        _, firsts, which = np.unique(days, return_index=True, return_inverse=True)
    if rows.clock.is_stateful and len({text.data[starts[row] : starts[row] + 3] for row in firsts}) > 1:
        return None
    midnights = []
    for row in firsts.tolist():
        name = text.data[starts[row] : starts[row] + _DAY].decode()
        ends = []
        for hour in ("00:00:00", "23:59:59"):
            match = syslog.BSD.match(f"{name}{hour} -")
            if match is None:
                return None
            ends.append(rows.clock.stamp(match, name + hour))
        first, last = ends
        if first.time_ns is None or last.time_ns != first.time_ns + _LAST_SECOND * SECOND:
            return None
        midnights.append(first)
    ns = np.array([stamp.time_ns for stamp in midnights], np.int64)[which] + seconds * SECOND
    number = pa.array(which)
    return {
        "time_ns": pa.array(ns),
        "time_precision": pa.array([stamp.precision for stamp in midnights], pa.string()).take(number),
        "time_basis": pa.array([str(stamp.basis) for stamp in midnights], pa.string()).take(number),
        "time_raw": raw,
    }


def _iso(text: _Text, lines: NDArray[np.int64], rows: Rows) -> tuple[_Fields, Columns]:
    starts = text.starts[lines]
    time_end = text.next(_SPACE, starts)
    found, fine = _tagged(text, lines, time_end + 1, (starts, time_end))
    fine &= time_end - starts < 40  # noqa: PLR2004 - a place in the format
    fields, _ = _kept(found, {}, fine)
    levels = [
        truths(map_distinct(_column(text, fields, name), _is_level, pa.bool_())) for name in ("host", "tag")
    ]
    fields, _ = _kept(fields, {}, ~(levels[0] | levels[1]))
    return _timed(text, fields, rows)


def _is_level(word: str) -> bool:
    return syslog.LEVEL_WORD.fullmatch(word) is not None


def _rfc5424(text: _Text, lines: NDArray[np.int64], rows: Rows) -> tuple[_Fields, Columns]:
    starts, ends = text.starts[lines], text.ends[lines]
    closed = text.next(_SPACE, starts) - 2
    fine = (closed - starts >= 2) & (closed - starts <= 4)  # noqa: PLR2004 - a place in the format
    fine &= (text.buffer[np.maximum(closed, 0)] == ord(">")) & (
        text.buffer[np.maximum(closed + 1, 0)] == ord("1")
    )
    at = closed + 3
    fields: dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]] = {"pri": (starts + 1, closed)}
    fields["version"] = (closed + 1, closed + 2)
    for name in ("time", "host", "tag", "pid", "msgid"):
        end = text.next(_SPACE, np.minimum(at, len(text.data)))
        fine &= (end < ends) & (end > at)
        fields[name] = (at, end)
        at = end + 1
    last = len(text.data)
    fine &= (text.buffer[np.minimum(at, last)] == ord("-")) & (
        text.buffer[np.minimum(at + 1, last)] == _SPACE
    )
    fine &= at + 2 < ends
    fields["message"] = (at + 2, ends)
    return _timed(text, _kept(_Fields(lines, fields), {}, fine)[0], rows)


def _timed(text: _Text, fields: _Fields, rows: Rows) -> tuple[_Fields, Columns]:
    raw = _column(text, fields, "time")
    times = parse_times(raw, rows.zone)
    good = times.known & truths(pc.match_substring_regex(raw, _ISO))
    columns = {
        "time_ns": pa.array(times.ns), "time_precision": times.precisions(), "time_basis": times.bases(),
        "time_raw": raw,
    }  # fmt: skip
    return _kept(fields, columns, good)


def _kept(found: _Fields, known: Columns, good: NDArray[np.bool_]) -> tuple[_Fields, Columns]:
    """Keep some of the lines."""
    if good.all():
        return found, known
    fields = {name: (begin[good], end[good]) for name, (begin, end) in found.fields.items()}
    chosen = pa.array(good)
    return _Fields(found.rows[good], fields), {name: column.filter(chosen) for name, column in known.items()}


def _column(text: _Text, found: _Fields, name: str) -> pa.Array:
    begin, end = found.fields[name]
    return Slices(text.data, begin, end).take(np.arange(len(begin)))
