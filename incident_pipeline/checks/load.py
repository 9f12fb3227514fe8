"""What the database of an incident is loaded with: Arrow tables made from the tables and signals.

Spans and series come from `signals`, so that a check looks at the very measures the ranking looked at
(what failed, whom a call went to, where a chain of failures ends, which instances are one series).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from incident_pipeline.diagnosis.chains import entries, names, origin_callers, origins, peers
from incident_pipeline.diagnosis.measures import measure_name
from incident_pipeline.signals.series import read_series
from incident_pipeline.signals.spans import read_spans

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from incident_pipeline.signals.attributes import Coded
    from incident_pipeline.signals.series import Series
    from incident_pipeline.signals.spans import Spans
    from incident_pipeline.signals.tables import IncidentTables

_MEASURES = pa.schema(
    [
        ("component", pa.string()),
        ("measure", pa.string()),
        ("name", pa.string()),
        ("role", pa.string()),
        ("time_ns", pa.int64()),
        ("value", pa.float64()),
    ]
)


def loaded_tables(tables: IncidentTables) -> dict[str, pa.Table]:
    """Give the Arrow tables that `schema.sql` starts from, by name."""
    spans = read_spans(tables)
    return {
        "loaded_artifacts": _artifacts(tables),
        "loaded_events": tables.events,
        "loaded_series": tables.series,
        "loaded_samples": tables.samples,
        "loaded_measures": _measures(read_series(tables, spans.service.names)),
        "loaded_spans": _spans(tables, spans),
    }


def _artifacts(tables: IncidentTables) -> pa.Table:
    # One digest may be sealed under two names; the first entry in order of digest and role speaks for it.
    unique = {
        a.sha256: a for a in sorted(tables.evidence.artifacts, key=lambda a: (a.sha256, a.role), reverse=True)
    }
    rows = [unique[digest] for digest in sorted(unique)]
    return pa.table(
        {
            name: pa.array([getattr(row, name) for row in rows], pa.string())
            for name in ("sha256", "uri", "role", "type")
        }
    )


def _measures(series: tuple[Series, ...]) -> pa.Table:
    parts = []
    for one in series:
        for role, samples in (("incident", one.incident), ("reference", one.reference)):
            constant = {
                "component": one.component,
                "measure": measure_name(one),
                "name": one.name,
                "role": role,
            }
            columns = {
                key: pa.repeat(pa.scalar(value, pa.string()), len(samples)) for key, value in constant.items()
            }
            columns |= {"time_ns": pa.array(samples.times), "value": pa.array(samples.values)}
            parts.append(pa.table(columns, schema=_MEASURES))
    return pa.concat_tables(parts) if parts else _MEASURES.empty_table()


def _spans(tables: IncidentTables, spans: Spans) -> pa.Table:
    source = tables.events.select(["event_id", "trace_id", "span_id", "parent_span_id"]).take(
        pa.array(spans.row)
    )
    held = spans.parent >= 0
    parent_outbound = np.zeros(len(spans), dtype=bool)
    parent_outbound[held] = spans.outbound[spans.parent[held]]
    return pa.table(
        {
            "event_id": source.column("event_id"),
            "role": np.where(spans.reference, "reference", "incident").astype(object),
            "time_ns": spans.start,
            "end_time_ns": spans.end(),
            "duration_ns": spans.duration,
            "own_ns": spans.own,
            "service": names(spans.service, spans.service.codes),
            "operation": _operations(spans.operation),
            "host": names(spans.host, spans.host.codes),
            "version": names(spans.version, spans.version.codes),
            "outbound": spans.outbound,
            "entry": entries(spans),
            "failed": spans.failed,
            "http_status": pa.array(spans.status, mask=spans.status == 0),
            "peer": peers(spans),
            "parent_service": names(spans.service, spans.parent_service()),
            "parent_outbound": parent_outbound,
            "origin": origins(spans),
            "origin_caller": origin_callers(spans),
            "trace_id": source.column("trace_id"),
            "span_id": source.column("span_id"),
            "parent_span_id": source.column("parent_span_id"),
        },
        schema=_SPANS,
    )


_SPANS = pa.schema(
    [
        ("event_id", pa.string()),
        ("role", pa.string()),
        ("time_ns", pa.int64()),
        ("end_time_ns", pa.int64()),
        ("duration_ns", pa.int64()),
        ("own_ns", pa.int64()),
        ("service", pa.string()),
        ("operation", pa.string()),
        ("host", pa.string()),
        ("version", pa.string()),
        ("outbound", pa.bool_()),
        ("entry", pa.bool_()),
        ("failed", pa.bool_()),
        ("http_status", pa.int64()),
        ("peer", pa.string()),
        ("parent_service", pa.string()),
        ("parent_outbound", pa.bool_()),
        ("origin", pa.string()),
        ("origin_caller", pa.string()),
        ("trace_id", pa.string()),
        ("span_id", pa.string()),
        ("parent_span_id", pa.string()),
    ]
)


def _operations(operation: Coded) -> NDArray[np.object_]:
    plain = [name.partition("\t")[2] for name in operation.names]
    return np.array([*plain, None], dtype=object)[operation.codes]
