"""Build the timeline of an incident: full order as a table, key entries as a model."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from incident_pipeline.model.event import Kind
from incident_pipeline.model.timeline import ArtifactRef, KindCount, Timeline, TimelineEntry
from incident_pipeline.signals.view import build_view
from incident_pipeline.timeline.causality import link
from incident_pipeline.timeline.columns import booleans, take
from incident_pipeline.timeline.correction import Correction, correct
from incident_pipeline.timeline.dedupe import KEPT, Merges, merge_repeats
from incident_pipeline.timeline.leaves import table_root
from incident_pipeline.timeline.markers import marker_of
from incident_pipeline.timeline.moments import rfc3339
from incident_pipeline.timeline.order import (
    BASES,
    CAUSAL,
    RESOLVED_STATES,
    UNDETERMINED,
    Placed,
    canonical_order,
    order_basis,
)
from incident_pipeline.timeline.scene import Scene
from incident_pipeline.timeline.selection import pick
from incident_pipeline.timeline.story import tell
from incident_pipeline.timeline.table import order_table
from incident_pipeline.timeline.unsettled import bounds_of, left_open
from incident_pipeline.timeline.wording import message_of, recorded_by, source_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from incident_pipeline.model.artifact import SealedArtifact
    from incident_pipeline.model.timeline import Marker, OrderBasis
    from incident_pipeline.signals.spans import Spans
    from incident_pipeline.signals.tables import IncidentTables
    from incident_pipeline.timeline.selection import Pick
    from incident_pipeline.timeline.story import Story


@dataclass(frozen=True)
class BuiltTimeline:
    """The full order as a table (schema `TIMELINE`) and the key entries out of it."""

    table: pa.Table
    timeline: Timeline
    correction: Correction


def build_timeline(tables: IncidentTables) -> BuiltTimeline:
    """Put the events of the incident's artifacts in order and pick the key entries.

    Every event stands exactly once in the table, merged and untimed ones included.
    """
    events = tables.events_of("incident")
    placed = Placed.of(events)
    links = link(events)
    correction = correct(events, placed, links)
    by_reference = correction.placed(placed)
    order = canonical_order(by_reference, links)
    basis = order_basis(by_reference, links, order)
    opened, settled = left_open(by_reference, correction, order, links.parent)
    basis[opened], basis[settled] = UNDETERMINED, CAUSAL
    merges = merge_repeats(events, placed, order)
    view = build_view(tables)
    own = _own_rows(tables)
    failed = _failed_spans(view.spans, own, tables.events.num_rows, merges)
    scene = Scene.of(events, order[merges.target[order] == KEPT], failed)
    zones = {artifact.sha256: artifact.timezone for artifact in tables.evidence.artifacts}
    story = tell(scene, view, own, zones)
    picked = pick(scene, story.told)

    ids = events["event_id"].combine_chunks()
    merged = (
        ids.take(pa.array(merges.target, mask=merges.target == KEPT)),
        pa.array(merges.rule.tolist(), pa.string()),
    )
    table = order_table(ids, placed, bounds_of(by_reference, correction), links.depth, order, basis, merged)
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
            chosen=chosen,
            marker=_marker(row, chosen, story),
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
        merkle_root=table_root(table).hex(),
        first_time=first,
        last_time=last,
        moments=story.moments,
        phases=story.phases,
        claims=story.claims,
        deviations=story.deviations,
        deviating=story.deviating,
        selection=picked.rules,
    )
    return BuiltTimeline(table=table, timeline=timeline, correction=correction)


def _own_rows(tables: IncidentTables) -> NDArray[np.int64]:
    """Give the rows of the incident's own events in the table of both roles."""
    held = [artifact.sha256 for artifact in tables.evidence.artifacts if artifact.role == "incident"]
    return np.flatnonzero(booleans(pc.is_in(tables.events["artifact_sha256"], pa.array(held, pa.string()))))


def _failed_spans(spans: Spans, own: NDArray[np.int64], rows: int, merges: Merges) -> NDArray[np.bool_]:
    """Say per event of the incident whether it is a failing span (by the definition of `signals`)."""
    # Spans know their row in the table of both roles; the incident's rows are a selection of that.
    failed = np.zeros(rows, np.bool_)
    failed[spans.row[spans.failed]] = True
    failed = failed[own]
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
    chosen: Pick,
    marker: Marker | None,
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
        why_key=_why(chosen),
        rule=chosen.rule,
        marker=marker,
    )


def _why(chosen: Pick) -> str:
    if not chosen.moments:
        return chosen.why
    verb = "rest" if len(chosen.moments) > 1 else "rests"
    return f"{chosen.why}; {' and '.join(chosen.moments)} {verb} on it"


def _marker(row: dict[str, Any], chosen: Pick, story: Story) -> Marker | None:
    return marker_of(
        row["kind"],
        chosen.rule,
        frozenset(chosen.moments),
        tuple(claim for claim in story.claims if claim.event == row["event_id"]),
        act_after_onset=row["event_id"] in story.acts,
        resolves=row["kind"] == Kind.ALERT
        and (row["attributes"].get("status") or row["attributes"].get("state") or "").lower()
        in RESOLVED_STATES,
    )
