"""Parse one artifact: choose its parser, run it part by part, quarantine what nobody takes, and report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from incident_pipeline.errors import ConfigError
from incident_pipeline.model.artifact import Problem
from incident_pipeline.model.report import ArtifactReport
from incident_pipeline.parsers.clock import Clock
from incident_pipeline.parsers.detect import (
    SAMPLE_BYTES,
    Choice,
    Sample,
    banner_of,
    by_name,
    choose,
    holds_nothing,
)
from incident_pipeline.parsers.encodings import BROKEN_NOTE, as_utf8
from incident_pipeline.parsers.jsontext import lines
from incident_pipeline.parsers.parts import parse_part
from incident_pipeline.parsers.registry import all_formats, known_formats
from incident_pipeline.parsers.rows import Rows
from incident_pipeline.parsers.second import SecondReading
from incident_pipeline.parsers.sink import MemorySink
from incident_pipeline.parsers.source import Assume
from incident_pipeline.parsers.stream import PART_BYTES, Stream, how_to_cut
from incident_pipeline.parsers.timestamps import format_time, parse_time, parse_zone

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa

    from incident_pipeline.parsers.format import Format
    from incident_pipeline.parsers.part import Part
    from incident_pipeline.parsers.sink import Sink
    from incident_pipeline.parsers.source import Source
    from incident_pipeline.parsers.timestamps import Zone

NOTHING_ASSUMED: Final = Assume()
EMPTY: Final = "empty"
"""The format of an artifact that holds nothing and was not given another: null means not understood."""


MIXED: Final = "mixed"
"""The format of an artifact of which no format is the main one, but lines are of known formats."""
_AGAIN: Final = 64 * 1024**2
"""A part longer than this is one document, and what is broken in it is not read a second time."""


@dataclass(frozen=True)
class ParsedArtifact:
    """The tables of one artifact (schemas in `parsers.table`), its report, and what could not be read."""

    events: pa.Table
    samples: pa.Table
    series: pa.Table
    quarantine: pa.Table
    report: ArtifactReport
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Reading:
    """How artifacts are read: an operator's word on the format, what to assume, how much at a time."""

    pin: str | None = None
    assume: Assume = NOTHING_ASSUMED
    part_bytes: int = PART_BYTES
    formats: tuple[Format, ...] = ()
    """The user's own formats, beside the built-in ones."""
    not_after: str | None = None
    """Where an artifact does not say when it was collected: a time its lines lie before or near, RFC 3339.

    Lines without a year take theirs from it; the incident's start will do, or the file's last change.
    """

    @property
    def all_formats(self) -> tuple[Format, ...]:
        """All formats, the special before the general; a user's own comes first among equals."""
        if not self.formats:
            return all_formats()
        return tuple(sorted((*self.formats, *all_formats()), key=lambda item: item.generality))


def parse_artifact(
    data: bytes,
    source: Source,
    *,
    pin: str | None = None,
    assume: Assume = NOTHING_ASSUMED,
    part_bytes: int = PART_BYTES,
    formats: tuple[Format, ...] = (),
) -> ParsedArtifact:
    """Parse a decoded stream that is in memory (errors as `parse_stream`)."""
    sink = MemorySink()
    report, problems = parse_stream((data,), source, sink, Reading(pin, assume, part_bytes, formats))
    return ParsedArtifact(
        sink.table("events"),
        sink.table("samples"),
        sink.table("series"),
        sink.table("quarantine"),
        report,
        problems,
    )


def parse_stream(
    chunks: Iterable[bytes], source: Source, sink: Sink, reading: Reading
) -> tuple[ArtifactReport, tuple[Problem, ...]]:
    """Parse a decoded stream that comes in chunks; its rows go to `sink`, in source order.

    No more of it is held than a part, unless its format can't be cut. `reading.pin` is an operator's word
    on the format; without it the artifact's own hint counts.

    Raises:
        ConfigError: `assume.tz` is no zone, or `assume.anchor` no time.
    """
    assume, name = reading.assume, reading.pin or source.format
    zone, note = _zone(source, assume)
    clock, anchor = _clock(source.collected_at or reading.not_after, assume, zone), _anchor(assume)
    rows = Rows(source, b"", zone, clock=clock, anchor=anchor, sink=sink)
    if note:
        rows.assume(note)
    stream = Stream(chunks)
    head = stream.peek(SAMPLE_BYTES + 1)
    if holds_nothing(head):
        return _nothing(rows, stream, name)
    choice = _choose(rows, stream, reading, name)
    for text in (*stream.notes, *choice.notes):
        rows.assume(text)
    if choice.parser is None and b"\0" in stream.peek(SAMPLE_BYTES)[:SAMPLE_BYTES]:
        stream.skip()
        rows.reject(0, stream.size, "binary data that no parser takes")
        return _finish(rows, stream, choice), (_unknown(rows),)
    others = _parse(rows, stream, choice.parser, reading)
    if others:
        told = ", ".join(f"{name} ({count:,})" for name, count in others.items())
        rows.assume(f"records of other formats in the same stream: {told}")
    problems = () if choice.parser is not None else (_unknown(rows),)
    return _finish(rows, stream, choice, name=MIXED if others else None), problems


def unreadable(
    source: Source, size: int, reason: str, problem: Problem, sink: Sink
) -> tuple[ArtifactReport, tuple[Problem, ...]]:
    """Report an artifact that could not be decoded: its bytes as received go to quarantine."""
    rows = Rows(source, b"", sink=sink)
    rows.reject(0, size, reason)
    rows.assume(f"not read: {reason}")
    return _finish(rows, Stream(()), Choice(None, 0.0)), (problem,)


