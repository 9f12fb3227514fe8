"""Say in a sentence how the requests of one operation and one metric went, calm and incident apart.

Figures are rounded to what people read, so they are for finding and reading, not for checking: checks
go back to the samples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from incident_pipeline.signals.series import read_series
from incident_pipeline.signals.spans import read_spans
from incident_pipeline.timeline import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from incident_pipeline.signals.series import Series
    from incident_pipeline.signals.tables import IncidentTables

_MILLISECOND: Final = 1_000_000
_CALM_SHARE: Final = 4
"""Without a reference, the first quarter of the time that all metrics cover stands for the calm."""


def operation_texts(tables: IncidentTables) -> Iterator[tuple[int, str | None, str]]:
    """Give (row of an example in the event table, service, text) per service and operation.

    The example is the slowest failing span, else the slowest.
    """
    spans = read_spans(tables)
    for code, label in enumerate(spans.operation.names):
        of_operation = spans.operation.codes == code
        held = np.flatnonzero(of_operation & ~spans.reference)
        if not held.size:
            continue
        service, _, name = label.partition("\t")
        failed = held[spans.failed[held]]
        text = f"{service} spans {name}: {held.size:,} in the incident, {failed.size:,} failed, "
        text += _durations(spans.duration[held])
        calm = np.flatnonzero(of_operation & spans.reference)
        if calm.size:
            text += f"; in calm times {spans.failed[calm].sum():,} of {calm.size:,} failed, "
            text += _durations(spans.duration[calm])
        candidates = failed if failed.size else held
        # Spans come in canonical order, so the first of the slowest is always the same.
        example = candidates[np.argmax(spans.duration[candidates])]
        yield int(spans.row[example]), service or None, text


def metric_texts(tables: IncidentTables) -> Iterator[tuple[str, str | None, int | None, str]]:
    """Give (series id, service, time of the extreme in UTC nanoseconds, text) per metric of the incident."""
    held = [series for series in read_series(tables) if series.series_ids]
    edges = [int(series.incident.times[at]) for series in held if len(series.incident) for at in (0, -1)]
    calm_end = min(edges) + (max(edges) - min(edges)) // _CALM_SHARE if edges else 0
    for series in held:
        subject = f"metric {series.title}" + (f" of {series.component}" if series.component else "")
        at, text = _course(series, calm_end)
        yield series.series_ids[0], series.component, at, f"{subject}: {text}"


def _course(series: Series, calm_end: int) -> tuple[int | None, str]:
    held = series.incident
    if not len(held):
        return None, "no samples in the incident"
    unit = "/s" if series.is_rate else f" {series.unit}" if series.unit else ""
    low, high = float(held.values.min()), float(held.values.max())
    if low == high:
        return int(held.times[0]), f"constant {low:.6g}{unit} over {len(held):,} samples"
    calm, baseline = _calm(series, calm_end, unit)
    far = int(np.argmax(np.abs(held.values - calm)))
    at, word = int(held.times[far]), "peak" if held.values[far] >= calm else "low"
    return at, (
        f"{baseline}, {word} {held.values[far]:.6g}{unit} at {rfc3339(at, _MILLISECOND)}, "
        f"from {low:.6g} to {high:.6g}{unit}, last {held.values[-1]:.6g}{unit}"
    )


def _calm(series: Series, calm_end: int, unit: str) -> tuple[float, str]:
    """Give the usual value and how it is known; a series that is not there yet counts from zero."""
    early = series.incident.values[series.incident.times < calm_end]
    values, word = (
        (series.reference.values, "median of the calm period")
        if len(series.reference)
        else (early, "median of the first quarter")
    )
    if not len(values):
        return 0.0, "no samples in the first quarter"
    calm = float(np.median(values))
    return calm, f"baseline {calm:.6g}{unit} ({word})"


def _durations(nanoseconds: NDArray[np.int64]) -> str:
    ordered = np.sort(nanoseconds)
    p50, p95 = (ordered[_nearest(ordered.size, share)] / _MILLISECOND for share in (50, 95))
    return f"p50 {p50:.1f} ms, p95 {p95:.1f} ms"


def _nearest(count: int, percent: int) -> int:
    """Give the index of a percentile by the nearest-rank method."""
    return max(0, -(-count * percent // 100) - 1)
