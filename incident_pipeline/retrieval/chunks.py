"""Cut an incident into the distinct things that can be found again: not every line, but every kind of line.

A chunk is a text with a place in the evidence: a log template with its first example, an alert, a
message, a change, the requests of one operation, the course of one metric. Their number follows what
there is to say, not how often it was said. Background artifacts (role `reference`) give runbooks and
the like; their telemetry is what the incident is compared with and gives no chunks of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from incident_pipeline.model.event import Kind
from incident_pipeline.retrieval.measures import metric_texts, operation_texts
from incident_pipeline.serialise import compact_json, sha256_hex
from incident_pipeline.signals.templates import assign_templates
from incident_pipeline.timeline import message_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from incident_pipeline.signals.tables import IncidentTables

CHUNK_KINDS: Final = (
    Kind.CHANGE.value, Kind.ALERT.value, Kind.CHAT.value, Kind.TRANSCRIPT.value, Kind.TICKET.value,
    Kind.RUNBOOK_STEP.value, Kind.K8S_EVENT.value, Kind.LOG.value, Kind.SPAN_EVENT.value, "operation",
    "metric", Kind.AUDIT.value, Kind.TOOL_OUTPUT.value, Kind.SCREEN_TEXT.value, Kind.OBJECT_STATE.value,
)  # fmt: skip
"""In the order of the list that `make_chunks` gives."""

MAX_TEXT: Final = 4_000
"""Characters of a chunk's text; a longer one ends in an ellipsis, the whole stands at its place."""

_BY_TEMPLATE: Final = (Kind.LOG, Kind.SPAN_EVENT, Kind.K8S_EVENT, Kind.AUDIT)
"""Kinds that repeat themselves: one chunk per template and service, with the number of records."""
_ONE_BY_ONE: Final = (
    Kind.CHANGE, Kind.ALERT, Kind.CHAT, Kind.TRANSCRIPT, Kind.TICKET, Kind.RUNBOOK_STEP, Kind.TOOL_OUTPUT,
    Kind.SCREEN_TEXT, Kind.OBJECT_STATE,
)  # fmt: skip
_BACKGROUND: Final = (Kind.RUNBOOK_STEP, Kind.TICKET, Kind.TOOL_OUTPUT, Kind.OBJECT_STATE)

