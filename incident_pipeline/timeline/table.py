"""The full order as a table: one row per event, in order (`timeline.parquet`, design section 4.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from incident_pipeline.parsers.table import SCHEMA_VERSION
from incident_pipeline.timeline.causality import UNLINKED
from incident_pipeline.timeline.order import BASES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from incident_pipeline.timeline.order import Placed

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

`time_ns` is the moment the event tells of as it was stamped: of a resolved alert its end, else the time
in the event table. By the reference clock it lay in [interval_low_ns, interval_high_ns): the unit of the
stamp, less the offset of the clock that stamped it, widened by what is not known of that offset
(`clocks.json`). `depth` counts parents within the trace; it is null outside of traces and -1 where parent
links run in a circle. `merged_into` is the event that stands for this one, by the rule in `rule`.
"""


def order_table(
    ids: pa.Array,
    placed: Placed,
    bounds: tuple[NDArray[np.int64], NDArray[np.int64]],
    depth: NDArray[np.int64],
    order: NDArray[np.int64],
    basis: NDArray[np.int8],
    merged: tuple[pa.Array, pa.Array],
    *,
    first: int = 0,
) -> pa.Table:
    """Give the rows of the full order, or of a stretch of it that begins at position `first`.

    Args:
        ids: event ids; this and all that follows is per row of the event table, `order` takes it in order.
        placed: as stamped.
        bounds: [low, high) of each event by the reference clock, UTC nanoseconds.
        depth: as `causality.Links` has it.
        order: row numbers in timeline order.
        basis: indices into `order.BASES`.
        merged: per row the id of the event it was merged into and the rule, both null where it was not.
        first: position of the first row.
    """
    rows = pa.array(order)
    untimed = ~placed.timed[order]
    columns = [
        ids.take(rows),
        pa.array(np.arange(first, first + order.size)),
        pa.array(placed.time[order], mask=untimed),
        *(pa.array(bound[order], mask=untimed) for bound in bounds),
        pa.array(depth[order].astype(np.int32), mask=depth[order] == UNLINKED),
        pa.array(BASES).take(pa.array(basis[order])),
        *(part.take(rows) for part in merged),
    ]
    return pa.table(columns, schema=TIMELINE)
