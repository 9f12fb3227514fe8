"""The order's own clock: what is subtracted from each row's time for the order, and how sure that is.

Stored times, times shown and excerpts never change (SOLVE-IT DFT-1153): the correction lives beside them, in
`clocks.json` and in the interval of each row. An offset is applied when the evidence excludes that the
clocks agree; a misread zone is proposed only, and its rows' intervals then cover both readings, so that
their order against other sources counts as undetermined.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow.compute as pc

from incident_pipeline.model.coverage import ClockEstimate
from incident_pipeline.model.coverage import Clocks as ClockTable
from incident_pipeline.timeline.clocks import find_units, home_units, join_units
from incident_pipeline.timeline.moments import rfc3339
from incident_pipeline.timeline.skew import bound_pairs, compose
from incident_pipeline.timeline.source_ties import source_ties
from incident_pipeline.timeline.ties import FAR, Ties
from incident_pipeline.timeline.trace_ties import trace_ties
from incident_pipeline.timeline.zones import QUARTER, advice, misread_quarters

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from incident_pipeline.timeline.causality import Links
    from incident_pipeline.timeline.clocks import Clocks, Unit
    from incident_pipeline.timeline.order import Placed
    from incident_pipeline.timeline.skew import Bound, Graph

_WORDS: Final = {
    "span": "server spans inside the client spans that called them",
    "log": "log records inside the spans they hang on",
    "trace": "log records around a span of the trace they name",
    "told_twice": "events told by two sources, within 1 s",
    "alert": "messages about alerts, within 5 min after them",
    "request": "records that share a request id, within 5 s",
    "version": "changes recorded before the first span of the new version",
}
_CLOSE: Final = frozenset({"span", "log"})
"""Ties without slack of ours: so close that their bounds widen intervals even where the clocks agree."""

ENOUGH: Final = 3
"""Ties that an offset has to rest on to be applied: one alone may be the broken one."""

_SECOND: Final = 1_000_000_000
_HOUR: Final = 3600 * _SECOND


@dataclass(frozen=True)
class Correction:
    """Per row: nanoseconds to subtract for the order, and how much earlier and later it may have been.

    With t the stored time and u its unit, the moment lies in [t - shift - before, t - shift + u + after).
    """

    clock: NDArray[np.int64]
    """Index into `estimates`."""
    shift: NDArray[np.int64]
    before: NDArray[np.int64]
    after: NDArray[np.int64]
    estimates: tuple[ClockEstimate, ...]
    """One per clock, by name."""
    of_artifact: Mapping[str, tuple[int, ...]]
    """Per digest the clocks that stamped its rows."""

    def table(self, incident_id: str) -> ClockTable:
        """Give the side table that goes to `clocks.json`."""
        return ClockTable(incident_id=incident_id, estimates=self.estimates)

    def placed(self, placed: Placed) -> Placed:
        """Give the places to order by: stored times less the offsets of their clocks."""
        return replace(placed, time=np.where(placed.timed, placed.time - self.shift, 0))


def correct(events: pa.Table, placed: Placed, links: Links) -> Correction:
    """Estimate the clocks of the events from what ties them, and say what to subtract for the order."""
    found = find_units(events, placed.unit)
    units = found.units
    ties = Ties.joined((trace_ties(events, placed, links, found.of), source_ties(events, placed, found.of)))
    clocks = _name_clocks(units, ties)
    bounds = bound_pairs(ties, clocks.of_unit)
    tied = np.zeros(len(units), np.bool_)
    tied[ties.unit] = tied[ties.against] = True
    # Records that nothing ties only go along with their host's clock: they speak for nothing.
    weight = [
        (int(tied[list(members)].sum()) or 1, sum(units[at].records for at in members))
        for members in clocks.members
    ]
    speaks = np.array(
        [
            tied[at] or not tied[list(clocks.members[of])].any()
            for at, of in enumerate(clocks.of_unit.tolist())
        ],
        np.bool_,
    )
    clock = clocks.of_unit[found.of] if units else found.of
    graph = compose(bounds, weight, _windows(clock, placed, speaks[found.of], len(clocks.names)))
    bases = _bases(events, found.of, len(units))
    told = [_estimate(at, clocks, units, bases, graph, bounds, weight) for at in range(len(clocks.names))]
    estimates = tuple(estimate for estimate, _ in told)
    shifts = np.array([item.offset_ns if item.applied else 0 for item in estimates], np.int64)
    room = np.array([room for _, room in told], np.int64).reshape(-1, 2)
    shift = shifts[clock]
    before, after = np.maximum(room[clock, 1] - shift, 0), np.maximum(shift - room[clock, 0], 0)
    of_artifact: dict[str, list[int]] = defaultdict(list)
    for at, unit in enumerate(units):
        of_artifact[unit.sha256].append(int(clocks.of_unit[at]))
    return Correction(
        clock=clock,
        shift=shift,
        before=before,
        after=after,
        estimates=estimates,
        of_artifact={sha: tuple(sorted(set(held))) for sha, held in sorted(of_artifact.items())},
    )


def _name_clocks(units: Sequence[Unit], ties: Ties) -> Clocks:
    """Make clocks of units, with those apart that the ties of their own host speak against.

    Where one offset explains all units of an artifact that are tied to their hosts' other records, and no
    offset does not, the artifact as a whole was stamped, or read, differently: its other units go along.
    """
    if not units:
        return join_units(units, ())
    home = home_units(units)
    direct = bound_pairs(ties, np.arange(len(units)))
    tied: dict[str, list[tuple[int, Bound]]] = defaultdict(list)
    for at, unit in enumerate(units):
        own = home.get(unit.host, at)
        bound = direct.get((min(at, own), max(at, own))) if own != at else None
        if bound is not None:
            tied[unit.sha256].append((at, bound if at < own else bound.turned()))
    apart: set[int] = set()
    whole: set[str] = set()
    for sha256, held in tied.items():
        low, high = max(bound.low for _, bound in held), min(bound.high for _, bound in held)
        margin = max(units[at].step_ns for at, _ in held)
        if low <= high and (low > margin or high < -margin) and not any(b.contradicted for _, b in held):
            whole.add(sha256)
        else:
            apart |= {at for at, b in held if b.contradicted or b.excludes_zero(units[at].step_ns)}
    apart |= {at for at, unit in enumerate(units) if unit.sha256 in whole}
    return join_units(units, apart, whole)


def _estimate(
    at: int,
    clocks: Clocks,
    units: Sequence[Unit],
    bases: Sequence[frozenset[str]],
    graph: Graph,
    bounds: Mapping[tuple[int, int], Bound],
    weight: Sequence[tuple[int, ...]],
) -> tuple[ClockEstimate, tuple[int, int]]:
    """Give what to say of a clock, and the offsets that the order has to reckon with."""
    name = clocks.names[at]
    against = {pair: bound for pair, bound in bounds.items() if at in pair and bound.contradicted}
    misfit = any(at in pair and graph.reference[at] != at for pair in graph.misfits)
    notes = [_quarrel(at, pair, bound, clocks.names) for pair, bound in against.items()]
    if at not in graph.offsets:
        if against:
            (one, _), bound = min(against.items(), key=lambda item: (-item[1].observations, item[0]))
            other = next(iter(pair for pair in min(against) if pair != at))
            bound = bound if one == at else bound.turned()
            estimate = _contradicted(name, clocks.names[other], bound, notes)
            return estimate, _room(bound, estimate)
        main = max(range(len(weight)), key=lambda clock: (clock in graph.offsets, *weight[clock], -clock))
        return _untied(name, clocks.names[graph.reference.get(main, main)]), (0, 0)
    reference = graph.reference[at]
    if reference == at:
        return _reference(name, notes), (0, 0)
    offset = graph.offsets[at]
    bound = offset.bound
    margin = max(units[unit].step_ns for clock in (at, reference) for unit in clocks.members[clock])
    quarters = misread_quarters(bound)
    if quarters is not None:
        uris = ", ".join(sorted({units[unit].uri for unit in clocks.members[at]}))
        notes.append(advice(quarters, uris, frozenset().union(*(bases[unit] for unit in clocks.members[at]))))
    if misfit:
        notes.append("Ties to a third clock deny this offset.")
    if not bound.two_sided:
        notes.append("Bounded on one side only.")
    if bound.observations < ENOUGH and bound.excludes_zero(margin):
        notes.append("Too few ties to reckon with it.")
    applied = (
        quarters is None
        and bound.observations >= ENOUGH
        and bound.two_sided
        and not misfit
        and not against
        and bound.excludes_zero(margin)
    )
    way = [clocks.names[clock] for clock in offset.path[1:-1]]
    estimate = ClockEstimate(
        clock=name,
        reference=clocks.names[reference],
        offset_ns=bound.middle,
        low_ns=bound.low,
        high_ns=bound.high,
        observations=bound.observations,
        basis="; ".join(_WORDS[kind] for kind in bound.kinds)
        + (f"; by way of {', '.join(way)}" if way else ""),
        contradicted=bool(against) or misfit,
        applied=applied,
        zone_hours=None if quarters is None else quarters / 4,
        broken=bound.broken,
        note=" ".join(notes),
    )
    return estimate, _room(bound, estimate)


def _contradicted(name: str, reference: str, bound: Bound, notes: Sequence[str]) -> ClockEstimate:
    low, high = bound.low, bound.high
    if bound.later:
        low, high = min(low, bound.later[0]), max(high, bound.later[1])
    return ClockEstimate(
        clock=name,
        reference=reference,
        offset_ns=bound.middle,
        low_ns=low,
        high_ns=high,
        observations=bound.observations,
        basis="; ".join(_WORDS[kind] for kind in bound.kinds),
        contradicted=True,
        broken=bound.broken,
        note=" ".join(notes),
    )


def _reference(name: str, notes: Sequence[str]) -> ClockEstimate:
    return ClockEstimate(
        clock=name, reference=name, offset_ns=0, low_ns=0, high_ns=0, observations=0,
        basis="the reference: the clock that most others agree with", contradicted=bool(notes),
        note=" ".join(notes),
    )  # fmt: skip


def _untied(name: str, reference: str) -> ClockEstimate:
    return ClockEstimate(
        clock=name, reference=reference, offset_ns=0, low_ns=-FAR, high_ns=FAR, observations=0,
        basis="cannot tell: nothing in the evidence ties this clock to another", tied=False,
    )  # fmt: skip


def _quarrel(at: int, pair: tuple[int, int], bound: Bound, names: Sequence[str]) -> str:
    other = names[pair[0] if pair[1] == at else pair[1]]
    bound = bound if pair[0] == at else bound.turned()
    if bound.step_ns is not None and bound.later is not None:
        middle = (bound.later[0] + bound.later[1]) // 2
        return (
            f"Against {other} it was set: {_seconds(bound.middle)} until {rfc3339(bound.step_ns, _SECOND)}, "
            f"{_seconds(middle)} from then on."
        )
    return (
        f"Against {other} the ties disagree: {bound.broken} of {bound.observations} deny the offset of most."
    )


def _seconds(offset_ns: int) -> str:
    return f"{offset_ns / _SECOND:+.3f} s"


def _room(bound: Bound, estimate: ClockEstimate) -> tuple[int, int]:
    """Give the least and greatest offset that the order has to reckon with."""
    if estimate.zone_hours is not None:
        named = round(estimate.zone_hours * 4) * QUARTER
        return min(named - _HOUR // 60, 0), max(named + _HOUR // 60, 0)
    if bound.later is not None:
        return min(bound.low, bound.later[0], 0), max(bound.high, bound.later[1], 0)
    if estimate.applied:
        return bound.low, bound.high
    # A bound of minutes says little of a clock that nothing speaks against.
    close = bound.two_sided and not estimate.contradicted and _CLOSE.issuperset(bound.kinds)
    return (min(bound.low, 0), max(bound.high, 0)) if close else (0, 0)


def _windows(
    clock: NDArray[np.int64], placed: Placed, speaks: NDArray[np.bool_], count: int
) -> list[tuple[int, int]]:
    """Give the first and last time per clock; of one that stamped no row, a window that meets none."""
    use = placed.timed & speaks
    first, last = np.full(count, np.iinfo(np.int64).max), np.full(count, np.iinfo(np.int64).min)
    np.minimum.at(first, clock[use], placed.time[use])
    np.maximum.at(last, clock[use], placed.time[use])
    return list(zip(first.tolist(), last.tolist(), strict=True))


def _bases(events: pa.Table, of: NDArray[np.int64], count: int) -> list[frozenset[str]]:
    """Give per unit how its times were arrived at."""
    encoded = events["time_basis"].combine_chunks().cast("string").dictionary_encode()
    names = encoded.dictionary.to_pylist()
    held = np.zeros((count, len(names)), np.bool_)
    held[of, np.asarray(pc.fill_null(encoded.indices, 0))] = True
    return [frozenset(name for name, some in zip(names, row, strict=True) if some) for row in held.tolist()]
