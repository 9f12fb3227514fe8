"""Parse one artifact: choose its parser, run it, send what nobody takes to quarantine, and report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from incident_pipeline.errors import ConfigError
from incident_pipeline.model.artifact import Problem
from incident_pipeline.model.report import ArtifactReport
from incident_pipeline.parsers.clock import Clock
from incident_pipeline.parsers.detect import Choice, Sample, by_name, choose, holds_nothing
from incident_pipeline.parsers.jsontext import lines
from incident_pipeline.parsers.registry import all_formats, known_formats
from incident_pipeline.parsers.rows import Rows
from incident_pipeline.parsers.source import Assume
from incident_pipeline.parsers.timestamps import format_time, parse_time, parse_zone

if TYPE_CHECKING:
    import pyarrow as pa

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


def parse_artifact(
    data: bytes, source: Source, *, pin: str | None = None, assume: Assume = NOTHING_ASSUMED
) -> ParsedArtifact:
    """Parse a decoded stream.

    `pin` is an operator's word on the format; without it the artifact's own hint counts.

    Raises:
        ConfigError: `assume.tz` is no zone, or `assume.anchor` no time.
    """
    zone, note = _zone(source, assume)
    rows = Rows(source, data, zone, clock=_clock(source, assume, zone), anchor=_anchor(assume))
    if note:
        rows.assume(note)
    if holds_nothing(data):
        return _nothing(rows, data, pin or source.format)
    choice = choose(Sample.of(data, source.type), all_formats(), pin or source.format)
    for text in choice.notes:
        rows.assume(text)
    problems: tuple[Problem, ...] = ()
    if choice.parser is None:
        problems = (_unknown(rows, data),)
    else:
        choice.parser.parse(data, rows)
    return _finish(rows, data, choice, problems)


def unreadable(source: Source, size: int, reason: str, problem: Problem) -> ParsedArtifact:
    """Give the result for an artifact that could not be decoded: its bytes as received go to quarantine."""
    rows = Rows(source, b"")
    rows.reject(0, size, reason)
    rows.assume(f"not read: {reason}")
    return _finish(rows, b"", Choice(None, 0.0), (problem,))


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


def _nothing(rows: Rows, data: bytes, name: str | None) -> ParsedArtifact:
    named = by_name(all_formats(), name)
    rows.assume("holds no records: the source had nothing, or the query found nothing")
    problem = Problem(
        kind="empty",
        uri=rows.source.uri,
        detail="The artifact holds no records.",
        advice="If it should, run the query or the export again.",
    )
    choice = Choice(named[0] if len(named) == 1 else None, 0.0, pinned=len(named) == 1)
    return _finish(rows, data, choice, (problem,), empty=True)


def _unknown(rows: Rows, data: bytes) -> Problem:
    if b"\0" in data:
        rows.reject(0, len(data), "binary data that no parser takes")
    else:
        for start, end in lines(data):
            rows.reject(start, end, "no parser takes this format")
    return Problem(
        kind="malformed",
        uri=rows.source.uri,
        detail="No parser takes this format; every line went to quarantine.",
        advice="Name its format as `format` in incident.json (or with --format). Known: "
        + ", ".join(known_formats())
        + ".",
    )


def _finish(
    rows: Rows, data: bytes, choice: Choice, problems: tuple[Problem, ...], *, empty: bool = False
) -> ParsedArtifact:
    events = rows.events_table()
    source = rows.source
    report = ArtifactReport(
        artifact_sha256=source.sha256,
        artifact_uri=source.uri,
        type=source.type,
        role=source.role,
        format=choice.parser.id if choice.parser is not None else EMPTY if empty else None,
        score=choice.score,
        runner_up=choice.runner_up,
        runner_up_score=choice.runner_up_score,
        pinned=choice.pinned,
        bytes_decoded=len(data),
        encoding=source.encoding,
        lines=data.count(b"\n") + (not data.endswith(b"\n") and bool(data)),
        events=rows.events_count,
        events_without_time=rows.untimed_count,
        samples=rows.samples_count,
        series=rows.series_count,
        quarantined=rows.rejects_count,
        first_time=format_time(rows.first_ns) if rows.first_ns is not None else None,
        last_time=format_time(rows.last_ns) if rows.last_ns is not None else None,
        assumptions=rows.assumptions,
    )
    return ParsedArtifact(
        events, rows.samples_table(), rows.series_table(), rows.quarantine_table(), report, problems
    )
