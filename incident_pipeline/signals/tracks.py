"""What can deviate: measurements of components over time, each beside its calm, and the runs that do.

A track is one measurement: a series, the share of failing spans, how slow spans are, or the share of
telling log records, per bin of time. Deviation is counted in robust standard deviations from the calm.
The onset (`onset.py`) reads where runs begin; the timeline also reads where they end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from incident_pipeline.signals.metric_kind import MetricKind
from incident_pipeline.signals.statistics import extent, group_quantiles, spread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from incident_pipeline.signals.log_signs import LogSigns
    from incident_pipeline.signals.metric_kind import MetricKind as Kind
    from incident_pipeline.signals.series import Samples, Series
    from incident_pipeline.signals.spans import Spans

_SECOND: Final = 1_000_000_000
DEVIATES: Final = 6.0
"""Robust standard deviations beyond which a single sample counts as deviating."""
_MIN_BASELINE: Final = 4
_MIN_SPANS_PER_BIN: Final = 2
_SPANS_PER_BIN: Final = 8
_RELATIVE_FLOOR: Final = 0.05
_SLOWER: Final = 0.08
"""Noise floor of a mean log duration: deviating means slower by half at least."""
_FAILING: Final = 0.02
"""Noise floor of a share of failing spans: deviating means one in eight at least."""
_CALM_PART: Final = 0.4
_BINS: Final = 120

SLOWNESS: Final = "slowness"
FAILURES: Final = "failures"
SIGNS: Final = "signs"
"""What a track of spans or log records measures; one of series has the series' kind."""


@dataclass(frozen=True)
class Track:
    """One measurement of one component: times (UTC ns), values, and what the calm looks like."""

    component: str
    measures: str
    """`SLOWNESS`, `FAILURES` or `SIGNS`, else the kind of the series (`metric_kind.MetricKind`)."""
    times: NDArray[np.int64]
    values: NDArray[np.float64]
    calm: NDArray[np.float64]
    local: NDArray[np.float64] | None
    """The early part of the incident's own samples, when `calm` comes from another period."""
    minimum_step: float
    width: int = 0
    """Length of a bin in nanoseconds; 0 where a sample is a moment."""
    series: Series | None = None

    @property
    def step(self) -> int:
        """The usual time between two samples in nanoseconds."""
        return int(np.median(np.diff(self.times))) if len(self.times) > 1 else 0

    def z(self) -> NDArray[np.float64]:
        """Give how far each sample lies from the calm, in robust standard deviations."""
        z = _deviation(self, self.calm)
        # What already differed from the calm period long before the alert is drift, not the incident.
        return z if self.local is None else np.minimum(z, _deviation(self, self.local))

    def runs(self, z: NDArray[np.float64]) -> NDArray[np.int64]:
        """Give first and last index of every deviating run, shape (runs, 2). Runs may have single gaps."""
        above = np.flatnonzero(z > DEVIATES)
        if not len(above):
            return np.zeros((0, 2), np.int64)
        breaks = np.flatnonzero(np.diff(self.times[above]) > 2.5 * self.step)
        begins = above[np.concatenate([[0], breaks + 1])]
        ends = above[np.concatenate([breaks, [len(above) - 1]])]
        return np.stack([begins, ends], axis=1)


def run_at(track: Track, runs: NDArray[np.int64], alert_ns: int | None) -> int | None:
    """Give the first run that is alive at the alert or begins right after it, as an index into `runs`."""
    if not len(runs):
        return None
    alert = int(track.times[-1]) if alert_ns is None else alert_ns
    slack = max(2 * track.step, 10 * _SECOND)
    alive = (track.times[runs[:, 0]] <= alert + slack) & (track.times[runs[:, 1]] >= alert - slack)
    return int(np.flatnonzero(alive)[0]) if alive.any() else None


def metric_tracks(series: tuple[tuple[Series, Kind], ...], alert_ns: int | None) -> Iterator[Track]:
    """Give the series that can tell an onset: no state, traffic or host metric, with a calm."""
    for one, kind in series:
        if one.component is None or kind in (MetricKind.STATE, MetricKind.HOST, MetricKind.TRAFFIC):
            continue
        calm = _calm_values(one.incident, one.reference, alert_ns)
        if calm is not None and len(one.incident):
            early = _early_part(one.incident.times, alert_ns)
            local = one.incident.values[:early] if early >= _MIN_BASELINE else None
            yield Track(
                one.component,
                kind.value,
                one.incident.times,
                one.incident.values,
                calm,
                local,
                0.0,
                series=one,
            )


def _calm_values(incident: Samples, reference: Samples, alert_ns: int | None) -> NDArray[np.float64] | None:
    if len(reference) >= _MIN_BASELINE:
        return reference.values
    early = _early_part(incident.times, alert_ns)
    return incident.values[:early] if early >= _MIN_BASELINE else None


