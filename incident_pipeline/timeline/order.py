"""One order for all events, and for each place in it the reason why it is the place.

Order: (time, causal depth within the trace, artifact digest, byte offset, source order); events without a
time come last. A stamp is read as the start of an interval as long as its finest unit: `08:00:01` may
be any moment of that second. Where intervals of different artifacts overlap, the clock does not
decide, and the order says so instead of feigning (SOLVE-IT DFT-1311, DFT-1149).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from incident_pipeline.model.event import Kind, Precision
from incident_pipeline.model.timeline import OrderBasis
from incident_pipeline.signals.attributes import integers, lookup
from incident_pipeline.timeline.columns import booleans, ranks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from incident_pipeline.timeline.causality import Links

UNIT_NS: Final = {
    Precision.SECOND.value: 1_000_000_000,
    Precision.MILLI.value: 1_000_000,
    Precision.MICRO.value: 1_000,
    Precision.NANO.value: 1,
}
"""Length of the interval a stamp stands for, in nanoseconds."""

RESOLVED_STATES: Final = ("resolved", "ok", "closed", "normal", "recovered")
"""What alerting systems call an alert that is over, in lower case."""

BASES: Final[tuple[str, ...]] = get_args(OrderBasis)
CLOCK, CAUSAL, SOURCE_ORDER, UNDETERMINED = range(4)
"""Indices into `BASES`."""


@dataclass(frozen=True)
class Placed:
    """What the order looks at, per row of the event table: plain numbers."""

    time: NDArray[np.int64]
    """UTC nanoseconds; 0 where `timed` is false. A resolved alert stands where it ended."""
    timed: NDArray[np.bool_]
    unit: NDArray[np.int64]
    """Length of the interval [time, time + unit) in nanoseconds."""
    artifact: NDArray[np.int64]
    """Rank of the artifact's digest."""
    offset: NDArray[np.int64]
    """First byte of the record, -1 where several records share a document."""

    @classmethod
    def of(cls, events: pa.Table) -> Placed:
        """Read the columns of an event table. A time of unknown precision counts as whole seconds."""
        precision = pc.fill_null(events["time_precision"], Precision.SECOND.value)
        unit = np.full(events.num_rows, UNIT_NS[Precision.SECOND.value], np.int64)
        for name, length in UNIT_NS.items():
            unit[booleans(pc.equal(precision, name))] = length
        moment = pc.if_else(pa.array(_resolutions(events)), events["end_time_ns"], events["time_ns"])
        return cls(
            time=integers(moment),
            timed=booleans(pc.is_valid(moment)),
            unit=unit,
            artifact=ranks(events["artifact_sha256"]),
            offset=integers(events["byte_start"], -1),
        )


def canonical_order(placed: Placed, links: Links) -> NDArray[np.int64]:
    """Give the row numbers in timeline order; rows of one byte range keep the order of the table."""
    depth = np.where(placed.timed, np.maximum(links.depth, 0), 0)
    # The last key counts most. lexsort is stable, so the table's own order settles what is left.
    return np.lexsort((placed.offset, placed.artifact, depth, placed.time, ~placed.timed))


def order_basis(placed: Placed, links: Links, order: NDArray[np.int64]) -> NDArray[np.int8]:
    """Give for each row (in table order) what its place rests on, as an index into `BASES`.

    - causal: its parent has the same time, and the parent link put it behind;
    - undetermined: the interval of an event of another artifact, stamped at least as finely, overlaps
      (so of two overlapping events the coarser one is marked, or both);
    - source order: the event before it comes from the same artifact and has the same time;
    - clock: otherwise.
    """
    up = links.parent
    decides = (up >= 0) & (links.depth > 0) & placed.timed & placed.timed[up]
    caused = decides & (placed.time == placed.time[up])
    return settle(placed, overlapped(placed), caused, order, np.arange(order.size))


def settle(
    placed: Placed,
    overlap: NDArray[np.bool_],
    caused: NDArray[np.bool_],
    order: NDArray[np.int64],
    number: NDArray[np.int64],
) -> NDArray[np.int8]:
    """Give what each place rests on, from what is known of single rows and from who stands before whom.

    Args:
        placed: the rows.
        overlap: whether an event of another artifact overlaps (`overlapped`).
        caused: whether its parent has the same time.
        order: row numbers in timeline order.
        number: per row its number in the whole event table.
    """
    basis = np.where(placed.timed, CLOCK, UNDETERMINED).astype(np.int8)
    before, row = order[:-1], order[1:]
    close = placed.timed[row] & (placed.time[row] < placed.time[before] + placed.unit[before])
    tied = close | ~placed.timed[before]
    same = tied & (placed.artifact[before] == placed.artifact[row])
    ahead, here = placed.offset[before], placed.offset[row]
    as_written = (ahead < here) | ((ahead == here) & (number[before] < number[row]))
    basis[row[same & as_written]] = SOURCE_ORDER
    basis[row[same & ~as_written]] = UNDETERMINED
    basis[overlap] = UNDETERMINED
    basis[caused] = CAUSAL
    return basis


def _resolutions(events: pa.Table) -> NDArray[np.bool_]:
    """Say which events are alerts that ended at a known time: the row's own time is when they began."""
    ended = np.zeros(events.num_rows, np.bool_)
    rows = np.flatnonzero(booleans(pc.equal(events["kind"], Kind.ALERT.value)))
    alerts = events.take(pa.array(rows))
    state = pc.utf8_lower(lookup(alerts, "status", "state"))
    ended[rows] = booleans(pc.is_in(state, pa.array(RESOLVED_STATES)))
    return ended & booleans(pc.is_valid(events["end_time_ns"]))


def overlapped(placed: Placed) -> NDArray[np.bool_]:
    """Say which events overlap an event of another artifact that is stamped at least as finely."""
    result = np.zeros(placed.time.size, np.bool_)
    for finer in UNIT_NS.values():
        others = np.flatnonzero(placed.timed & (placed.unit == finer))
        if not others.size:
            continue
        others = others[np.argsort(placed.time[others], kind="stable")]
        times, artifacts = placed.time[others], placed.artifact[others]
        # A range of neighbours holds one artifact only exactly when no change lies within it.
        changes = np.cumsum(np.append(0, artifacts[1:] != artifacts[:-1]))
        rows = np.flatnonzero(placed.timed & (placed.unit >= finer))
        start, unit = placed.time[rows], placed.unit[rows]
        low = np.searchsorted(times, start - finer, side="right")
        high = np.searchsorted(times, start + unit, side="left")
        some = low < high
        first, last = np.minimum(low, others.size - 1), np.maximum(high, 1) - 1
        mixed = changes[first] != changes[last]
        result[rows] |= some & (mixed | (artifacts[first] != placed.artifact[rows]))
    return result