SCHEMA: Final = pa.schema(
    [
        pa.field("chunk_id", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("role", pa.string(), nullable=False),
        pa.field("service", pa.string()),
        pa.field("time_ns", pa.int64()),
        pa.field("event_id", pa.string()),
        pa.field("series_id", pa.string()),
        pa.field("artifact_sha256", pa.string(), nullable=False),
        pa.field("artifact_uri", pa.string(), nullable=False),
        pa.field("byte_start", pa.int64()),
        pa.field("byte_end", pa.int64()),
        pa.field("json_pointer", pa.string()),
    ]
)
"""`chunks.parquet`."""


@dataclass(frozen=True)
class Chunk:
    """A text, and the place in the evidence that it stands for (of a template: its first record)."""

    chunk_id: str
    """SHA-256 over kind, text and place."""
    kind: str
    text: str
    role: str
    service: str | None
    time_ns: int | None
    event_id: str | None
    series_id: str | None
    artifact_sha256: str
    artifact_uri: str
    byte_start: int | None
    byte_end: int | None
    json_pointer: str | None


def make_chunks(tables: IncidentTables) -> list[Chunk]:
    """Give the distinct things of an incident, by kind, then time, then place."""
    roles = {artifact.sha256: artifact.role for artifact in tables.evidence.artifacts}
    found = [*_templates(tables), *_singles(tables, roles), *_operations(tables), *_metrics(tables)]
    # Told twice in one place, a thing is one thing.
    chunks = list({chunk.chunk_id: chunk for chunk in found}.values())
    rank = {kind: number for number, kind in enumerate(CHUNK_KINDS)}
    return sorted(
        chunks,
        key=lambda chunk: (
            rank[chunk.kind],
            chunk.time_ns is None,
            chunk.time_ns or 0,
            chunk.artifact_sha256,
            -1 if chunk.byte_start is None else chunk.byte_start,
            chunk.chunk_id,
        ),
    )


def chunk_table(chunks: Iterable[Chunk]) -> pa.Table:
    """Give chunks as a table of schema `SCHEMA`."""
    rows = list(chunks)
    columns = {name: [getattr(chunk, name) for chunk in rows] for name in SCHEMA.names}
    return pa.table(columns, schema=SCHEMA)


def _templates(tables: IncidentTables) -> Iterator[Chunk]:
    events = _of_kinds(tables.events_of("incident"), _BY_TEMPLATE)
    found = assign_templates(events, tuple(kind.value for kind in _BY_TEMPLATE))
    events = events.take(pa.array(found.rows))
    emitter = pc.coalesce(events["service"], events["host"], events["source"], events["artifact_uri"])
    # The first record in time, not in the table: the table's order is that of the artifacts.
    table = pa.table(
        {
            "kind": events["kind"],
            "emitter": emitter,
            "template": pa.array(found.codes),
            "severity": events["severity"],
            "time": events["time_ns"],
            "place": events["event_id"],
            "row": pa.array(np.arange(events.num_rows)),
        }
    ).sort_by([("time", "ascending"), ("place", "ascending")])
    grouped = table.group_by(["kind", "emitter", "template", "severity"], use_threads=False).aggregate(
        [("row", "first"), ("row", "count")]
    )
    if not grouped.num_rows:
        return
    examples = events.take(grouped["row_first"]).to_pylist()
    for row, count in zip(examples, grouped["row_count"].to_pylist(), strict=True):
        head = _words(row["service"] or row["host"], row["severity_raw"], row["kind"].replace("_", " "))
        times = f" ({count:,} records)" if count > 1 else ""
        yield _chunk(row["kind"], f"{head}{times}: {row['message'] or ''}", row)


def _singles(tables: IncidentTables, roles: Mapping[str, str]) -> Iterator[Chunk]:
    for role, kinds in (("incident", _ONE_BY_ONE), ("reference", _BACKGROUND)):
        for row in _of_kinds(tables.events_of(role), kinds).to_pylist():
            row["attributes"] = dict(row["attributes"] or ())
            head = _words(row["service"], row["kind"].replace("_", " "))
            yield _chunk(
                row["kind"],
                f"{head}: {message_of(row, limit=MAX_TEXT)}",
                row,
                role=roles[row["artifact_sha256"]],
            )


def _operations(tables: IncidentTables) -> Iterator[Chunk]:
    for row, service, text in operation_texts(tables):
        (example,) = tables.events.slice(row, 1).to_pylist()
        yield _chunk("operation", text, example | {"service": service})


def _metrics(tables: IncidentTables) -> Iterator[Chunk]:
    places = {row["series_id"]: row for row in tables.series.to_pylist()}
    for series_id, service, time_ns, text in metric_texts(tables):
        place = places[series_id] | {"service": service, "time_ns": time_ns}
        yield _chunk("metric", text, place)


def _chunk(kind: str, text: str, row: Mapping[str, Any], *, role: str = "incident") -> Chunk:
    if len(text) > MAX_TEXT:
        text = text[: MAX_TEXT - 1] + "…"
    place = [row["artifact_sha256"], row.get("byte_start"), row.get("byte_end"), row.get("json_pointer")]
    return Chunk(
        chunk_id=sha256_hex(compact_json([kind, text, *place, row.get("series_id")])),
        kind=kind,
        text=text,
        role=role,
        service=row["service"],
        time_ns=row["time_ns"],
        event_id=row.get("event_id"),
        series_id=row.get("series_id"),
        artifact_sha256=row["artifact_sha256"],
        artifact_uri=row["artifact_uri"],
        byte_start=row.get("byte_start"),
        byte_end=row.get("byte_end"),
        json_pointer=row.get("json_pointer"),
    )


def _of_kinds(events: pa.Table, kinds: Iterable[Kind]) -> pa.Table:
    return events.filter(pc.field("kind").isin([kind.value for kind in kinds]))


def _words(*parts: str | None) -> str:
    return " ".join(part for part in parts if part)
