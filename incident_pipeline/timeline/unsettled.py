"""Places that the clocks leave open: rows that may have happened before or after a row of another clock.

A row's moment lies within its stamp's unit, widened by the bounds of its clock's offset. Where that
interval overlaps that of a row of another clock, the clocks do not decide; of two overlapping rows the less
certain one is marked, or both (as `order` does for stamps of different precision).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from incident_pipeline.timeline.correction import Correction
    from incident_pipeline.timeline.order import Placed

_CLASSES: Final = 32
"""Widths told apart; more are rounded up to powers of two, which marks rather too many rows than too few."""


_NEIGHBOURS: Final = 6
"""Rows on either side that are looked at one by one for being kin."""

_LEVELS: Final = 4
"""Ancestors that count as kin: client and server spans of two calls in a row."""


def bounds_of(placed: Placed, correction: Correction) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give per row the interval [low, high) in which it happened, in UTC nanoseconds.

    Args:
        placed: the places that the order goes by (`Correction.placed`).
        correction: where they come from.
    """
    return placed.time - correction.before, placed.time + placed.unit + correction.after


def left_open(
    placed: Placed, correction: Correction, order: NDArray[np.int64], parent: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Say which rows' places the clocks leave open, and which of these the parent links settle.

    Args:
        placed: the places that the order goes by (`Correction.placed`).
        correction: where they come from.
        order: the rows in order.
        parent: per row the row of its parent, negative for none (`causality.Links`).

    Returns:
        Rows that overlap a row of another clock that is at least as certain, and that is no kin; and rows
        that overlap only those they come from, or that come from them, and have such a parent.
    """
    low, high = bounds_of(placed, correction)
    marked = np.flatnonzero(_overlapping(placed, correction, low, high))
    opened, settled = np.zeros(low.size, np.bool_), np.zeros(low.size, np.bool_)
    if not marked.size:
        return opened, settled
    position = np.empty(order.size, np.int64)
    position[order] = np.arange(order.size)
    strangers, parents = np.zeros(marked.size, np.bool_), np.zeros(marked.size, np.bool_)
    for step in (*range(-_NEIGHBOURS - 1, 0), *range(1, _NEIGHBOURS + 2)):
        at = position[marked] + step
        other = order[np.clip(at, 0, order.size - 1)]
        meets = (at >= 0) & (at < order.size) & placed.timed[other]
        meets &= (low[other] < high[marked]) & (high[other] > low[marked])
        # What lies further off than is looked at one by one stays open.
        near = abs(step) <= _NEIGHBOURS
        apart = correction.clock[other] != correction.clock[marked]
        certain = high[other] - low[other] <= high[marked] - low[marked]
        kin = _descends(parent, marked, other) | _descends(parent, other, marked)
        strangers |= meets & ((apart & certain & ~kin) if near else True)
        parents |= meets & apart & (parent[marked] == other)
    opened[marked] = strangers
    settled[marked] = ~strangers & parents
    return opened, settled


def _descends(
    parent: NDArray[np.int64], rows: NDArray[np.int64], others: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Say which rows have the other one among their nearest ancestors."""
    found = np.zeros(rows.size, np.bool_)
    for _ in range(_LEVELS):
        rows = np.where(rows >= 0, parent[rows], -1)
        found |= rows == others
    return found


def _overlapping(
    placed: Placed, correction: Correction, low: NDArray[np.int64], high: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Say which rows overlap a row of another clock that is at least as certain, for want of their clock."""
    marked = np.zeros(placed.time.size, np.bool_)
    wide = np.flatnonzero(placed.timed & (correction.before + correction.after > 0))
    if not wide.size:
        return marked
    width = _classes(high - low)
    for size in np.unique(width[placed.timed]):
        others = np.flatnonzero(placed.timed & (width == size))
        others = others[np.argsort(low[others], kind="stable")]
        begins, clock = low[others], correction.clock[others]
        # A range of neighbours holds one clock only exactly when no change lies within it.
        changes = np.cumsum(np.append(0, clock[1:] != clock[:-1]))
        rows = wide[width[wide] >= size]
        first = np.searchsorted(begins, low[rows] - size, side="right")
        last = np.searchsorted(begins, high[rows], side="left") - 1
        some = first <= last
        rows, first, last = rows[some], first[some], last[some]
        mixed = changes[first] != changes[last]
        marked[rows] |= mixed | (clock[first] != correction.clock[rows])
    return marked


def _classes(width: NDArray[np.int64]) -> NDArray[np.int64]:
    if np.unique(width).size <= _CLASSES:
        return width
    # Whole powers of two are exact in a float up to far beyond any width.
    rounded: NDArray[np.int64] = np.exp2(np.ceil(np.log2(np.maximum(width, 1)))).astype(np.int64)
    return rounded
