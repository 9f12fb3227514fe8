"""What ties two clocks to each other: pairs of records of which one cannot lie just anywhere.

A tie bounds how far the clock of one unit runs ahead of that of another, in nanoseconds:

- `span`: a server span lies inside the client span that called it. With o = child clock - parent clock,
  o <= child start - parent start (a call is not served before it is made), and o >= child end - parent end
  unless the child is longer than its parent: then it went on after its caller gave up.
- `log`: a record that hangs on a span was written while the span was open, give or take `WRITING`.
- `trace`: a record that names only a trace was written around a span of it, give or take `AROUND`.
- `told_twice`: the same notification or native id, stamped by two sources within `DISPATCH`.
- `alert`: a message about an alert comes after the alert changed, and within `DELIVERY`.
- `request`: records that share a request id are within `REQUEST` of the stretch that the other's span.
- `version`: a change of version is on record before the first record of the new version is.

A precision of a second makes every bound a second wider. What is unbounded on one side is bounded by
`FAR`: a clock further off is not looked for. The slack is in the open here, none of it is learned.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, get_args

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

TieKind = Literal["span", "log", "trace", "told_twice", "alert", "request", "version"]
KINDS: Final[tuple[TieKind, ...]] = get_args(TieKind)

_MILLI: Final = 1_000_000
_SECOND: Final = 1_000_000_000
WRITING: Final = 1 * _MILLI
AROUND: Final = 50 * _MILLI
DISPATCH: Final = 1 * _SECOND
REQUEST: Final = 5 * _SECOND
DELIVERY: Final = 300 * _SECOND
FAR: Final = 26 * 3600 * _SECOND
"""Zones lie at most 26 hours apart."""


@dataclass(frozen=True)
class Ties:
    """Bounds on `clock of one unit - clock of another`, one row per tie; all arrays of one length."""

    unit: NDArray[np.int64]
    against: NDArray[np.int64]
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    time: NDArray[np.int64]
    """When, for telling a step of a clock from a contradiction."""
    kind: NDArray[np.int8]
    """Index into `KINDS`."""

    @classmethod
    def joined(cls, parts: Iterable[Ties]) -> Ties:
        """Put ties one after the other."""
        held = list(parts)
        if not held:
            empty = np.zeros(0, np.int64)
            return cls(empty, empty, empty, empty, empty, np.zeros(0, np.int8))
        return cls(
            *(
                np.concatenate([getattr(part, name) for part in held])
                for name in ("unit", "against", "low", "high", "time", "kind")
            )
        )

    def __len__(self) -> int:
        """Give the number of ties."""
        return self.unit.size


def ties_of(
    kind: TieKind,
    unit: NDArray[np.int64],
    against: NDArray[np.int64],
    low: NDArray[np.int64],
    high: NDArray[np.int64],
    time: NDArray[np.int64],
) -> Ties:
    """Make ties of one kind; bounds further out than `FAR` are not looked for."""
    # Also what would not fit an int64: such a difference wraps around.
    near = (np.minimum(low, high) >= -2 * FAR) & (np.maximum(low, high) <= 2 * FAR)
    kinds = np.full(int(near.sum()), KINDS.index(kind), np.int8)
    return Ties(unit[near], against[near], low[near], high[near], time[near], kinds)


def pairs_apart(
    kind: TieKind,
    pairs: list[tuple[int, int]],
    times: NDArray[np.int64],
    units: NDArray[np.int64],
    of: NDArray[np.int64],
    late: int,
    early: int,
) -> Ties:
    """Tie pairs of rows of which the first comes at most `late` after the second and `early` before it."""
    if not pairs:
        return Ties.joined(())
    one, other = np.array(sorted(pairs), np.int64).T
    delta = times[one] - times[other]
    low, high = delta - units[other] - late, delta + units[one] + early
    differ = of[one] != of[other]
    return ties_of(kind, of[one][differ], of[other][differ], low[differ], high[differ], times[one][differ])
