"""Stretches that a source should have told of and did not.

How often a source speaks is learned from itself: its usual longest spacing is the 95th percentile of the
time between its records, and a stretch `FAR_LONGER` times that is a gap. That a source had nothing to say and
that its records were lost look alike, so a gap is told as what it is: nothing is held. Sources of few records
(alerts, messages, changes) have no usual spacing, and their silence is no gap.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

FAR_LONGER: Final = 10
MISSED_SCRAPES: Final = 3
"""Steps without a sample that make a scrape gap: two scrapes missed in a row."""

ENOUGH: Final = 20
"""Records from which on a source has a usual spacing."""

_USUAL: Final = 95


@dataclass(frozen=True)
class Rhythm:
    """How often a source speaks: `longest` nanoseconds between records count as usual."""

    longest: int
    gaps: tuple[tuple[int, int], ...]
    """From the last record before to the first after, in UTC nanoseconds."""


def rhythm(times: NDArray[np.int64], *, scraped: bool = False) -> Rhythm | None:
    """Learn a source's rhythm from the times of its records, None where they are too few.

    Args:
        times: UTC nanoseconds, in any order.
        scraped: whether the records come at a fixed step, as samples do.
    """
    held = np.unique(times)
    if held.size < ENOUGH:
        return None
    spacing = np.diff(held)
    if scraped:
        longest = int(np.median(spacing)) * MISSED_SCRAPES
    else:
        # The rank itself and no interpolation: whole numbers, the same everywhere.
        longest = int(np.partition(spacing, at := spacing.size * _USUAL // 100)[at]) * FAR_LONGER
    found = np.flatnonzero(spacing > longest)
    gaps = tuple((int(held[at]), int(held[at + 1])) for at in found)
    return Rhythm(longest, gaps)


def others_go_on(start: int, end: int, own: str, times: Mapping[str, NDArray[np.int64]]) -> int:
    """Count the other sources that have records between `start` and `end`; `times` are sorted."""
    return sum(
        int(np.searchsorted(held, start, side="right") < np.searchsorted(held, end, side="left"))
        for name, held in times.items()
        if name != own
    )
