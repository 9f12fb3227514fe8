"""Parse many artifacts into one set of tables: those of a seal, or plain files."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from incident_pipeline.errors import MissingArtifactError, UnreadableInputError, UnsafeArchiveError
from incident_pipeline.model.artifact import Problem, ProblemKind
from incident_pipeline.model.report import ParseReport
from incident_pipeline.parsers.artifact import Reading, parse_stream, unreadable
from incident_pipeline.parsers.sink import MemorySink
from incident_pipeline.parsers.source import Source
from incident_pipeline.parsers.table import write_table
from incident_pipeline.serialise import write_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pyarrow as pa

    from incident_pipeline.evidence import EvidenceReader
    from incident_pipeline.model.artifact import SealedArtifact
    from incident_pipeline.model.report import ArtifactReport
    from incident_pipeline.parsers.sink import Sink
    from incident_pipeline.results import ResultsFolder

DEFAULT: Final = Reading()


@dataclass(frozen=True)
class ParsedTables:
    """All rows of a parse, artifacts in order of their digests, rows in source order."""

    events: pa.Table
    samples: pa.Table
    series: pa.Table
    quarantine: pa.Table
    report: ParseReport
    problems: tuple[Problem, ...]

    @classmethod
    def of(cls, sink: MemorySink, report: ParseReport) -> ParsedTables:
        """Put together what a parse left in memory and its report."""
        events, samples = sink.table("events"), sink.table("samples")
        series, quarantine = sink.table("series"), sink.table("quarantine")
        return cls(events, samples, series, quarantine, report, report.problems)


def parse_sealed(
    reader: EvidenceReader, artifacts: Iterable[SealedArtifact], reading: Reading = DEFAULT
) -> ParsedTables:
    """Parse sealed artifacts into memory (errors as `parse_sealed_into`)."""
    sink = MemorySink()
    return ParsedTables.of(sink, parse_sealed_into(sink, reader, artifacts, reading))


def parse_sealed_into(
    sink: Sink, reader: EvidenceReader, artifacts: Iterable[SealedArtifact], reading: Reading = DEFAULT
) -> ParseReport:
    """Parse sealed artifacts; one that can't be decoded is quarantined and does not stop the others.

    Raises:
        HashMismatchError: bytes in the vault differ from the digest they are kept under. Nothing that
            `sink` took may be published then.
    """
    done = [
        _parse_one(sink, reader, artifact, reading)
        for artifact in sorted(artifacts, key=lambda item: item.sha256)
    ]
    return report_of(done)


def report_of(done: Sequence[tuple[ArtifactReport, tuple[Problem, ...]]]) -> ParseReport:
    """Put together the reports of artifacts."""
    return ParseReport(
        artifacts=tuple(report for report, _ in done),
        problems=tuple(problem for _, problems in done for problem in problems),
    )


def _parse_one(
    sink: Sink, reader: EvidenceReader, artifact: SealedArtifact, reading: Reading
) -> tuple[ArtifactReport, tuple[Problem, ...]]:
    with ExitStack() as reads:
        try:
            stream = reads.enter_context(reader.opened(artifact.sha256))
        except UnreadableInputError as error:
            return undecodable(Source.of(artifact, "broken"), artifact.size, error, sink)
        return parse_stream(stream.chunks, Source.of(artifact, stream.encoding), sink, reading)


def undecodable(
    source: Source, size: int, error: UnreadableInputError, sink: Sink
) -> tuple[ArtifactReport, tuple[Problem, ...]]:
    """Report an artifact whose compressed stream is broken or refused."""
    kind: ProblemKind = "malformed"
    if isinstance(error, (MissingArtifactError, UnsafeArchiveError)):
        kind = "missing" if isinstance(error, MissingArtifactError) else "unsafe_archive"
    problem = Problem(
        kind=kind,
        uri=source.uri,
        detail=error.message,
        advice=error.advice,
        exit_code=3,
    )
    return unreadable(source, size, error.message, problem, sink)


def write_tables(parsed: ParsedTables, folder: ResultsFolder) -> None:
    """Write the four tables and the report of a parse into a results folder."""
    write_table(folder.events, parsed.events)
    write_table(folder.samples, parsed.samples)
    write_table(folder.series, parsed.series)
    write_table(folder.quarantine, parsed.quarantine)
    write_json(folder.parse_report, parsed.report)
