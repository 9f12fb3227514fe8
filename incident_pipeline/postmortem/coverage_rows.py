"""The coverage section: what was held of each artifact, and how each falls short of what was asked.

Counts come from the parse report, windows, shortfalls and clocks from the coverage statement. These are
values of the two files, not sentences about the incident.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from incident_pipeline.drafting.wording import rfc3339
from incident_pipeline.model.postmortem import CoverageRow, ShortfallRow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_pipeline.drafting.inputs import DraftInputs
    from incident_pipeline.model.coverage import SourceCoverage
    from incident_pipeline.model.report import ArtifactReport


def coverage_rows(inputs: DraftInputs) -> tuple[CoverageRow, ...]:
    """Give one row per artifact that was read or asked for, the incident's own first, by name."""
    reports = {report.artifact_sha256: report for report in inputs.parse_report.artifacts}
    sources = inputs.coverage.sources if inputs.coverage else ()
    held = {source.artifact_sha256: source for source in sources if source.artifact_sha256 in reports}
    rows = [_read(report, held.get(sha)) for sha, report in reports.items()]
    rows += [_unread(source) for source in sources if source.artifact_sha256 not in reports]
    return tuple(sorted(rows, key=lambda row: (row.role, row.uri, row.sha256)))


def _read(report: ArtifactReport, source: SourceCoverage | None) -> CoverageRow:
    return CoverageRow(
        uri=report.artifact_uri,
        sha256=report.artifact_sha256,
        type=report.type,
        role=report.role,
        format=report.format,
        runner_up=report.runner_up,
        events=report.events,
        samples=report.samples,
        quarantined=report.quarantined,
        first_time=report.first_time,
        last_time=report.last_time,
        notes=tuple(_notes(report, source)),
        asked_start=_time(source.asked_start_ns) if source else None,
        asked_end=_time(source.asked_end_ns) if source else None,
        shortfalls=_shortfalls(source) if source else (),
        clock=source.clock if source else "",
    )


def _unread(source: SourceCoverage) -> CoverageRow:
    return CoverageRow(
        uri=source.artifact_uri,
        sha256=source.artifact_sha256,
        type=source.type,
        role=source.role,
        format=source.format,
        runner_up=None,
        events=source.events,
        samples=source.samples,
        quarantined=source.quarantined,
        first_time=None,
        last_time=None,
        asked_start=_time(source.asked_start_ns),
        asked_end=_time(source.asked_end_ns),
        shortfalls=_shortfalls(source),
        clock=source.clock,
    )


def _notes(report: ArtifactReport, source: SourceCoverage | None) -> Iterator[str]:
    told = {gap.detail for gap in source.shortfalls} if source else set()
    kinds = {gap.kind for gap in source.shortfalls} if source else set()
    yield from (note for note in report.assumptions if note not in told)
    if report.events_without_time and "untimed" not in kinds:
        yield f"{report.events_without_time} events without time"


def _shortfalls(source: SourceCoverage) -> tuple[ShortfallRow, ...]:
    return tuple(ShortfallRow(kind=gap.kind, detail=gap.detail) for gap in source.shortfalls)


def _time(ns: int | None) -> str | None:
    return None if ns is None else rfc3339(ns)
