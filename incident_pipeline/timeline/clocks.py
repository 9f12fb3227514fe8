"""Which clock stamped a row: one clock per host and, where no host is known, per artifact and emitter.

A row is first put down to a *unit*: what one emitter wrote into one artifact. Units of one host share
that host's clock, unless records that hang together say otherwise: then the artifact was stamped by another
clock, or its zone was misread, and the unit stands as a clock of its own. What ties units to each other is
`ties`; how far clocks are apart is `skew`.
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
    from collections.abc import Collection, Iterable, Sequence

    from numpy.typing import NDArray

_EMITTED: Final = (Kind.LOG, Kind.SPAN, Kind.SPAN_EVENT)
"""Kinds whose host and service are who wrote the record. An alert's service is what it is about."""

_FEW_PAIRS: Final = 1 << 22
"""Up to here a table of all pairs is cheaper than sorting the rows."""


@dataclass(frozen=True)
class Unit:
    """What one emitter wrote into one artifact; `host` and `service` are empty where none is known."""

    uri: str
    sha256: str
    host: str
    service: str
    records: int
    spans: int
    alone: bool
    """Whether the artifact holds no other unit."""
    step_ns: int
    """The unit most of its stamps are written to, in nanoseconds."""


@dataclass(frozen=True)
class Units:
    """Per row of the event table the index of its unit, and the units in order of artifact and emitter."""

    of: NDArray[np.int64]
    units: tuple[Unit, ...]


@dataclass(frozen=True)
class Clocks:
    """The clocks: per unit the index of its clock, and per clock its name and its units."""

    of_unit: NDArray[np.int64]
    names: tuple[str, ...]
    is_host: tuple[bool, ...]
    members: tuple[tuple[int, ...], ...]


def find_units(events: pa.Table, unit_ns: NDArray[np.int64]) -> Units:
    """Put every row down to its unit.

    Args:
        events: the event table.
        unit_ns: per row, the length of the interval its stamp stands for.
    """
    rows = events.num_rows
    if not rows:
        return Units(np.zeros(0, np.int64), ())
    emitted = pc.is_in(events["kind"].combine_chunks(), pa.array([kind.value for kind in _EMITTED]))
    host = _emitter(events, "host", emitted)
    service = pc.if_else(pc.equal(host, ""), _emitter(events, "service", emitted), "")
    of = ranks(events["artifact_sha256"])
    # Ranks keep the order of digest and names, so that numbers depend on no order of rows.
    for names in (host, service):
        of = _narrowed(of, ranks(pa.chunked_array([names])))
    _, first = np.unique(of, return_index=True)
    count = first.size
    artifact = ranks(events["artifact_sha256"])[first]
    spans = booleans(pc.equal(events["kind"], Kind.SPAN.value))
    records = np.bincount(of, minlength=count)
    span_count = np.bincount(of[spans], minlength=count)
    picked = pa.array(first)
    columns = (
        events["artifact_uri"].combine_chunks().take(picked).to_pylist(),
        events["artifact_sha256"].combine_chunks().take(picked).to_pylist(),
        host.take(picked).to_pylist(),
        service.take(picked).to_pylist(),
    )
    alone = np.bincount(artifact, minlength=int(artifact.max(initial=0)) + 1)[artifact] == 1
    steps = _usual(of, unit_ns, count)
    units = tuple(
        Unit(uri, sha, on, by, int(records[at]), int(span_count[at]), bool(alone[at]), int(steps[at]))
        for at, (uri, sha, on, by) in enumerate(zip(*columns, strict=True))
    )
    return Units(of, units)


def join_units(units: Sequence[Unit], apart: Iterable[int], whole: Collection[str] = ()) -> Clocks:
    """Make clocks of units: those of one host share one, but the units in `apart` stand for themselves.

    Those of an artifact whose digest is in `whole` share one clock, that of the artifact.
    """
    away = set(apart)
    names: dict[str, list[int]] = {}
    hosts: set[str] = set()
    for at, unit in enumerate(units):
        if unit.host and at not in away:
            names.setdefault(unit.host, []).append(at)
            hosts.add(unit.host)
        else:
            name = unit.uri if unit.sha256 in whole else _own_name(unit)
            names.setdefault(name, []).append(at)
    ordered = sorted(names)
    of_unit = np.zeros(len(units), np.int64)
    for number, name in enumerate(ordered):
        of_unit[names[name]] = number
    return Clocks(
        of_unit=of_unit,
        names=tuple(ordered),
        is_host=tuple(name in hosts for name in ordered),
        members=tuple(tuple(names[name]) for name in ordered),
    )


def home_units(units: Sequence[Unit]) -> dict[str, int]:
    """Give for each host the unit its clock is known by: the one with most spans, then most records."""
    best: dict[str, int] = {}
    for at, unit in enumerate(units):
        held = best.get(unit.host)
        if unit.host and (held is None or _weight(unit) > _weight(units[held])):
            best[unit.host] = at
    return best


def _weight(unit: Unit) -> tuple[int, int]:
    return unit.spans, unit.records


def _own_name(unit: Unit) -> str:
    emitter = unit.host or unit.service
    return unit.uri if unit.alone or not emitter else f"{unit.uri} {emitter}"


def _emitter(events: pa.Table, column: str, emitted: pa.Array) -> pa.Array:
    names = pc.fill_null(events[column].combine_chunks().cast(pa.string()), "")
    return pc.if_else(emitted, names, "")


def _narrowed(group: NDArray[np.int64], rank: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number the pairs of group and rank densely, in their order."""
    width = int(rank.max(initial=0)) + 1
    pair = group * width + rank
    held = np.flatnonzero(np.bincount(pair)) if pair.max(initial=0) < _FEW_PAIRS else np.unique(pair)
    return np.searchsorted(held, pair)


def _usual(of: NDArray[np.int64], unit_ns: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Give per group its most frequent stamp length, of equally frequent ones the shorter."""
    lengths = np.unique(unit_ns)
    at = np.searchsorted(lengths, unit_ns)
    table = np.zeros((count, lengths.size), np.int64)
    np.add.at(table, (of, at), 1)
    usual: NDArray[np.int64] = lengths[np.argmax(table, axis=1)]
    return usual
