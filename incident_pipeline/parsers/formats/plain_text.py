"""Plain text: lines that begin with a calendar time; lines without one continue the line before.

The last resort. Stack traces and wrapped messages stay one event. Lines before the first time belong to
nothing and go to quarantine.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.foreign import is_foreign
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.jsontext import lines
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.severity import severity_of
from incident_pipeline.parsers.timestamps import Stamp, leading_time, parse_slashed

if TYPE_CHECKING:
    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.rows import Rows

_LEVEL: Final = re.compile(
    r"\b(TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|ERR|CRITICAL|CRIT|FATAL|SEVERE|PANIC)\b"
    r"|\[(trace|debug|info|notice|warn|warning|error|err|crit|critical|fatal)\]"
)
_LEVEL_WITHIN: Final = 80
"""A level stands near the front; further on it is part of the message."""
_HEAD: Final = 80
_TWO_WAYS: Final = (
    "dates such as 03/04/2026 can be read two ways, so their times are unknown: "
    "say which with --assume-date-order"
)
_LINE: Final = 65_536
_DATED_SHARE: Final = 0.2
"""Traces and wrapped messages leave most lines of a log without a time."""


class PlainText(Format):
    """The parser of text with leading times."""

    id = "plain_text"
    stands_alone = True
    aliases = ("text", "text_log", "log", "timestamped_text")
    title = "Plain text with leading times"
    spec = "last resort"
    kinds = (Kind.LOG,)
    generality = 9
    splitting = "records"

    def score(self, sample: Sample) -> float:
        """Recognise lines that begin with a calendar time."""
        if not sample.lines:
            return 0.0
        dated = sum(_leading(line[:_HEAD]) is not None for line in sample.lines)
        first = _leading(sample.lines[0][:_HEAD]) is not None
        share = dated / len(sample.lines)
        return 0.25 + 0.1 * share if first or share >= _DATED_SHARE else 0.0

    def begins_record(self, line: bytes) -> bool:
        """Tell whether a line begins with a time."""
        return _leading(line.lstrip()[:_HEAD]) is not None

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every dated line and what follows it into a log event."""
        start = end = 0
        stamp: Stamp | None = None
        for line_start, line_end in lines(data):
            found = _leading(data[line_start : min(line_end, line_start + _HEAD)], rows)
            if found is None and stamp is None:
                rows.reject(line_start, line_end, "text that belongs to no line with a time")
                continue
            if found is None and stamp is not None and _is_of_another_format(data, line_start, line_end):
                rows.event(_event(data, start, end, stamp, rows))
                stamp = None
                rows.reject(line_start, line_end, "text that belongs to no line with a time")
                continue
            if found is not None:
                if stamp is not None:
                    rows.event(_event(data, start, end, stamp, rows))
                start, stamp = line_start, found
            end = line_end
        if stamp is not None:
            rows.event(_event(data, start, end, stamp, rows))


def _leading(line: bytes, rows: Rows | None = None) -> Stamp | None:
    """Read the time that a line begins with, a date in figures with slashes too."""
    text = line.decode("utf-8", "replace")
    zone, order = (rows.zone, rows.clock.date_order) if rows is not None else (None, None)
    found = leading_time(text, zone)
    if (
        found is None
        and (found := parse_slashed(text, order, zone)) is not None
        and rows is not None
        and order is None
    ):
        rows.assume(_TWO_WAYS)
    return found


def _is_of_another_format(data: bytes, start: int, end: int) -> bool:
    at_margin = start == 0 or data[start - 1 : start] == b"\n"
    return at_margin and is_foreign(data[start : min(end, start + _LINE)].decode("utf-8", "replace"))


def _event(data: bytes, start: int, end: int, stamp: Stamp, rows: Rows) -> Event:
    text = data[start:end].decode("utf-8", "replace")
    raw = stamp.raw or ""
    message = text[text.index(raw) + len(raw) :].lstrip("]:| \t-,") or text
    stamp, is_again = rows.clock.fold(stamp)
    level = _LEVEL.search(message, 0, _LEVEL_WITHIN)
    word = (level[1] or level[2]) if level else None
    return Event(
        start=start,
        end=end,
        kind=Kind.LOG,
        message=message,
        attributes={"time.fold": "1"} if is_again else {},
        stamp=stamp,
        severity=severity_of(word),
        severity_raw=word,
    )


FORMATS: Final[tuple[Format, ...]] = (PlainText(),)
