"""What the analyses read: spans, series, components, alerts and windows of one incident, built once.

Calm spans are those of `reference` artifacts where an operation has enough of them, else those before
the earliest possible onset. Where blocks of telemetry begin or end is never read as a sign.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from incident_pipeline.signals.attributes import lookup
from incident_pipeline.signals.log_signs import LogSigns, read_log_signs
from incident_pipeline.signals.metric_kind import MetricKind, metric_kind
from incident_pipeline.signals.onset import Onset, find_onset
from incident_pipeline.signals.series import Series, read_series
from incident_pipeline.signals.spans import Spans, read_spans, span_codes
from incident_pipeline.signals.statistics import extent
from incident_pipeline.signals.templates import Templates, assign_templates

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from incident_pipeline.signals.tables import IncidentTables

_SECOND: Final = 1_000_000_000
_MIN_CALM: Final = 5
_SHORTEST_WINDOW: Final = 180 * _SECOND
ALERT_DELAY: Final = 120 * _SECOND
"""Evaluation interval and hold time of a usual alerting rule: how late an alert is when nothing tells."""
_LEAST_CALM: Final = 0.5
_FIRST_YEAR: Final = 1970
_LAST_YEAR: Final = 2260
"""Nanoseconds of later years do not fit 64 bits; year 1 is how some systems write "no time"."""
CALM: Final = 0
DURING: Final = 1
UNUSED: Final = -1


@dataclass(frozen=True)
class Alert:
    """A firing alert: when, what it names, and its row in the event table."""

    time_ns: int | None
    component: str | None
    name: str
    metric: str | None
    stat: str | None
    row: int


@dataclass(frozen=True)
class View:
    """One incident as the analyses see it."""

    tables: IncidentTables
    spans: Spans
    series: tuple[tuple[Series, MetricKind], ...]
    logs: LogSigns
    records: Templates
    """Log records and span events with their templates."""
    record_span: NDArray[np.int64]
    """Per record: the index of the span it hangs from, -1 where none is held."""
    alerts: tuple[Alert, ...]
    alert_ns: int | None
    symptom: str | None
    onset: Onset | None
    start: int
    """Begin of the incident window the analyses compare with the calm: the estimated onset."""
    end: int
    phase: NDArray[np.int8]
    """Per span: `CALM`, `DURING` or `UNUSED`."""
    has_reference: bool

    def at(self, start: int) -> View:
        """Give the same incident with another begin of the incident window."""
        return replace(
            self, start=start, phase=_phases(self.spans, min(start, self.calm_before()), start, self.end)
        )

    def starts(self) -> tuple[int, ...]:
        """Give the begins worth analysing, the best estimate first: no onset is sharper than its interval.

        Besides the estimate that is the early end of the interval, and the usual delay of an alert before
        the alert. A begin that leaves no calm telemetry is not tried.
        """
        if self.onset is None or not self.onset.inferred:
            return (self.start,)
        starts = [self.start, self.onset.earliest]
        if self.alert_ns is not None:
            starts.append(min(self.start, self.alert_ns - ALERT_DELAY))
        first, _ = _extent(self.spans, self.series, self.logs)
        least = first + int(_LEAST_CALM * (self.start - first))
        return tuple(dict.fromkeys(s for s in starts if s == self.start or self.has_reference or s >= least))

    def calm_before(self) -> int:
        """Give the time before which the incident's own telemetry counts as calm."""
        return min(self.start, self.onset.earliest) if self.onset else self.start


def build_view(tables: IncidentTables) -> View:
    """Read everything the analyses need from the tables."""
    spans = read_spans(tables)
    series = tuple((one, metric_kind(one)) for one in read_series(tables, spans.service.names))
    records = assign_templates(tables.events, ("log", "span_event", "k8s_event"))
    hung = tables.events.select(["trace_id", "span_id"]).take(pa.array(records.rows))
    alerts = _alerts(tables)
    alert_ns = _alert_time(tables, alerts)
    logs = read_log_signs(tables, records)
    onset = find_onset(spans, series, alert_ns, logs)
    start, end = _window(onset, alert_ns, *_extent(spans, series, logs))
    calm_before = min(start, onset.earliest) if onset else start
    first = alerts[0] if alerts else None
    return View(
        tables=tables,
        spans=spans,
        series=series,
        logs=logs,
        records=records,
        record_span=span_codes(spans, hung.column("trace_id"), hung.column("span_id")),
        alerts=alerts,
        alert_ns=alert_ns,
        symptom=first.component if first else None,
        onset=onset,
        start=start,
        end=end,
        phase=_phases(spans, calm_before, start, end),
        has_reference=bool(spans.reference.any() or any(len(one.reference) for one, _ in series)),
    )


