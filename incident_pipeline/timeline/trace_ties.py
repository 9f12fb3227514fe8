"""Ties within traces: spans inside their callers, records inside or around spans (see `ties`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from incident_pipeline.model.event import Kind
from incident_pipeline.signals.attributes import integers, lookup
from incident_pipeline.timeline.columns import booleans
from incident_pipeline.timeline.ties import AROUND, FAR, WRITING, TieKind, Ties, ties_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from incident_pipeline.timeline.causality import Links
    from incident_pipeline.timeline.order import Placed

_ASYNCHRONOUS: Final = ("producer", "consumer")


def trace_ties(events: pa.Table, placed: Placed, links: Links, of: NDArray[np.int64]) -> Ties:
    """Find what ties the clocks of units within traces; `of` is the unit of each row."""
    return Ties.joined(
        (
            _spans(events, placed, links, of),
            _logs(events, placed, links, of),
            _traces(events, placed, links, of),
        )
    )


def _spans(events: pa.Table, placed: Placed, links: Links, of: NDArray[np.int64]) -> Ties:
    rows = _hanging(events, placed, links, of, Kind.SPAN)
    called, calling = _span_kinds(events, rows), _span_kinds(events, links.parent[rows])
    known = booleans(pc.and_(pc.is_valid(called), pc.is_valid(calling)))
    proper = booleans(pc.and_(pc.equal(called, "server"), pc.equal(calling, "client")))
    odd = pa.array(_ASYNCHRONOUS)
    loose = ~booleans(pc.is_in(called, odd)) & ~booleans(pc.is_in(calling, odd))
    rows = rows[np.where(known, proper, loose)]
    parent = links.parent[rows]
    ends = integers(pc.coalesce(events["end_time_ns"], events["time_ns"]))
    start, over = placed.time[rows], placed.time[parent]
    high = start + placed.unit[rows] - over
    low = ends[rows] - ends[parent] - placed.unit[parent]
    longer = ends[rows] - start > ends[parent] - over + placed.unit[parent]
    return ties_of("span", of[rows], of[parent], np.where(longer, high - FAR, low), high, start)


def _logs(events: pa.Table, placed: Placed, links: Links, of: NDArray[np.int64]) -> Ties:
    rows = np.concatenate([_hanging(events, placed, links, of, kind) for kind in (Kind.LOG, Kind.SPAN_EVENT)])
    return _inside("log", events, placed, rows, links.parent[rows], of, WRITING)


def _traces(events: pa.Table, placed: Placed, links: Links, of: NDArray[np.int64]) -> Ties:
    """Tie records that name a trace but no span that is held to the trace's topmost span.

    Of the record's own service where the trace has one. Where several spans of the service are on top of
    each other the earliest encloses the others.
    """
    kinds = events["kind"]
    trace, service = _codes(events["trace_id"]), _codes(events["service"]) + 1
    spans = np.flatnonzero(booleans(pc.equal(kinds, Kind.SPAN.value)) & placed.timed & (trace >= 0))
    rows = np.flatnonzero(
        booleans(pc.equal(kinds, Kind.LOG.value)) & placed.timed & (trace >= 0) & (links.parent < 0)
    )
    if not spans.size or not rows.size:
        return Ties.joined(())
    spans = spans[np.lexsort((placed.offset[spans], placed.time[spans], links.depth[spans]))]
    width = int(service.max()) + 1
    own = _first_of(trace[spans] * width + service[spans], spans, trace[rows] * width + service[rows])
    top = _first_of(trace[spans], spans, trace[rows])
    span = np.where(own >= 0, own, top)
    held = span >= 0
    rows, span = rows[held], span[held]
    differ = of[rows] != of[span]
    return _inside("trace", events, placed, rows[differ], span[differ], of, AROUND)


def _hanging(
    events: pa.Table, placed: Placed, links: Links, of: NDArray[np.int64], kind: Kind
) -> NDArray[np.int64]:
    """Give the rows of a kind that hang on a span of another unit, both timed."""
    rows = np.flatnonzero(booleans(pc.equal(events["kind"], kind.value)) & placed.timed & (links.parent >= 0))
    parent = links.parent[rows]
    kept: NDArray[np.int64] = rows[placed.timed[parent] & (of[rows] != of[parent])]
    return kept


def _span_kinds(events: pa.Table, rows: NDArray[np.int64]) -> pa.Array:
    return pc.utf8_lower(lookup(events.select(["attributes"]).take(pa.array(rows)), "span.kind"))


def _inside(
    kind: TieKind,
    events: pa.Table,
    placed: Placed,
    rows: NDArray[np.int64],
    span: NDArray[np.int64],
    of: NDArray[np.int64],
    slack: int,
) -> Ties:
    ends = integers(pc.coalesce(events["end_time_ns"], events["time_ns"]))
    time = placed.time[rows]
    high = time + placed.unit[rows] - placed.time[span] + slack
    low = time - ends[span] - placed.unit[span] - slack
    return ties_of(kind, of[rows], of[span], low, high, time)


def _first_of(
    keys: NDArray[np.int64], rows: NDArray[np.int64], wanted: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Give for each wanted key the first row that has it, -1 where none has."""
    distinct, first = np.unique(keys, return_index=True)
    at = np.minimum(np.searchsorted(distinct, wanted), distinct.size - 1)
    return np.where(distinct[at] == wanted, rows[first[at]], -1)


def _codes(names: pa.ChunkedArray) -> NDArray[np.int64]:
    """Number names, -1 for none. Which number a name has is up to the order of the rows."""
    filled = pc.if_else(pc.equal(names, ""), pa.scalar(None, pa.string()), names.cast(pa.string()))
    return integers(filled.combine_chunks().dictionary_encode().indices, -1)
