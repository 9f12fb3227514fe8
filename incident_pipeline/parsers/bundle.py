"""Parse many artifacts into one set of tables: those of a seal, or plain files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from incident_pipeline.errors import MissingArtifactError, UnreadableInputError, UnsafeArchiveError
from incident_pipeline.model.artifact import Problem, ProblemKind
from incident_pipeline.model.report import ParseReport
from incident_pipeline.parsers.artifact import parse_artifact, unreadable
from incident_pipeline.parsers.source import Source
from incident_pipeline.parsers.table import EVENTS, QUARANTINE, SAMPLES, SERIES, write_table
from incident_pipeline.serialise import write_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from incident_pipeline.evidence import EvidenceReader
    from incident_pipeline.model.artifact import SealedArtifact
    from incident_pipeline.parsers.artifact import ParsedArtifact
    from incident_pipeline.results import ResultsFolder


@dataclass(frozen=True)
class ParsedTables:
    """All rows of a parse, artifacts in order of their digests, rows in source order."""

    events: pa.Table
    samples: pa.Table
    series: pa.Table
    quarantine: pa.Table
    report: ParseReport
    problems: tuple[Problem, ...]


def parse_sealed(reader: EvidenceReader, artifacts: Iterable[SealedArtifact]) -> ParsedTables:
    """Parse sealed artifacts; one that can't be decoded is quarantined and does not stop the others.

    Raises:
        HashMismatchError: bytes in the vault differ from the digest they are kept under.
    """
    return join(
        [_parse_one(reader, artifact) for artifact in sorted(artifacts, key=lambda item: item.sha256)]
    )


def _parse_one(reader: EvidenceReader, artifact: SealedArtifact) -> ParsedArtifact:
    try:
        data = reader.decoded(artifact.sha256)
    except UnreadableInputError as error:
        return undecodable(Source.of(artifact, "broken"), artifact.size, error)
    return parse_artifact(data, Source.of(artifact, reader.encoding(artifact.sha256)))


def undecodable(source: Source, size: int, error: UnreadableInputError) -> ParsedArtifact:
    """Give the result for an artifact whose compressed stream is broken or refused."""
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
    return unreadable(source, size, error.message, problem)


def join(parsed: Sequence[ParsedArtifact]) -> ParsedTables:
    """Put the tables of artifacts one after the other."""
    problems = tuple(problem for item in parsed for problem in item.problems)
    return ParsedTables(
        events=_concat([item.events for item in parsed], EVENTS),
        samples=_concat([item.samples for item in parsed], SAMPLES),
        series=_concat([item.series for item in parsed], SERIES),
        quarantine=_concat([item.quarantine for item in parsed], QUARANTINE),
        report=ParseReport(artifacts=tuple(item.report for item in parsed), problems=problems),
        problems=problems,
    )


def write_tables(parsed: ParsedTables, folder: ResultsFolder) -> None:
    """Write the four tables and the report of a parse into a results folder."""
    write_table(folder.events, parsed.events)
    write_table(folder.samples, parsed.samples)
    write_table(folder.series, parsed.series)
    write_table(folder.quarantine, parsed.quarantine)
    write_json(folder.parse_report, parsed.report)


def _concat(tables: Sequence[pa.Table], schema: pa.Schema) -> pa.Table:
    return pa.concat_tables(tables) if tables else schema.empty_table()