def _early_part(times: NDArray[np.int64], alert_ns: int | None) -> int:
    """Give how many samples lie in the first part of the time before the alert."""
    if not len(times):
        return 0
    return int(np.searchsorted(times, _split(times, alert_ns)))


def span_tracks(spans: Spans, alert_ns: int | None) -> Iterator[Track]:
    """Give, per service, the share of failing spans and the typical slowness per bin of time."""
    inside = ~spans.reference
    if not inside.any():
        return
    times = spans.start[inside]
    first, last = extent(times)
    calm = spans.reference if spans.reference.any() else spans.start < _split(times, alert_ns)
    slowness = _slowness(spans, calm)
    known = ~np.isnan(slowness)
    for service in np.unique(spans.service.codes[spans.service.codes >= 0]):
        of_service = known & (spans.service.codes == service)
        seen, base = np.flatnonzero(of_service & inside), np.flatnonzero(of_service & spans.reference)
        if not len(seen):
            continue
        width = _bin_width(spans.start[seen], last - first)
        for measures, values, step in (
            (SLOWNESS, slowness, _SLOWER),
            (FAILURES, spans.failed.astype(np.float64), _FAILING),
        ):
            moments, means = _binned(spans.start[seen], values[seen], width)
            if len(base):
                _, calm_means = _binned(spans.start[base], values[base], width)
            else:
                calm_means = means[: _early_part(moments, alert_ns)]
            if len(moments) and len(calm_means) >= _MIN_BASELINE:
                name = spans.service.names[service]
                yield Track(name, measures, moments, means, calm_means, None, step, width)


def log_tracks(logs: LogSigns, alert_ns: int | None) -> Iterator[Track]:
    """Give, per service, the share of telling records per bin of time."""
    times = logs.own_times()
    if not len(times):
        return
    first, last = extent(times)
    calm = logs.reference if logs.reference.any() else logs.time < _split(times, alert_ns)
    telling = logs.telling(calm)
    for service in np.unique(logs.service.codes):
        of_service = logs.service.codes == service
        seen, base = np.flatnonzero(of_service & ~logs.reference), np.flatnonzero(of_service & logs.reference)
        if not len(seen):
            continue
        width = _bin_width(logs.time[seen], last - first)
        moments, means = _binned(logs.time[seen], telling[seen].astype(np.float64), width)
        if len(base):
            _, calm_means = _binned(logs.time[base], telling[base].astype(np.float64), width)
        else:
            calm_means = means[: _early_part(moments, alert_ns)]
        if len(moments) and len(calm_means) >= _MIN_BASELINE:
            # A record has its own time: a bin that holds telling ones begins with the first of them.
            signs = logs.time[seen[telling[seen]]]
            next_sign = np.append(signs, np.iinfo(np.int64).max)[np.searchsorted(signs, moments)]
            begins = np.where(next_sign < moments + width, next_sign, moments)
            name = logs.service.names[service]
            yield Track(name, SIGNS, begins, means, calm_means, None, _FAILING, width)


def _slowness(spans: Spans, calm: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Give each span's log duration over its operation's calm median; NaN where there is no calm span.

    Relative to the operation's own duration a change in the mix of operations is no change.
    """
    logs = np.log(np.maximum(spans.duration, 1_000))
    medians = group_quantiles(spans.operation.codes[calm], logs[calm], len(spans.operation.names), 0.5)
    return np.asarray(logs - medians[spans.operation.codes], dtype=np.float64)


def _bin_width(starts: NDArray[np.int64], whole: int) -> int:
    """Give a width that puts several spans into a bin: quiet services have coarse onsets."""
    first, last = extent(starts)
    between = (last - first) // max(1, len(starts) - 1)
    return int(np.clip(max(whole // _BINS, _SPANS_PER_BIN * between), _SECOND, 30 * _SECOND))


def _split(times: NDArray[np.int64], alert_ns: int | None) -> int:
    end = times[-1] if alert_ns is None else min(alert_ns, times[-1])
    return int(times[0]) + int(_CALM_PART * max(0, int(end) - int(times[0])))


def _binned(
    starts: NDArray[np.int64], values: NDArray[np.float64], width: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Give the begins and means of the bins, counted from the first start, that hold enough spans."""
    kept, position, sizes = np.unique((starts - starts[0]) // width, return_inverse=True, return_counts=True)
    means = np.bincount(position, weights=values) / sizes
    enough = sizes >= _MIN_SPANS_PER_BIN
    return starts[0] + kept[enough] * width, means[enough]


def _deviation(track: Track, baseline: NDArray[np.float64]) -> NDArray[np.float64]:
    middle = float(np.median(baseline))
    scale = np.hypot(spread(baseline), max(_RELATIVE_FLOOR * abs(middle), track.minimum_step, 1e-12))
    return np.asarray(np.abs(track.values - middle) / scale, dtype=np.float64)
