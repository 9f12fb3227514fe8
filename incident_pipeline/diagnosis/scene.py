"""What hypotheses are made from: the ranking's incident seen as a responder sees it.

Who answers requests at the border, whose telemetry is held and who is only called, where failing chains
end, what was changed before the onset and after it, and which measurement a series id stands for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from incident_pipeline.diagnosis.business import event_title, is_business_event
from incident_pipeline.diagnosis.chains import entries, names, origin_callers, origins, peers
from incident_pipeline.diagnosis.citations import Citer
from incident_pipeline.diagnosis.finding import EventPlace, Finding
from incident_pipeline.diagnosis.windows import Stretches, latest_onset, read_windows
from incident_pipeline.signals.attributes import lookup
from incident_pipeline.signals.series import Series, read_series
from incident_pipeline.signals.spans import Spans, read_spans

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from incident_pipeline.evidence.reader import EvidenceReader
    from incident_pipeline.model.citation import Citation
    from incident_pipeline.model.hypothesis import Diagnosis
    from incident_pipeline.signals.tables import IncidentTables

LOOKBACK: Final = 3_600 * 1_000_000_000
"""Changes older than an hour are no suspects: systems change all the time."""


@dataclass(frozen=True)
class Change:
    """A change as the change log has it: when, to which component (None: none that is known), what."""

    row: int
    time_ns: int
    component: str | None
    kind: str | None
    summary: str
    business: bool = False
    """An event of the business, which may bring load: nobody changed the system."""


@dataclass(frozen=True)
class Scene:
    """One incident with its onset, ready to be explained."""

    diagnosis: Diagnosis
    tables: IncidentTables
    reader: EvidenceReader | None
    windows: Stretches
    spans: Spans
    during: NDArray[np.bool_]
    """Per span: whether it began in the failing stretch."""
    origin: NDArray[np.object_]
    origin_caller: NDArray[np.object_]
    peer: NDArray[np.object_]
    entry: str | None
    """The component at which requests enter the system."""
    services: frozenset[str]
    """Components that send spans of their own."""
    series: dict[str, Series]
    """By series id."""
    suspects: tuple[Change, ...]
    """Changes before the onset, latest first."""
    remedies: tuple[Change, ...]
    """Changes after the onset, earliest first."""
    alert_rows: tuple[int, ...]
    """Firing alerts, earliest first."""
    resolved_at: int | None
    """When the last alert was resolved, if none fired after that."""

    def cite(self, *rows: int) -> tuple[Citation, ...]:
        """Cite rows of the event table; what can't be cited is left out."""
        places = tuple(EventPlace(row) for row in rows)
        return Citer(self.tables, self.reader).cite(Finding("", "alert", 0.0, "", places=places))

    def callers(self, component: str) -> tuple[str, ...]:
        """Give the components that call one, by name."""
        return tuple(sorted(c for c, called in self.diagnosis.graph.items() if component in called))

    def above(self, component: str) -> tuple[str, ...]:
        """Give everything that depends on a component through calls, by name."""
        found: set[str] = set()
        pending = [component]
        while pending:
            for caller in self.callers(pending.pop()):
                if caller not in found and caller != component:
                    found.add(caller)
                    pending.append(caller)
        return tuple(sorted(found))

    def is_external(self, component: str) -> bool:
        """Say whether a component is seen only through those that call it."""
        return component not in self.services and bool(self.callers(component)) and bool(self.services)

    def fails_requests(self, service: str) -> bool:
        """Say whether any request that entered a service in the failing stretch failed."""
        failed = self.during & self.spans.failed & entries(self.spans)
        return bool((names(self.spans.service, self.spans.service.codes)[failed] == service).any())

    def failing_chains(self, component: str | None = None) -> int:
        """Count the failing chains of the failing stretch, all or those that end at a component."""
        ends = self.origin[self.during]
        if component is None:
            return sum(1 for end in ends if end is not None)
        callers = self.origin_caller[self.during]
        return sum(1 for pair in zip(ends, callers, strict=True) if component in pair)