def reference_rows(tables: IncidentTables, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Say, per row of the event table, whether it comes from a `reference` artifact."""
    digests = pa.array([a.sha256 for a in tables.evidence.artifacts if a.role == "reference"], pa.string())
    column = tables.events.column("artifact_sha256").take(pa.array(rows)).cast(pa.string())
    return np.asarray(pc.is_in(column, digests).to_numpy(zero_copy_only=False), dtype=bool)


def time_ns(text: str | None) -> int | None:
    """Read an RFC 3339 time as UTC nanoseconds; None when it is none, or none that can be."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None or not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        return None
    return int(moment.timestamp()) * _SECOND + moment.microsecond * 1_000


def _alerts(tables: IncidentTables) -> tuple[Alert, ...]:
    """Give the alerts that fired, earliest first, each once."""
    events = tables.events
    is_alert = pc.equal(events.column("kind").cast(pa.string()), "alert")
    rows = np.flatnonzero(pc.fill_null(is_alert, False).to_numpy(zero_copy_only=False))
    rows = rows[~reference_rows(tables, rows)]
    table = events.take(pa.array(rows))
    found: dict[tuple[str, str], Alert] = {}
    columns = zip(
        rows,
        table.column("time_ns").to_pylist(),
        table.column("service").to_pylist(),
        lookup(table, "status").to_pylist(),
        lookup(table, "labels.service", "labels.job").to_pylist(),
        lookup(table, "labels.alertname").to_pylist(),
        lookup(table, "labels.metric").to_pylist(),
        lookup(table, "labels.stat").to_pylist(),
        strict=True,
    )
    for row, time, service, status, label, name, metric, stat in columns:
        if (status or "firing") != "firing":
            continue
        alert = Alert(time, service or label, name or "alert", metric, stat, int(row))
        key = (alert.name, alert.component or "")
        known = found.get(key)
        if known is None or (alert.time_ns or 0) < (known.time_ns or 0):
            found[key] = alert
    return tuple(sorted(found.values(), key=lambda a: (a.time_ns or 0, a.name, a.component or "")))


def _alert_time(tables: IncidentTables, alerts: tuple[Alert, ...]) -> int | None:
    given = time_ns(tables.evidence.start_time)
    if given is not None:
        return given
    times = [alert.time_ns for alert in alerts if alert.time_ns is not None]
    return min(times) if times else None


def _window(onset: Onset | None, alert_ns: int | None, first: int, last: int) -> tuple[int, int]:
    """Give the window to compare with the calm.

    Without an inferred onset an alert counts as late by its usual delay.
    """
    if onset is not None and onset.inferred:
        start = onset.estimate
    else:
        end = last if alert_ns is None else alert_ns
        start = end - min(ALERT_DELAY, max(0, end - first) // 2)
    alert = start if alert_ns is None else alert_ns
    return start, max(start, alert) + max(_SHORTEST_WINDOW, alert - start)


def _extent(spans: Spans, series: tuple[tuple[Series, MetricKind], ...], logs: LogSigns) -> tuple[int, int]:
    """Give the first and last time of the incident's own telemetry; zeros when there is none.

    Log records count where there are neither spans nor samples.
    """
    inside = spans.start[~spans.reference]
    parts = [inside, *(one.incident.times for one, _ in series)]
    ends = [extent(part) for part in parts if len(part)] or [
        extent(part) for part in (logs.own_times(),) if len(part)
    ]
    return min((first for first, _ in ends), default=0), max((last for _, last in ends), default=0)


def _phases(spans: Spans, calm_before: int, start: int, end: int) -> NDArray[np.int8]:
    inside = ~spans.reference
    during = inside & (spans.start >= start) & (spans.start < end)
    # A span that was running at the onset shows the incident if it ended well after it.
    before = inside & (spans.end() < calm_before)
    count = len(spans.operation.names)
    calm_counts = np.bincount(spans.operation.codes[spans.reference], minlength=count)
    referenced = calm_counts[spans.operation.codes] >= _MIN_CALM if len(spans) else np.zeros(0, bool)
    phase = np.full(len(spans), UNUSED, dtype=np.int8)
    phase[np.where(referenced, spans.reference, before)] = CALM
    phase[during] = DURING
    return phase
