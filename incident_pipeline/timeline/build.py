"""Build the timeline of an incident: full order as a table, key entries as a model."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from incident_pipeline.evidence import merkle_root
from incident_pipeline.model.timeline import ArtifactRef, KindCount, Timeline, TimelineEntry
from incident_pipeline.parsers.table import SCHEMA_VERSION
from incident_pipeline.serialise import compact_json
from incident_pipeline.signals.spans import read_spans
from incident_pipeline.timeline.causality import UNLINKED, link
from incident_pipeline.timeline.columns import booleans, take
from incident_pipeline.timeline.dedupe import KEPT, Merges, merge_repeats
from incident_pipeline.timeline.moments import rfc3339
from incident_pipeline.timeline.order import BASES, Placed, canonical_order, order_basis
from incident_pipeline.timeline.scene import Scene
from incident_pipeline.timeline.selection import pick
from incident_pipeline.timeline.wording import message_of, recorded_by, source_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from incident_pipeline.model.artifact import SealedArtifact
    from incident_pipeline.model.timeline import OrderBasis
    from incident_pipeline.signals.tables import IncidentTables

TIMELINE: Final = pa.schema(
    [
        pa.field("event_id", pa.string(), nullable=False),
        pa.field("position", pa.int64(), nullable=False),
        pa.field("time_ns", pa.int64()),
        pa.field("interval_low_ns", pa.int64()),
        pa.field("interval_high_ns", pa.int64()),
        pa.field("depth", pa.int32()),
        pa.field("order_basis", pa.string(), nullable=False),
        pa.field("merged_into", pa.string()),
        pa.field("rule", pa.string()),
    ],
    metadata={b"incident_pipeline.schema_version": SCHEMA_VERSION.encode()},
)
"""The full order: one row per event, in order.

