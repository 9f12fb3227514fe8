"""Who caused whom: the parent of every row and its depth, from the parent links of the traces.

Depth is computed by pointer jumping (Wyllie 1979): each round doubles how far a row looks up, so a
chain of n spans takes log2 n rounds, and links that form a cycle end with the rounds. What belongs here:
the links. How they order rows does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from incident_pipeline.model.event import Kind
from incident_pipeline.timeline.columns import booleans, ranks

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNLINKED: Final = -2
"""Depth of a row that belongs to no span."""
CYCLIC: Final = -1
"""Depth of a row whose parent links lead into a cycle."""
NO_ROW: Final = -1
"""Parent of a row whose parent is unknown or was not collected."""

_ALL_ZERO: Final = r"^0*$"
"""An id of zeros only is no id (W3C Trace Context); neither is an empty one."""


@dataclass(frozen=True)
class Links:
    """Per row of the event table: `parent` (row number or `NO_ROW`) and `depth` (from 0, or a mark above).

    A log or span event hangs on its span. A row whose parent was not collected counts one deep.
    """

    parent: NDArray[np.int64]
    depth: NDArray[np.int64]


def link(events: pa.Table) -> Links:
    """Link spans to their parents, and logs and span events to their spans, each within its trace.

    Where several spans of a trace have one id, the first of the artifact with the lowest digest is meant.
    """
    rows = events.num_rows
    own, above = _keys(events)
    is_span = booleans(pc.equal(events["kind"], Kind.SPAN.value))
    # A log or span event carries the id of the span it was written in: that span is its parent.
    wanted = np.where(is_span, above, own)
    linked = own >= 0
    spans = np.flatnonzero(is_span & linked)
    # Not the first in the table: that would depend on the order in which artifacts were listed.
    spans = spans[np.argsort(ranks(events["artifact_sha256"])[spans], kind="stable")]
    parent = _lookup(np.where(linked, wanted, -1), own[spans], spans)

    depth = np.full(rows, UNLINKED, np.int64)
    depth[spans] = _span_depths(spans, parent, wanted[spans] >= 0, rows)
    hanging = np.flatnonzero(linked & ~is_span)
    on_span = parent[hanging]
    span_depth = np.where(on_span >= 0, depth[on_span], 0)
    depth[hanging] = np.where(span_depth == CYCLIC, CYCLIC, span_depth + 1)
    return Links(parent=parent, depth=depth)


def _keys(events: pa.Table) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give (trace, span) and (trace, parent span) as whole numbers, -1 where either is missing."""
    rows = events.num_rows
    trace = _codes([events["trace_id"]])
    both = _codes([events["span_id"], events["parent_span_id"]])
    span, above = both[:rows], both[rows:]
    width = int(both.max(initial=0)) + 1
    own = np.where((trace >= 0) & (span >= 0), trace * width + span, -1)
    parent = np.where((trace >= 0) & (above >= 0), trace * width + above, -1)
    return own, parent


def _codes(columns: list[pa.ChunkedArray]) -> NDArray[np.int64]:
    chunks = [chunk for column in columns for chunk in column.chunks]
    joined = pa.chunked_array(chunks, pa.string())
    blank = pc.match_substring_regex(joined, _ALL_ZERO)
    joined = pc.if_else(pc.fill_null(blank, fill_value=True), pa.scalar(None, pa.string()), joined)
    encoded = joined.combine_chunks().dictionary_encode()
    return np.asarray(pc.fill_null(encoded.indices, -1).cast(pa.int64()))


def _lookup(wanted: NDArray[np.int64], keys: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give for each wanted key the first row that has it, else `NO_ROW`."""
    if not keys.size:
        return np.full(wanted.size, NO_ROW, np.int64)
    order = np.argsort(keys, kind="stable")
    at = np.minimum(np.searchsorted(keys[order], wanted), keys.size - 1)
    found = (keys[order[at]] == wanted) & (wanted >= 0)
    return np.where(found, rows[order[at]], NO_ROW)


def _span_depths(
    spans: NDArray[np.int64], parent: NDArray[np.int64], has_parent: NDArray[np.bool_], rows: int
) -> NDArray[np.int64]:
    top = spans.size
    local = np.full(rows + 1, top, np.int64)
    local[spans] = np.arange(top)
    # One more place past the end is the root of all: it points to itself at distance zero. NO_ROW
    # (-1) picks the last place of `local`, which leads there.
    ahead = np.append(local[parent[spans]], top)
    depth = np.append(has_parent.astype(np.int64), 0)
    for _ in range(max(top, 1).bit_length()):
        active = np.flatnonzero(ahead < top)
        if not active.size:
            break
        depth[active] += depth[ahead[active]]
        ahead = ahead[ahead]
    depth[ahead < top] = CYCLIC
    return depth[:top]