def read_scene(diagnosis: Diagnosis, tables: IncidentTables, reader: EvidenceReader | None) -> Scene | None:
    """Read the scene, or None when there is no onset to split time at."""
    if diagnosis.onset is None:
        return None
    spans = read_spans(tables)
    known = {ranked.component for ranked in diagnosis.ranking} | set(spans.service.names)
    changes = _changes(tables, known)
    split = latest_onset(diagnosis)
    remedies = tuple(change for change in changes if change.time_ns > split)
    alerts, resolved_at = _alerts(tables)
    ends = [remedies[0].time_ns] if remedies else []
    if resolved_at is not None and resolved_at > split:
        ends.append(resolved_at)
    windows = read_windows(diagnosis, tables, min(ends, default=None))
    window = windows.events
    series = {i: one for one in read_series(tables, spans.service.names) for i in one.series_ids}
    inside = ~spans.reference & (spans.start >= window.incident_from) & (spans.start < window.incident_to)
    return Scene(
        diagnosis=diagnosis,
        tables=tables,
        reader=reader,
        windows=windows,
        spans=spans,
        during=inside,
        origin=origins(spans),
        origin_caller=origin_callers(spans),
        peer=peers(spans),
        entry=_entry(diagnosis, spans),
        services=frozenset(names(spans.service, np.unique(spans.service.codes)).tolist()) - {None},
        series=series,
        suspects=tuple(
            change for change in reversed(changes) if window.onset - LOOKBACK <= change.time_ns <= split
        ),
        remedies=remedies,
        alert_rows=alerts,
        resolved_at=resolved_at,
    )


def _entry(diagnosis: Diagnosis, spans: Spans) -> str | None:
    called = {callee for callees in diagnosis.graph.values() for callee in callees}
    service = names(spans.service, spans.service.codes)[entries(spans) & ~spans.reference]
    counts: dict[str, int] = {}
    for name in service:
        if name is not None and name not in called:
            counts[name] = counts.get(name, 0) + 1
    return min(counts, key=lambda name: (-counts[name], name)) if counts else diagnosis.symptom


def _incident_rows(tables: IncidentTables, kind: str) -> tuple[NDArray[np.int64], pa.Table]:
    events = tables.events
    calm = pa.array([a.sha256 for a in tables.evidence.artifacts if a.role == "reference"], pa.string())
    wanted = pc.and_(
        pc.equal(events.column("kind").cast(pa.string()), kind),
        pc.invert(pc.is_in(events.column("artifact_sha256").cast(pa.string()), calm)),
    )
    timed = pc.fill_null(pc.and_(wanted, pc.is_valid(events.column("time_ns"))), False)
    rows = np.flatnonzero(timed.to_numpy(zero_copy_only=False)).astype(np.int64)
    return rows, events.take(pa.array(rows))


def _changes(tables: IncidentTables, known: set[str]) -> list[Change]:
    rows, table = _incident_rows(tables, "change")
    found = [
        Change(
            row=int(row),
            time_ns=time,
            component=service if service in known else None,
            kind=kind or None,
            summary=event_title(dict(attributes), message),
            business=is_business_event(source, dict(attributes)),
        )
        for row, time, service, kind, message, source, attributes in zip(
            rows,
            table.column("time_ns").to_pylist(),
            table.column("service").to_pylist(),
            lookup(table, "change.kind", "kind").to_pylist(),
            table.column("message").to_pylist(),
            table.column("source").cast(pa.string()).to_pylist(),
            table.column("attributes").to_pylist(),
            strict=True,
        )
    ]
    return sorted(found, key=lambda change: (change.time_ns, change.component or "", change.summary))


def _alerts(tables: IncidentTables) -> tuple[tuple[int, ...], int | None]:
    rows, table = _incident_rows(tables, "alert")
    firing: list[tuple[int, int]] = []
    resolved: list[int] = []
    for row, begun, ended, status in zip(
        rows,
        table.column("time_ns").to_pylist(),
        table.column("end_time_ns").to_pylist(),
        lookup(table, "status").to_pylist(),
        strict=True,
    ):
        if (status or "firing") == "resolved":
            resolved.append(ended if ended is not None else begun)
        else:
            firing.append((begun, int(row)))
    last = max(resolved, default=None)
    if last is not None and any(time > last for time, _ in firing):
        last = None
    return tuple(row for _, row in sorted(firing)), last