`time_ns` is the moment the event tells of: of a resolved alert its end, else the time in the event
table. It lies in [interval_low_ns, interval_high_ns). `depth` counts parents within the trace; it is
null outside of traces and -1 where parent links run in a circle. `merged_into` is the event that
stands for this one, by the rule in `rule`.
"""

_ROWS_AT_ONCE: Final = 65_536


@dataclass(frozen=True)
class BuiltTimeline:
    """The full order as a table (schema `TIMELINE`) and the key entries out of it."""

    table: pa.Table
    timeline: Timeline


def build_timeline(tables: IncidentTables) -> BuiltTimeline:
    """Put the events of the incident's artifacts in order and pick the key entries.

    Every event stands exactly once in the table, merged and untimed ones included.
    """
    events = tables.events_of("incident")
    placed = Placed.of(events)
    links = link(events)
    order = canonical_order(placed, links)
    basis = order_basis(placed, links, order)
    merges = merge_repeats(events, placed, order)
    failed = _failed_spans(tables, merges)
    scene = Scene.of(events, order[merges.target[order] == KEPT], failed)
    picked = pick(scene)

    table = _full_order(events, placed, links.depth, order, basis, merges)
    rows = np.array([chosen.row for chosen in picked.picks], np.int64)
    position = np.empty(order.size, np.int64)
    position[order] = np.arange(order.size)
    members = _members(events, order, merges)
    artifacts = {artifact.sha256: artifact for artifact in tables.evidence.artifacts}
    entries = tuple(
        _entry(
            row,
            artifacts.get(row["artifact_sha256"]),
            position=int(position[at]),
            time_ns=int(placed.time[at]) if placed.timed[at] else None,
            unit=int(placed.unit[at]),
            basis=cast("OrderBasis", BASES[basis[at]]),
            failed=bool(failed[at]),
            members=members.get(at, ()),
            why=chosen.why,
        )
        for at, row, chosen in zip(rows.tolist(), _rows(events, rows), picked.picks, strict=True)
    )
    timed = order[placed.timed[order]]
    first, last = (
        rfc3339(int(placed.time[timed[at]]), int(placed.unit[timed[at]])) if timed.size else None
        for at in (0, -1)
    )
    shown = Counter(entry.type for entry in entries)
    kinds = pc.value_counts(events["kind"]).to_pylist()
    timeline = Timeline(
        incident_id=tables.evidence.incident_id,
        entries=entries,
        shown=len(entries),
        total=order.size,
        merged=int((merges.target != KEPT).sum()),
        untimed=int((~placed.timed).sum()),
        crowded_out=picked.crowded_out,
        kinds={
            kind: KindCount(shown=shown[kind], total=total)
            for kind, total in sorted((row["values"], row["counts"]) for row in kinds)
        },
        merkle_root=merkle_root(table_rows(table)).hex(),
        first_time=first,
        last_time=last,
    )
    return BuiltTimeline(table=table, timeline=timeline)


def table_rows(table: pa.Table) -> Iterator[bytes]:
    """Give the rows of the full order as the bytes that the Merkle tree is built over."""
    for batch in table.to_batches(max_chunksize=_ROWS_AT_ONCE):
        yield from (compact_json(row) for row in batch.to_pylist())


def _full_order(
    events: pa.Table,
    placed: Placed,
    depth: NDArray[np.int64],
    order: NDArray[np.int64],
    basis: NDArray[np.int8],
    merges: Merges,
) -> pa.Table:
    untimed = ~placed.timed[order]
    ids = events["event_id"].combine_chunks()
    target = merges.target[order]
    columns = [
        ids.take(pa.array(order)),
        pa.array(np.arange(order.size)),
        pa.array(placed.time[order], mask=untimed),
        pa.array(placed.time[order], mask=untimed),
        pa.array((placed.time + placed.unit)[order], mask=untimed),
        pa.array(depth[order].astype(np.int32), mask=depth[order] == UNLINKED),
        pa.array(BASES).take(pa.array(basis[order])),
        ids.take(pa.array(target, mask=target == KEPT)),
        pa.array(merges.rule[order].tolist(), pa.string()),
    ]
    return pa.table(columns, schema=TIMELINE)


def _failed_spans(tables: IncidentTables, merges: Merges) -> NDArray[np.bool_]:
    """Say per event of the incident whether it is a failing span (by the definition of `signals`)."""
    # Spans know their row in the table of both roles; the incident's rows are a selection of that.
    held = [artifact.sha256 for artifact in tables.evidence.artifacts if artifact.role == "incident"]
    chosen = booleans(pc.is_in(tables.events["artifact_sha256"], pa.array(held, pa.string())))
    spans = read_spans(tables)
    failed = np.zeros(chosen.size, np.bool_)
    failed[spans.row[spans.failed]] = True
    failed = failed[chosen]
    failed[merges.target[failed & (merges.target != KEPT)]] = True
    return failed


def _members(events: pa.Table, order: NDArray[np.int64], merges: Merges) -> dict[int, tuple[str, ...]]:
    merged = order[merges.target[order] != KEPT]
    gathered: dict[int, list[str]] = defaultdict(list)
    ids = take(events["event_id"], merged).to_pylist()
    for target, event in zip(merges.target[merged].tolist(), ids, strict=True):
        gathered[target].append(event)
    return {row: tuple(ids) for row, ids in gathered.items()}


def _rows(events: pa.Table, rows: NDArray[np.int64]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = events.take(pa.array(rows)).to_pylist()
    for row in found:
        row["attributes"] = dict(row["attributes"] or ())
    return found


def _entry(
    row: dict[str, Any],
    artifact: SealedArtifact | None,
    *,
    position: int,
    time_ns: int | None,
    unit: int,
    basis: OrderBasis,
    failed: bool,
    members: tuple[str, ...],
    why: str,
) -> TimelineEntry:
    return TimelineEntry(
        position=position,
        time=None if time_ns is None else rfc3339(time_ns, unit),
        time_ns=time_ns,
        time_uncertainty_ns=0 if time_ns is None else unit,
        time_basis=row["time_basis"],
        type=row["kind"],
        source=source_of(row, artifact),
        service=row["service"],
        trace_id=row["trace_id"],
        span_id=row["span_id"],
        severity=row["severity"],
        message=message_of(row, failed=failed),
        hash=row["event_id"],
        artifact=ArtifactRef(
            uri=row["artifact_uri"],
            sha256=row["artifact_sha256"],
            line=row["line"],
            byte_start=row["byte_start"],
            byte_end=row["byte_end"],
            json_pointer=row["json_pointer"],
        ),
        recorded_by=recorded_by(row, artifact),
        members=members,
        order_basis=basis,
        why_key=why,
    )