def _parse(rows: Rows, stream: Stream, parser: Format | None, reading: Reading) -> dict[str, int]:
    """Parse a stream part by part; give how many records of other formats it held, by format."""
    # An operator's word on the format leaves nothing to others.
    second = SecondReading(rows, reading.all_formats if reading.pin is None else (), parser)
    begins_record = bool if parser is None else how_to_cut(stream, parser)
    is_closed = None if parser is None else parser.is_closed
    parts = (
        (stream.rest(),)
        if begins_record is None
        else stream.parts(reading.part_bytes, begins_record, is_closed)
    )
    for whole in parts:
        part, is_recoded = (whole, False) if parser is not None and parser.binary else as_utf8(whole)
        if is_recoded:
            rows.assume(BROKEN_NOTE)
        if parser is not None and (parser.splitting == "whole" or len(part.data) > _AGAIN):
            parse_part(parser, part, rows)
        else:
            with rows.aside() as held:
                if parser is None:
                    _reject_lines(rows, part, "no parser takes this format")
                else:
                    parse_part(parser, part, rows)
                second.read(part, held)
        rows.flush()
    second.finish()
    return second.counts


def _reject_lines(rows: Rows, part: Part, reason: str) -> None:
    rows.begin(part)
    for start, end in lines(part.data):
        rows.reject(start, end, reason)


def _choose(rows: Rows, stream: Stream, reading: Reading, name: str | None) -> Choice:
    """Choose the parser; lines that a tool wrote before a JSON document are passed over first."""
    head = stream.peek(SAMPLE_BYTES + 1)
    choice = choose(Sample.of(head, rows.source.type), reading.all_formats, name)
    banner = banner_of(head)
    if not banner:
        return choice
    after = choose(Sample.of(head[banner:], rows.source.type), reading.all_formats, name)
    is_better = after.parser is not None and (choice.pinned or after.score > choice.score)
    if not is_better or after.parser is None or after.parser.splitting not in ("json", "whole"):
        return choice
    _reject_lines(rows, stream.take(banner), "text before the first document")
    rows.flush()
    return after


def _zone(source: Source, assume: Assume) -> tuple[Zone | None, str | None]:
    """Give the zone for times that name none; a wrong one in the evidence is noted, not fatal."""
    if source.timezone:
        try:
            return parse_zone(source.timezone), None
        except ConfigError as error:
            return None, f"{error.message} UTC was assumed"
    return (parse_zone(assume.tz), None) if assume.tz else (None, None)


def _clock(collected_at: str | None, assume: Assume, zone: Zone | None) -> Clock:
    """Give what lines without a year take theirs from: the year given, else the day of collection."""
    latest = parse_time(collected_at).time_ns if collected_at else None
    clock = Clock(zone, assume.year, latest)
    clock.date_order = assume.date_order
    return clock


def _anchor(assume: Assume) -> int | None:
    """Give the moment that relative times count from.

    Raises:
        ConfigError: it is no time.
    """
    if assume.anchor is None:
        return None
    found = parse_time(assume.anchor).time_ns
    if found is None:
        message = f"{assume.anchor!r} is no time."
        raise ConfigError(message, advice="Use an RFC 3339 time such as 2026-01-01T12:00:00Z.")
    return found


def _nothing(rows: Rows, stream: Stream, name: str | None) -> tuple[ArtifactReport, tuple[Problem, ...]]:
    stream.skip()
    named = by_name(all_formats(), name)
    rows.assume("holds no records: the source had nothing, or the query found nothing")
    problem = Problem(
        kind="empty",
        uri=rows.source.uri,
        detail="The artifact holds no records.",
        advice="If it should, run the query or the export again.",
    )
    choice = Choice(named[0] if len(named) == 1 else None, 0.0, pinned=len(named) == 1)
    return _finish(rows, stream, choice, name=EMPTY), (problem,)


def _unknown(rows: Rows) -> Problem:
    return Problem(
        kind="malformed",
        uri=rows.source.uri,
        detail="No parser takes this format; "
        + ("lines that are of no known format" if rows.handed_over > rows.rejects_count else "every line")
        + " went to quarantine.",
        advice="Name its format as `format` in incident.json (or with --format). Known: "
        + ", ".join(known_formats())
        + ".",
    )


def _finish(rows: Rows, stream: Stream, choice: Choice, *, name: str | None = None) -> ArtifactReport:
    rows.finish()
    for text in rows.clock.notes:
        rows.assume(text)
    source = rows.source
    return ArtifactReport(
        artifact_sha256=source.sha256,
        artifact_uri=source.uri,
        type=source.type,
        role=source.role,
        format=choice.parser.id if choice.parser is not None else name,
        score=choice.score,
        runner_up=choice.runner_up,
        runner_up_score=choice.runner_up_score,
        pinned=choice.pinned,
        bytes_decoded=stream.size,
        encoding=source.encoding,
        lines=stream.newlines + (stream.last not in (b"\n", b"")),
        events=rows.events_count,
        events_without_time=rows.untimed_count,
        samples=rows.samples_count,
        series=rows.series_count,
        quarantined=rows.rejects_count,
        first_time=format_time(rows.first_ns) if rows.first_ns is not None else None,
        last_time=format_time(rows.last_ns) if rows.last_ns is not None else None,
        assumptions=rows.assumptions,
    )
