"""Levels that people name, measured: share of failed requests, duration quantiles, cache hit ratio.

Each is measured on spans or series within a window, for one component or at the border of the system, and
comes with what shows it: up to two event ids, or series as `series:ID`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from incident_pipeline.signals.metric_kind import MetricKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from incident_pipeline.signals.view import View
    from incident_pipeline.timeline.claim_grammar import Said

_SECOND: Final = 1_000_000_000
_HIT: Final = frozenset({"hit", "hits"})


@dataclass(frozen=True)
class Level:
    """A measured level in the unit that was claimed, in words, and what shows it."""

    value: float
    shown: str
    evidence: tuple[str, ...]


def level(said: Said, about: str | None, start: int, end: int, view: View) -> Level | None:
    """Measure what a statement names within start <= time < end; None where nothing held measures it."""
    percent = said.unit in ("%", "percent")
    if said.measure == "hits" and percent:
        return hit_ratio(view, about, start, end)
    spans = view.spans
    inside = ~spans.reference & (spans.start >= start) & (spans.start < end) & ~spans.outbound
    if about is None:
        inside &= spans.parent < 0
    elif about in spans.service.names:
        inside &= spans.service.codes == spans.service.names.index(about)
    else:
        return None
    rows = np.flatnonzero(inside)
    where = f" of {about}" if about else " at the border"
    if len(rows) and said.measure == "errors" and percent:
        failed = rows[spans.failed[rows]]
        share = round(100 * len(failed) / len(rows), 6)
        shown = f"{len(failed):,} of {len(rows):,} requests{where} failed ({share:.1f} %)"
        return Level(share, shown, _ids(view, failed[:2] if len(failed) else rows[:1]))
    if len(rows) and said.measure == "latency" and said.unit.startswith(("m", "s")):
        quantile = said.quantile or 0.5
        seconds = float(np.quantile(spans.duration[rows], quantile)) / _SECOND
        value = round(seconds * (1_000 if said.unit.startswith("m") else 1), 6)
        shown = f"the {quantile:.2f} quantile of {len(rows):,} requests{where} is {seconds:.3f} s"
        return Level(value, shown, _ids(view, rows[:1]))
    return None


def hit_ratio(view: View, about: str | None, start: int, end: int) -> Level | None:
    """Measure the share of hits, in per cent, where a metric tells hits from the rest by a label."""
    families: dict[tuple[str, str], list[tuple[bool, float, tuple[str, ...]]]] = {}
    for series, kind in view.series:
        inside = series.incident.between(start, end)
        if about in (None, series.component) and len(inside) and kind is not MetricKind.STATE:
            hit = any(value.lower() in _HIT for _, value in series.labels)
            entry = (hit, float(np.mean(inside.values)), series.series_ids)
            families.setdefault((series.component or "", series.name), []).append(entry)
    for (component, _), parts in sorted(families.items()):
        total = sum(value for _, value, _ in parts)
        if total > 0 and {hit for hit, _, _ in parts} == {True, False}:
            share = round(100 * sum(value for hit, value, _ in parts if hit) / total, 6)
            shown = f"{share:.1f} % of what {component or 'the cache'} was asked for were hits"
            ids = tuple(f"series:{name}" for _, _, names in parts for name in names)
            return Level(share, shown, ids[:4])
    return None


def _ids(view: View, spans: NDArray[np.int64]) -> tuple[str, ...]:
    ids = view.tables.events["event_id"]
    return tuple(ids[int(row)].as_py() for row in view.spans.row[spans])
