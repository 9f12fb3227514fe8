"""Text formats told by patterns: records that begin with a line of a known shape.

A `LineFormat` is declared, not programmed: verbose patterns with named groups, tried in order; lines
that match none continue the record before (a stack trace, a wrapped message) or go to quarantine. The
same class carries users' own formats. Groups that play a role: those of a time (see `clock`), `time`
(a text that `timestamps.parse_time` reads), `level message service host actor trace_id span_id`. Every
other group becomes an attribute, `__` in its name standing for a dot.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar, Final, Literal

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.clock import TIME_GROUPS
from incident_pipeline.parsers.foreign import is_foreign
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.jsontext import lines
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.severity import severity_of
from incident_pipeline.parsers.timestamps import UNKNOWN, parse_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.format import Splitting
    from incident_pipeline.parsers.rows import Rows
    from incident_pipeline.parsers.timestamps import Stamp

Continuation = Literal["join", "reject"]

ROLES: Final = frozenset(["time", "level", "message", "service", "host", "actor", "trace_id", "span_id"])
"""Groups of a pattern that become columns."""
_MAX_HEAD: Final = 65_536
"""A pattern looks at this many characters of a line; the rest belongs to the message all the same."""
_MAX_RECORD: Final = 4 * 1024**2
"""A record takes no more continuation lines than this many bytes; what follows is rejected, not lost."""


class LineFormat(Format):
    """A text format whose records begin with a line that one of `patterns` matches from its start."""

    kinds: ClassVar[tuple[Kind, ...]] = (Kind.LOG,)
    splitting: ClassVar[Splitting] = "records"
    stands_alone = True
    patterns: ClassVar[tuple[re.Pattern[str], ...]]
    continuation: ClassVar[Continuation] = "join"
    service: ClassVar[str | None] = None
    """The service of records that name none: the product that writes this format."""
    look: ClassVar[int] = _MAX_HEAD
    """How many characters of a line the patterns see."""
    certainty: ClassVar[float] = 0.9
    """The score when every line of the sample fits."""

    def score(self, sample: Sample) -> float:
        """Score by the share of lines that begin a record; a format that joins lines needs fewer."""
        if not sample.lines:
            return 0.0
        hits = [self.match(line.decode("utf-8", "replace")) is not None for line in sample.lines]
        share = sum(hits) / len(hits)
        if self.continuation == "join" and hits[0]:
            share = max(share, min(1.0, 0.5 + share))
        return self.certainty * share

    def takes(self, line: Sample) -> float:
        """Ask for a match only, unless the format scores by more than that."""
        if type(self).score is not LineFormat.score:
            return self.score(line)
        return self.certainty if self.begins_record(line.head) else 0.0

    def match(self, line: str) -> re.Match[str] | None:
        """Match the beginning of a line."""
        head = line[: self.look]
        return next((found for pattern in self.patterns if (found := pattern.match(head)) is not None), None)

    def begins_record(self, line: bytes) -> bool:
        """Tell whether one of the patterns matches."""
        return self.match(line.decode("utf-8", "replace")) is not None

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every record; lines that belong to none go to quarantine."""
        start = end = 0
        match: re.Match[str] | None = None
        for line_start, line_end in lines(data):
            found = self.match(text_of(data, line_start, line_end, rows))
            joins = (
                found is None
                and match is not None
                and self.continuation == "join"
                and line_end - start <= _MAX_RECORD
                and not (_is_at_margin(data, line_start) and is_foreign(_head_of(data, line_start, line_end)))
            )
            if joins:
                end = line_end
                continue
            if match is not None:
                rows.event(self.event(match, data, start, end, rows))
                match = None
            if found is None:
                rows.reject(line_start, line_end, f"no record of {self.id} begins with this line")
                continue
            match, start, end = found, line_start, line_end
        if match is not None:
            rows.event(self.event(match, data, start, end, rows))

    def event(self, match: re.Match[str], data: bytes, start: int, end: int, rows: Rows) -> Event:
        """Turn the match of a record's first line, and the lines it goes on with, into an event."""
        groups = {name: value for name, value in match.groupdict().items() if value is not None}
        message = groups.get("message")
        first_line = match.string
        whole = text_of(data, start, end, rows)
        if len(whole) > len(first_line):
            message = (first_line if message is None else message) + whole[len(first_line) :]
        level = groups.get("level")
        stamp, is_again = rows.clock.fold(self.stamp(match, groups, rows))
        attributes = {
            name.replace("__", "."): value
            for name, value in groups.items()
            if name not in TIME_GROUPS and name not in ROLES
        }
        if is_again:
            attributes["time.fold"] = "1"
        return Event(
            start=start,
            end=end,
            kind=self.kinds[0],
            message=whole if message is None else message,
            attributes=attributes,
            stamp=stamp,
            service=groups.get("service") or self.service,
            host=groups.get("host"),
            actor=groups.get("actor"),
            severity=self.severity(level, groups),
            severity_raw=level,
            trace_id=groups.get("trace_id"),
            span_id=groups.get("span_id"),
        )

    def stamp(self, match: re.Match[str], groups: dict[str, str], rows: Rows) -> Stamp:
        """Give the record's time."""
        if "time" in groups:
            return parse_time(groups["time"], rows.zone)
        return rows.clock.stamp(match) if "hour" in groups or "epoch" in groups else UNKNOWN

    def severity(self, level: str | None, groups: dict[str, str]) -> int | None:  # noqa: ARG002 - for overrides
        """Give the OpenTelemetry severity number of a level as written."""
        return severity_of(level)


def _is_at_margin(data: bytes, at: int) -> bool:
    return at == 0 or data[at - 1 : at] == b"\n"


def _head_of(data: bytes, start: int, end: int) -> str:
    return data[start : min(end, start + _MAX_HEAD)].decode("utf-8", "replace")


def text_of(data: bytes, start: int, end: int, rows: Rows) -> str:
    """Decode a record's bytes: UTF-8, or byte by byte (Latin-1) where they are not, which is noted.

    Nothing is replaced, so no two different records become one text.
    """
    piece = data[start:end]
    try:
        return piece.decode("utf-8")
    except UnicodeDecodeError:
        rows.assume("lines that are no UTF-8 were read as Latin-1")
        return piece.decode("latin-1")


def compile_verbose(*patterns: str) -> tuple[re.Pattern[str], ...]:
    """Compile verbose patterns whose digits and letters are ASCII ones."""
    return tuple(re.compile(pattern, re.VERBOSE | re.ASCII) for pattern in patterns)


def share_of(lines_seen: Sequence[bytes], pattern: re.Pattern[bytes]) -> float:
    """Give the share of lines that a pattern matches from their start."""
    return (
        sum(pattern.match(line) is not None for line in lines_seen) / len(lines_seen) if lines_seen else 0.0
    )
