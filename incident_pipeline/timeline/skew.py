"""How far the clocks are apart: bounds that agree, composed over a graph from a reference clock.

Per pair of units the bounds of all ties are intersected as NTP does it (Marzullo 1984; RFC 5905, section
11.2.1): what most intervals contain is kept, and the ties that do not contain it are counted and reported,
never averaged in. Twice as many ties may be broken as show themselves before the result is wrong. Where the
ties agree early and agree late, but not with each other, the clock was set in between.

The pairs form a simple temporal network (Dechter, Meiri and Pearl 1991): the offset of a clock against the
reference is what all paths together allow. The reference is the clock that most units agree with.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from incident_pipeline.timeline.ties import FAR, KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from incident_pipeline.timeline.ties import Ties

AGREEING: Final = 0.75
"""Share of the ties that has to agree; below it the pair is contradicted."""

_LOOSE: Final = tuple(KINDS.index(kind) for kind in ("told_twice", "alert", "request", "version"))
"""Ties that count only where nothing closer ties a pair."""

ONE_SIDED: Final = FAR // 2
"""From this width on, a bound holds on one side only."""

_MANY: Final = 256
"""Clocks of one component up to which every bound is weighed against every other."""

_UNBOUNDED: Final = 1 << 60


@dataclass(frozen=True)
class Bound:
    """The offset of one clock against another lies in [low, high] nanoseconds.

    `broken` of `observations` ties do not allow that; `step` is the moment the clock was set, with `later`
    the bound from then on.
    """

    low: int
    high: int
    observations: int
    broken: int = 0
    kinds: tuple[str, ...] = ()
    step_ns: int | None = None
    later: tuple[int, int] | None = None

    @property
    def contradicted(self) -> bool:
        """Say whether the ties disagree by more than their bounds allow."""
        return self.step_ns is not None or self.broken > (1 - AGREEING) * self.observations

    @property
    def width(self) -> int:
        """Give the uncertainty in nanoseconds."""
        return self.high - self.low

    @property
    def two_sided(self) -> bool:
        """Say whether the offset is bounded from both sides."""
        return self.width < ONE_SIDED

    @property
    def middle(self) -> int:
        """Give the offset to take: the middle, or where one side is open what the other side forces."""
        if self.two_sided:
            return (self.low + self.high) // 2
        return max(self.low, 0) + min(self.high, 0)

    def excludes_zero(self, margin: int = 0) -> bool:
        """Say whether the clocks differ by more than `margin`."""
        return self.low > margin or self.high < -margin

    def turned(self) -> Bound:
        """Give the offset of the other clock against this one."""
        later = (-self.later[1], -self.later[0]) if self.later else None
        return replace(self, low=-self.high, high=-self.low, later=later)


@dataclass(frozen=True)
class Offset:
    """The offset of a clock against its reference: bound, and the clocks on the path, both ends included."""

    bound: Bound
    path: tuple[int, ...]


@dataclass(frozen=True)
class Graph:
    """Clocks that hang together: per clock its offset, the references, and the pairs that do not fit."""

    offsets: dict[int, Offset]
    reference: dict[int, int]
    misfits: tuple[tuple[int, int], ...]


def bound_pairs(ties: Ties, clock: NDArray[np.int64]) -> dict[tuple[int, int], Bound]:
    """Give the bound per pair of clocks (smaller index first: its offset against the other).

    Args:
        ties: bounds between units.
        clock: per unit the index of its clock. Ties within one clock say nothing and are left out.
    """
    one, other = clock[ties.unit], clock[ties.against]
    swap = one > other
    low, high = np.where(swap, -ties.high, ties.low), np.where(swap, -ties.low, ties.high)
    first, second = np.minimum(one, other), np.maximum(one, other)
    width = int(clock.max(initial=0)) + 1
    pair = first * width + second
    bounds: dict[tuple[int, int], Bound] = {}
    loose = np.isin(ties.kind, _LOOSE)
    order = np.lexsort((ties.time, loose, pair))
    order = order[(first != second)[order]]
    parts = np.split(order, np.flatnonzero(pair[order][1:] != pair[order][:-1]) + 1) if order.size else []
    for part in parts:
        close = part[~loose[part]]
        rows = close if close.size else part
        kinds = tuple(KINDS[kind] for kind in np.unique(ties.kind[rows]).tolist())
        bound = replace(_settle(low[rows], high[rows], ties.time[rows]), kinds=kinds)
        bounds[divmod(int(pair[rows[0]]), width)] = bound
    return bounds


def consensus(low: NDArray[np.int64], high: NDArray[np.int64]) -> tuple[int, int, NDArray[np.bool_]]:
    """Give the interval that the ties agree on and, per tie, whether it allows the point most agree on.

    With n intervals of which at most m share a point, n - m are broken for certain. The interval is that
    of all points in at least m - (n - m) of them: it holds the truth as long as no more than twice as many
    are broken as are so for certain.
    """
    count = low.size
    points = np.concatenate([low, high])
    ending = np.repeat(np.array([False, True]), count)
    order = np.lexsort((ending, points))
    points, step = points[order], np.where(ending[order], -1, 1)
    depth = np.cumsum(step)
    most = int(depth.max())
    peak = int(points[np.argmax(depth)])
    inside = (low <= peak) & (peak <= high)
    wanted = max(most - (count - most), 1)
    start = int(points[np.argmax(depth >= wanted)])
    # The last point at which enough intervals were still open: the end of one of them.
    end = int(points[np.flatnonzero(depth - step >= wanted)[-1]])
    return start, end, inside


def compose(
    bounds: Mapping[tuple[int, int], Bound],
    weight: Sequence[tuple[int, ...]],
    windows: Sequence[tuple[int, int]] = (),
) -> Graph:
    """Give every clock its offset against the reference of its component.

    Args:
        bounds: per pair of clocks, as `bound_pairs` gives them.
        weight: per clock how much it counts for its agreement with others, then what makes it the
            better reference among equals.
        windows: per clock the first and the last time it stamped. Clocks that nothing ties to a component
            speak for those of its clocks whose records lie where their own do.
    """
    usable = {pair: bound for pair, bound in sorted(bounds.items()) if not bound.contradicted}
    offsets: dict[int, Offset] = {}
    reference: dict[int, int] = {}
    misfits: list[tuple[int, int]] = []
    for members in _components(usable):
        own = {pair: bound for pair, bound in usable.items() if pair[0] in members}
        network = _Network(members, own)
        inside = set(members)
        loose = [clock for clock in range(len(weight)) if clock not in inside]
        start = min(members, key=lambda clock: (*network.standing(clock, weight, windows, loose), clock))
        offsets.update(network.offsets(start))
        reference.update(dict.fromkeys(members, start))
        misfits += network.misfits
    return Graph(offsets, reference, tuple(misfits))


class _Network:
    """The bounds of one component as a simple temporal network: what all of them together allow.

    Bounds are taken in, the tightest first; one that those before do not allow is a misfit and stays out.
    """

    def __init__(self, members: Sequence[int], bounds: Mapping[tuple[int, int], Bound]) -> None:
        """Take the bounds in. Of very many clocks only those count that hold the graph together."""
        self.members = tuple(members)
        self.place = {clock: at for at, clock in enumerate(members)}
        self.bounds = bounds
        self.misfits: list[tuple[int, int]] = []
        count = len(members)
        # most[a, b]: how far the clock of b runs ahead of that of a, at most.
        self.most = np.full((count, count), _UNBOUNDED, np.int64)
        np.fill_diagonal(self.most, 0)
        group = np.arange(count)
        for pair, bound in sorted(bounds.items(), key=lambda item: (item[1].width, item[0])):
            one, other = self.place[pair[0]], self.place[pair[1]]
            if count > _MANY and group[one] == group[other]:
                continue
            group[group == group[other]] = group[one]
            if bound.high < -self.most[one, other] or -bound.low < -self.most[other, one]:
                self.misfits.append(pair)
                continue
            self._take(other, one, bound.high)
            self._take(one, other, -bound.low)

    def standing(
        self,
        clock: int,
        weight: Sequence[tuple[int, ...]],
        windows: Sequence[tuple[int, int]],
        loose: Sequence[int],
    ) -> tuple[int, ...]:
        """Give what makes a clock the reference, smallest first.

        How much agrees with it, then how closely it is tied to the others, then its own weight. Of the
        clocks that nothing ties (`loose`) those agree whose records are from the same time.
        """
        at = self.place[clock]
        ahead, behind = self.most[at], self.most[:, at]
        # A clock that is bounded on one side only agrees with everything, so that says nothing.
        width = ahead + behind
        agree = (ahead >= 0) & (behind >= 0) & (width < ONE_SIDED)
        agreeing = [self.members[other] for other in np.flatnonzero(agree).tolist()]
        if windows:
            first = min(windows[other][0] for other in agreeing)
            last = max(windows[other][1] for other in agreeing)
            agreeing += [other for other in loose if windows[other][0] <= last and windows[other][1] >= first]
        return (
            -sum(weight[other][0] for other in agreeing),
            int(np.minimum(width, FAR).sum()),
            *(-part for part in weight[clock]),
        )

    def offsets(self, start: int) -> dict[int, Offset]:
        """Give every clock's offset against `start`, with the path of least uncertainty as its grounds."""
        at = self.place[start]
        paths = self._paths(start)
        found = {}
        for clock in self.members:
            other = self.place[clock]
            steps = [self.bounds[min(step), max(step)] for step in pairwise(paths[clock])]
            bound = Bound(
                low=-int(self.most[other, at]),
                high=int(self.most[at, other]),
                observations=min((step.observations for step in steps), default=0),
                broken=sum(step.broken for step in steps),
                kinds=tuple(kind for kind in KINDS if any(kind in step.kinds for step in steps)),
            )
            found[clock] = Offset(bound, paths[clock])
        return found

    def _take(self, start: int, end: int, weight: int) -> None:
        """Let a bound tighten all others: end - start is at most `weight`."""
        if weight < self.most[start, end]:
            onward = self.most[:, start][:, None] + weight + self.most[end][None, :]
            np.minimum(self.most, onward, out=self.most)
            # Sums of what is unbounded stay so.
            self.most[self.most > _UNBOUNDED // 2] = _UNBOUNDED

    def _paths(self, start: int) -> dict[int, tuple[int, ...]]:
        """Give the paths of least uncertainty from a clock (Dijkstra 1959), around misfits."""
        near: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for pair, bound in self.bounds.items():
            if pair not in self.misfits:
                near[pair[0]].append((pair[1], bound.width))
                near[pair[1]].append((pair[0], bound.width))
        done: dict[int, tuple[int, ...]] = {}
        waiting: list[tuple[int, int, tuple[int, ...]]] = [(0, 1, (start,))]
        while waiting:
            width, length, path = heapq.heappop(waiting)
            if path[-1] in done:
                continue
            done[path[-1]] = path
            for other, more in near[path[-1]]:
                if other not in done:
                    heapq.heappush(waiting, (width + more, length + 1, (*path, other)))
        return done


def _settle(low: NDArray[np.int64], high: NDArray[np.int64], time: NDArray[np.int64]) -> Bound:
    start, end, inside = consensus(low, high)
    broken = int((~inside).sum())
    bound = Bound(start, end, low.size, broken)
    if not bound.contradicted:
        return bound
    rest = np.flatnonzero(~inside)
    agreeing = rest[consensus(low[rest], high[rest])[2]]
    if agreeing.size < AGREEING * rest.size:
        return bound
    # Each of the two groups agrees with itself: were they told one after the other?
    one, other = np.flatnonzero(inside), agreeing
    if time[one].min() > time[other].min():
        one, other = other, one
    if time[one].max() > time[other].min():
        return bound
    before, after = ((int(low[group].max()), int(high[group].min())) for group in (one, other))
    return Bound(*before, low.size, broken, step_ns=int(time[other].min()), later=after)


def _components(pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    near: dict[int, list[int]] = defaultdict(list)
    for one, other in pairs:
        near[one].append(other)
        near[other].append(one)
    seen: set[int] = set()
    found = []
    for start in sorted(near):
        if start in seen:
            continue
        members, waiting = [], [start]
        seen.add(start)
        while waiting:
            clock = waiting.pop()
            members.append(clock)
            fresh = sorted({other for other in near[clock] if other not in seen})
            seen.update(fresh)
            waiting += fresh
        found.append(sorted(members))
    return found
