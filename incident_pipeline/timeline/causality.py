"""Who caused whom: the parent of every row and its depth, from the parent links of the traces.

Depth is computed by pointer jumping (Wyllie 1979): each round doubles how far a row looks up, so a
chain of n spans takes log2 n rounds, and links that form a cycle end with the rounds. What belongs here:
the links. How they order rows does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow.compute as pc

from incident_pipeline.model.event import Kind
from incident_pipeline.timeline.columns import booleans, ranks
from incident_pipeline.timeline.span_index import index_spans, read_ids

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from incident_pipeline.timeline.span_index import Ids

UNLINKED: Final = -2
"""Depth of a row that belongs to no span."""
CYCLIC: Final = -1
"""Depth of a row whose parent links lead into a cycle."""
NO_ROW: Final = -1
"""Parent of a row whose parent is unknown or was not collected."""

_AT_ONCE: Final = 1 << 16
"""Linked rows that fit a processor's cache with their ids."""


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
    is_span = booleans(pc.equal(events["kind"], Kind.SPAN.value))
    ids = read_ids(events)
    artifact = ranks(events["artifact_sha256"])
    links = Links(np.full(is_span.size, NO_ROW, np.int64), np.full(is_span.size, UNLINKED, np.int64))
    for rows in ids.parts(np.flatnonzero(ids.has_trace & ids.has_span), _AT_ONCE):
        _link_traces(rows, is_span[rows], artifact[rows], ids, links)
    return links


def _link_traces(
    rows: NDArray[np.int64],
    is_span: NDArray[np.bool_],
    artifact: NDArray[np.int64],
    ids: Ids,
    links: Links,
) -> None:
    """Fill in parent and depth of the rows of some traces, of which no row is missing."""
    words = ids.words.take(rows, axis=0)
    spans = np.flatnonzero(is_span)
    # Not the first in the table: that would depend on the order in which artifacts were listed.
    by_artifact = artifact[spans]
    if spans.size and by_artifact.min() != by_artifact.max():
        spans = spans[np.argsort(by_artifact, kind="stable")]
        words, rows = words.take(at := np.concatenate([spans, np.flatnonzero(~is_span)]), axis=0), rows[at]
        is_span = is_span[at]
        spans = np.arange(spans.size)
    of_spans = words if spans.size == rows.size else words.take(spans, axis=0)
    index = index_spans(of_spans[:, ids.trace.start : ids.span.stop], ids.trace.stop)
    # Numbered in the order of the index from here on, where a trace lies together.
    spans = spans[index.order]
    children = np.flatnonzero(ids.has_parent[rows[spans]])
    hanging = np.flatnonzero(~is_span)
    # A log or span event carries the id of the span it was written in: that span is its parent.
    asked = words.take(np.concatenate([spans[children], hanging]), axis=0)
    asked[children.size :, ids.parent] = asked[children.size :, ids.span]
    found = index.find(asked[:, ids.trace], asked[:, ids.parent])
    askers = rows[np.concatenate([spans[children], hanging])]
    spans, hanging = rows[spans], rows[hanging]

    has_parent = np.zeros(spans.size, np.int32)
    has_parent[children] = 1
    ahead = np.full(spans.size, spans.size, np.int32)
    ahead[children] = np.where(found >= 0, found, spans.size)[: children.size]
    depth = span_depths(ahead, has_parent)
    links.parent[askers] = np.append(spans, NO_ROW)[found]
    links.depth[spans] = depth
    on_span = np.append(depth, np.int32(0))[found[children.size :]]
    links.depth[hanging] = np.where(on_span == CYCLIC, CYCLIC, on_span + 1)


def span_depths(ahead: NDArray[np.int32], has_parent: NDArray[np.int32]) -> NDArray[np.int32]:
    """Count the parents of each span by pointer jumping.

    Args:
        ahead: per span the number of its parent; the number of spans where there is none to go to.
        has_parent: 1 where a parent is named, held or not: one that was not collected counts as well.
    """
    top = ahead.size
    # One more place past the end is the root of all: it points to itself at distance zero.
    ahead = np.append(ahead, np.int32(top))
    depth = np.append(has_parent, np.int32(0))
    active = np.flatnonzero(ahead < top)
    for _ in range(max(top, 1).bit_length()):
        if not active.size:
            break
        above = ahead[active]
        # Both gathers are done before either is written: a round looks at the state of the one before.
        reach, further = depth[above], ahead[above]
        depth[active] += reach
        ahead[active] = further
        active = active[further < top]
    depth[active] = CYCLIC
    return depth[:top]
