"""The coverage statement: per source what was asked for, what is held, and how it falls short.

Gathered from what the earlier stages left: the seal's problems, the parse report, quarantine, the tables
and the clocks. Every shortfall is one plain sentence with the window concerned; whether anything may be
called absent is `absence`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from incident_pipeline.model.coverage import Coverage, Gap, SourceCoverage
from incident_pipeline.signals.attributes import integers
from incident_pipeline.timeline.clock_words import ahead, clock_bounds, clock_words, sure
from incident_pipeline.timeline.columns import booleans
from incident_pipeline.timeline.sampling import sampling
from incident_pipeline.timeline.shortfalls import (
    Held,
    assumed,
    cuts,
    holds_nothing,
    moment,
    outside_window,
    shortfall_of,
    silences,
    told_problems,
    unparsed,
    unread,
    usual_spacing,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from incident_pipeline.model.artifact import Problem, SealedArtifact
    from incident_pipeline.model.coverage import ClockEstimate, Shortfall
    from incident_pipeline.model.report import ArtifactReport, ParseReport
    from incident_pipeline.signals.tables import IncidentTables
    from incident_pipeline.timeline.correction import Correction


def cover(
    tables: IncidentTables, report: ParseReport, quarantine: pa.Table, correction: Correction
) -> Coverage:
    """Write the coverage statement of an incident.

    Args:
        tables: events, samples and series of all artifacts, of both roles.
        report: what each artifact was read as.
        quarantine: what no parser took (schema `parsers.table.QUARANTINE`).
        correction: the clocks, as the timeline used them.
    """
    reports = {item.artifact_sha256: item for item in report.artifacts}
    problems = (*tables.evidence.problems, *report.problems)
    held = _held(tables)
    times = {sha: item.times for sha, item in held.items() if item.times.size}
    sampled = sampling(tables)
    bases = _bases(tables.events)
    sources: list[SourceCoverage] = []
    for artifact in sorted(tables.evidence.artifacts, key=lambda item: item.sha256):
        own = held.get(artifact.sha256, _NOTHING)
        read = reports.get(artifact.sha256)
        names = {artifact.uri, *artifact.also_known_as}
        shortfalls = [
            *told_problems(problem for problem in problems if problem.uri in names),
            *holds_nothing(read, problems, names),
            *outside_window(artifact, own),
            *silences(artifact, own, times),
            *cuts(artifact, read),
            *sampled.get(artifact.sha256, ()),
            *unread(artifact, read, quarantine, tables.events),
            *assumed(bases.get(artifact.sha256, {})),
        ]
        clocks = [correction.estimates[at] for at in correction.of_artifact.get(artifact.sha256, ())]
        sources.append(_source(artifact, own, read, shortfalls, clocks, quarantine))
    known = {name for item in tables.evidence.artifacts for name in (item.uri, *item.also_known_as)}
    sources += [
        _never_held(problem) for problem in problems if problem.uri not in known and shortfall_of(problem)
    ]
    return Coverage(
        incident_id=tables.evidence.incident_id,
        sources=tuple(sorted(sources, key=lambda item: (item.artifact_sha256, item.artifact_uri))),
        remarks=tuple(_remarks(problems, tables, correction)),
    )


_NOTHING: Final = Held(np.zeros(0, np.int64), scraped=False, first=None, last=None)


def _source(
    artifact: SealedArtifact,
    own: Held,
    read: ArtifactReport | None,
    shortfalls: list[Gap],
    clocks: list[ClockEstimate],
    quarantine: pa.Table,
) -> SourceCoverage:
    asked = [moment(text) for text in artifact.window or (None, None)]
    offsets = {clock.offset_ns if clock.applied else 0 for clock in clocks}
    offset = offsets.pop() if len(offsets) == 1 else None
    low, high = clock_bounds(clocks)
    applied = [clock for clock in clocks if clock.applied or clock.zone_hours is not None]
    for clock in applied:
        detail = (
            f"the zone of {clock.clock} seems to be wrong by {clock.zone_hours:+g} h: {clock.note}"
            if clock.zone_hours is not None
            else f"the clock of {clock.clock} runs {ahead(clock.offset_ns)} of {clock.reference}; "
            "the order reckons with it"
        )
        kind: Shortfall = "assumed_zone" if clock.zone_hours is not None else "clock_offset"
        shortfalls.append(Gap(kind=kind, detail=detail))
    return SourceCoverage(
        artifact_uri=artifact.uri,
        artifact_sha256=artifact.sha256,
        type=artifact.type,
        source=artifact.source,
        role=artifact.role,
        format=read.format if read else None,
        asked_start_ns=asked[0],
        asked_end_ns=asked[1],
        held_start_ns=int(own.times[0]) if own.times.size else None,
        held_end_ns=int(own.times[-1]) if own.times.size else None,
        events=read.events if read else 0,
        samples=read.samples if read else 0,
        quarantined=read.quarantined if read else 0,
        unparsed_share=unparsed(artifact, read, quarantine)[0],
        clock_offset_ns=offset or None,
        shortfalls=tuple(shortfalls),
        clock_tied=bool(clocks) and all(sure(clock) for clock in clocks),
        clock_low_ns=low,
        clock_high_ns=high,
        clock="; ".join(clock_words(clock) for clock in clocks),
        usual_spacing_ns=usual_spacing(own),
        first_event=own.first,
        last_event=own.last,
    )


def _held(tables: IncidentTables) -> dict[str, Held]:
    """Read what each artifact holds, by digest: its events and its samples together."""
    events, series = tables.events, tables.series
    timed = pc.is_valid(events["time_ns"])
    found = _by_artifact(
        events["artifact_sha256"].filter(timed),
        integers(events["time_ns"].filter(timed)),
        events["event_id"].filter(timed),
    )
    ids = series["series_id"].combine_chunks()
    known = pc.index_in(tables.samples["series_id"].cast(pa.string()), ids)
    use = booleans(pc.and_(pc.is_valid(tables.samples["time_ns"]), pc.is_valid(known)))
    rows = known.filter(pa.array(use))
    names = pc.binary_join_element_wise("series:", ids.take(rows.combine_chunks()), "")
    scraped = _by_artifact(
        series["artifact_sha256"].take(rows.combine_chunks()),
        integers(tables.samples["time_ns"].filter(pa.array(use))),
        pa.chunked_array([names]),
        scraped=True,
    )
    for sha, item in scraped.items():
        # An artifact with both (rules beside samples) is as regular as its samples are.
        also = found.get(sha)
        found[sha] = item if also is None or item.times.size >= also.times.size else also
    return found


def _by_artifact(
    artifacts: pa.ChunkedArray, times: NDArray[np.int64], ids: pa.ChunkedArray, *, scraped: bool = False
) -> dict[str, Held]:
    encoded = artifacts.combine_chunks().cast(pa.string()).dictionary_encode()
    code = np.asarray(encoded.indices)
    order = np.lexsort((times, code))
    flat = ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else ids
    edges = np.searchsorted(code[order], np.arange(len(encoded.dictionary) + 1))
    found = {}
    for at, sha in enumerate(encoded.dictionary.to_pylist()):
        rows = order[edges[at] : edges[at + 1]]
        own = times[rows]
        # Of several records at one moment the one with the least id is cited, whatever the table's order.
        first = min(flat.take(pa.array(rows[own == own[0]])).to_pylist())
        last = min(flat.take(pa.array(rows[own == own[-1]])).to_pylist())
        found[sha] = Held(own, scraped, first, last)
    return found


def _bases(events: pa.Table) -> dict[str, dict[str, int]]:
    counted = (
        events.select(["artifact_sha256", "time_basis"])
        .group_by(["artifact_sha256", "time_basis"], use_threads=False)
        .aggregate([([], "count_all")])
    )
    found: dict[str, dict[str, int]] = {}
    for row in counted.to_pylist():
        found.setdefault(row["artifact_sha256"], {})[row["time_basis"]] = row["count_all"]
    return found


def _never_held(problem: Problem) -> SourceCoverage:
    return SourceCoverage(
        artifact_uri=problem.uri,
        artifact_sha256="",
        type="unknown",
        source="",
        role="incident",
        format=None,
        events=0,
        samples=0,
        quarantined=0,
        unparsed_share=0.0,
        shortfalls=tuple(told_problems([problem])),
    )


def _remarks(problems: Iterable[Problem], tables: IncidentTables, correction: Correction) -> Iterator[str]:
    for problem in sorted(problems, key=lambda item: (item.uri, item.kind, item.detail)):
        if shortfall_of(problem) is None:
            yield f"{problem.uri}: {problem.detail}"
    if not any(artifact.role == "reference" for artifact in tables.evidence.artifacts):
        yield "No reference was given: the calm stretch before the onset is the baseline."
    loose = [clock.clock for clock in correction.estimates if not clock.tied]
    if loose:
        yield f"Nothing ties these clocks to the others: {', '.join(loose)}."
    references = sorted({clock.reference for clock in correction.estimates if clock.tied})
    if len(references) > 1:
        yield f"The clocks fall into groups that nothing ties to each other, around: {', '.join(references)}."
