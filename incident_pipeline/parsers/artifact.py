"""Parse one artifact: choose its parser, run it part by part, quarantine what nobody takes, and report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from incident_pipeline.errors import ConfigError
from incident_pipeline.model.artifact import Problem
from incident_pipeline.model.report import ArtifactReport
from incident_pipeline.parsers.clock import Clock
from incident_pipeline.parsers.detect import SAMPLE_BYTES, Choice, Sample, by_name, choose, holds_nothing
from incident_pipeline.parsers.jsontext import lines
from incident_pipeline.parsers.parts import parse_part
from incident_pipeline.parsers.registry import all_formats, known_formats
from incident_pipeline.parsers.rows import Rows
from incident_pipeline.parsers.sink import MemorySink
from incident_pipeline.parsers.source import Assume
from incident_pipeline.parsers.stream import PART_BYTES, Stream, how_to_cut
from incident_pipeline.parsers.timestamps import format_time, parse_time, parse_zone

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa

    from incident_pipeline.parsers.format import Format
    from incident_pipeline.parsers.sink import Sink
    from incident_pipeline.parsers.source import Source
    from incident_pipeline.parsers.timestamps import Zone

NOTHING_ASSUMED: Final = Assume()
EMPTY: Final = "empty"
"""The format of an artifact that holds nothing and was not given another: null means not understood."""


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


def parse_artifact(
    data: bytes,
    source: Source,
    *,
    pin: str | None = None,
    assume: Assume = NOTHING_ASSUMED,
    part_bytes: int = PART_BYTES,
) -> ParsedArtifact:
    """Parse a decoded stream that is in memory (errors as `parse_stream`)."""
    sink = MemorySink()
    report, problems = parse_stream((data,), source, sink, Reading(pin, assume, part_bytes))
    return ParsedArtifact(
        *(sink.table(name) for name in ("events", "samples", "series", "quarantine")), report, problems
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
    clock, anchor = _clock(source, assume, zone), _anchor(assume)
    rows = Rows(source, b"", zone, clock=clock, anchor=anchor, sink=sink)
    if note:
        rows.assume(note)
    stream = Stream(chunks)
    head = stream.peek(SAMPLE_BYTES + 1)
    if holds_nothing(head):
        return _nothing(rows, stream, name)
    choice = choose(Sample.of(head, source.type), all_formats(), name)
    for text in choice.notes:
        rows.assume(text)
    if choice.parser is None:
        problems: tuple[Problem, ...] = (_unknown(rows, stream, reading.part_bytes),)
    else:
        problems = ()
        _parse(rows, stream, choice.parser, reading.part_bytes)
    return _finish(rows, stream, choice), problems


def unreadable(
    source: Source, size: int, reason: str, problem: Problem, sink: Sink
) -> tuple[ArtifactReport, tuple[Problem, ...]]:
    """Report an artifact that could not be decoded: its bytes as received go to quarantine."""
    rows = Rows(source, b"", sink=sink)
    rows.reject(0, size, reason)
    rows.assume(f"not read: {reason}")
    return _finish(rows, Stream(()), Choice(None, 0.0)), (problem,)


def _parse(rows: Rows, stream: Stream, parser: Format, part_bytes: int) -> None:
    begins_record = how_to_cut(stream, parser)
    parts = [stream.rest()] if begins_record is None else stream.parts(part_bytes, begins_record)
    for part in parts:
        parse_part(parser, part, rows)
        rows.flush()


def _zone(source: Source, assume: Assume) -> tuple[Zone | None, str | None]:
    """Give the zone for times that name none; a wrong one in the evidence is noted, not fatal."""
    if source.timezone:
        try:
            return parse_zone(source.timezone), None
        except ConfigError as error:
            return None, f"{error.message} UTC was assumed"
    return (parse_zone(assume.tz), None) if assume.tz else (None, None)


def _clock(source: Source, assume: Assume, zone: Zone | None) -> Clock:
    """Give what lines without a year take theirs from: the year given, else the day of collection."""
    latest = parse_time(source.collected_at).time_ns if source.collected_at else None
    return Clock(zone, assume.year, latest)


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
    return _finish(rows, stream, choice, empty=True), (problem,)


def _unknown(rows: Rows, stream: Stream, part_bytes: int) -> Problem:
    if b"\0" in stream.peek(SAMPLE_BYTES)[:SAMPLE_BYTES]:
        stream.skip()
        rows.reject(0, stream.taken, "binary data that no parser takes")
    else:
        for part in stream.parts(part_bytes, bool):
            rows.begin(part)
            for start, end in lines(part.data):
                rows.reject(start, end, "no parser takes this format")
            rows.flush()
    return Problem(
        kind="malformed",
        uri=rows.source.uri,
        detail="No parser takes this format; every line went to quarantine.",
        advice="Name its format as `format` in incident.json (or with --format). Known: "
        + ", ".join(known_formats())
        + ".",
    )


def _finish(rows: Rows, stream: Stream, choice: Choice, *, empty: bool = False) -> ArtifactReport:
    rows.finish()
    source = rows.source
    return ArtifactReport(
        artifact_sha256=source.sha256,
        artifact_uri=source.uri,
        type=source.type,
        role=source.role,
        format=choice.parser.id if choice.parser is not None else EMPTY if empty else None,
        score=choice.score,
        runner_up=choice.runner_up,
        runner_up_score=choice.runner_up_score,
        pinned=choice.pinned,
        bytes_decoded=stream.taken,
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
