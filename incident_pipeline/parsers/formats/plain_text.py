"""Plain text: lines that begin with a calendar time; lines without one continue the line before.

The last resort. Stack traces and wrapped messages stay one event. Lines before the first time belong to
nothing and go to quarantine.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.jsontext import lines
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.severity import severity_of
from incident_pipeline.parsers.timestamps import Stamp, leading_time

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
_DATED_SHARE: Final = 0.2
"""Traces and wrapped messages leave most lines of a log without a time."""


class PlainText(Format):
    """The parser of text with leading times."""

    id = "plain_text"
    aliases = ("text", "text_log", "log", "timestamped_text")
    title = "Plain text with leading times"
    spec = "last resort"
    kinds = (Kind.LOG,)
    generality = 9

    def score(self, sample: Sample) -> float:
        """Recognise lines that begin with a calendar time."""
        if not sample.lines:
            return 0.0
        dated = sum(
            leading_time(line[:_HEAD].decode("utf-8", "replace")) is not None for line in sample.lines
        )
        first = leading_time(sample.lines[0][:_HEAD].decode("utf-8", "replace")) is not None
        share = dated / len(sample.lines)
        return 0.25 + 0.1 * share if first or share >= _DATED_SHARE else 0.0

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every dated line and what follows it into a log event."""
        start = end = 0
        stamp: Stamp | None = None
        for line_start, line_end in lines(data):
            found = leading_time(data[line_start : line_start + _HEAD].decode("utf-8", "replace"), rows.zone)
            if found is None and stamp is None:
                rows.reject(line_start, line_end, "text before the first line with a time")
                continue
            if found is not None:
                if stamp is not None:
                    rows.event(_event(data, start, end, stamp))
                start, stamp = line_start, found
            end = line_end
        if stamp is not None:
            rows.event(_event(data, start, end, stamp))


def _event(data: bytes, start: int, end: int, stamp: Stamp) -> Event:
    text = data[start:end].decode("utf-8", "replace")
    raw = stamp.raw or ""
    message = text[text.index(raw) + len(raw) :].lstrip("]:| \t-,") or text
    level = _LEVEL.search(message, 0, _LEVEL_WITHIN)
    word = (level[1] or level[2]) if level else None
    return Event(
        start=start,
        end=end,
        kind=Kind.LOG,
        message=message,
        attributes={},
        stamp=stamp,
        severity=severity_of(word),
        severity_raw=word,
    )


FORMATS: Final[tuple[Format, ...]] = (PlainText(),)
