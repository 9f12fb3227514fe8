"""When the incident began: an interval inferred from telemetry.

An alert comes late by its evaluation period and its hold time, so its time is an upper bound and a
hint, never the onset. Every measurement that deviates from its baseline around the alert says when its
own deviation began; the onset is a low quantile over those, each component having one voice, and the
interval spans from the last calm measurement before it to the middle of the votes. Analyses that take
the onset must be flat around the true value, since no onset can be finer than the scrape. Log records
vote where nothing else deviates, each component from the first telling record of its deviating stretch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from incident_pipeline.signals.metric_kind import MetricKind
from incident_pipeline.signals.statistics import extent, group_quantiles, spread, weighted_quantile

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
_SATURATES: Final = 60.0
_MIN_BASELINE: Final = 4
_MIN_SPANS_PER_BIN: Final = 2
_SPANS_PER_BIN: Final = 8
_RELATIVE_FLOOR: Final = 0.05
_SLOWER: Final = 0.08
"""Noise floor of a mean log duration: deviating means slower by half at least."""
_FAILING: Final = 0.02
"""Noise floor of a share of failing spans: deviating means one in eight at least."""
_EARLY: Final = 0.25
_CALM_PART: Final = 0.4
_BINS: Final = 120


@dataclass(frozen=True)
class Onset:
    """The onset in UTC nanoseconds, how far it could lie to either side, and the votes it rests on."""

    estimate: int
    earliest: int
    latest: int
    components: int
    """How many components deviated around the alert."""
    inferred: bool
    """False when nothing deviated and the alert time is all there is."""


@dataclass(frozen=True)
class _Track:
    component: str
    times: NDArray[np.int64]
    values: NDArray[np.float64]
    calm: NDArray[np.float64]
    local: NDArray[np.float64] | None
    """The early part of the incident's own samples, when `calm` comes from another period."""
    minimum_step: float


def find_onset(
    spans: Spans,
    series: tuple[tuple[Series, Kind], ...],
    alert_ns: int | None,
    logs: LogSigns | None = None,
) -> Onset | None:
    """Estimate the onset; None when there is neither an alert nor anything that deviates."""
    votes = _votes([*_metric_tracks(series, alert_ns), *_span_tracks(spans, alert_ns)], alert_ns)
    if not votes and logs is not None:
        votes = _votes(list(_log_tracks(logs, alert_ns)), alert_ns)
    if not votes:
        return None if alert_ns is None else Onset(alert_ns, alert_ns, alert_ns, 0, inferred=False)
    starts: list[float] = []
    before: list[float] = []
    weights: list[float] = []
    for _, own in sorted(votes.items()):
        total = sum(weight for _, _, weight in own)
        for last_calm, start, weight in own:
            starts.append(start)
            before.append(last_calm)
            weights.append(weight / total * max(w for _, _, w in own))
    estimate = int(weighted_quantile(starts, weights, _EARLY))
    latest = int(max(estimate, weighted_quantile(starts, weights, 0.5)))
    calm = [b for b, s in zip(before, starts, strict=True) if s >= estimate and b <= estimate]
    earliest = int(max(calm)) if calm else estimate
    return Onset(estimate, min(earliest, estimate), latest, len(votes), inferred=True)


def _votes(tracks: list[_Track], alert_ns: int | None) -> dict[str, list[tuple[int, int, float]]]:
    votes: dict[str, list[tuple[int, int, float]]] = {}
    for track in tracks:
        vote = _begin_of_deviation(track, alert_ns)
        if vote is not None:
            votes.setdefault(track.component, []).append(vote)
    return votes


def _metric_tracks(series: tuple[tuple[Series, Kind], ...], alert_ns: int | None) -> Iterator[_Track]:
    for one, kind in series:
        if one.component is None or kind in (MetricKind.STATE, MetricKind.HOST, MetricKind.TRAFFIC):
            continue
        calm = _calm_values(one.incident, one.reference, alert_ns)
        if calm is not None and len(one.incident):
            early = _early_part(one.incident.times, alert_ns)
            local = one.incident.values[:early] if early >= _MIN_BASELINE else None
            yield _Track(one.component, one.incident.times, one.incident.values, calm, local, 0.0)


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


def _span_tracks(spans: Spans, alert_ns: int | None) -> Iterator[_Track]:
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
        for values, step in ((slowness, _SLOWER), (spans.failed.astype(np.float64), _FAILING)):
            moments, means = _binned(spans.start[seen], values[seen], width)
            if len(base):
                _, calm_means = _binned(spans.start[base], values[base], width)
            else:
                calm_means = means[: _early_part(moments, alert_ns)]
            if len(moments) and len(calm_means) >= _MIN_BASELINE:
                yield _Track(spans.service.names[service], moments, means, calm_means, None, step)


def _log_tracks(logs: LogSigns, alert_ns: int | None) -> Iterator[_Track]:
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
            yield _Track(name, begins, means, calm_means, None, _FAILING)


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


def _begin_of_deviation(track: _Track, alert_ns: int | None) -> tuple[int, int, float] | None:
    """Give the last calm time, the begin, and the weight of the deviating run nearest the alert."""
    z = _deviation(track, track.calm)
    if track.local is not None:
        # What already differed from the calm period long before the alert is drift, not the incident.
        z = np.minimum(z, _deviation(track, track.local))
    above = np.flatnonzero(z > DEVIATES)
    if not len(above):
        return None
    step = int(np.median(np.diff(track.times))) if len(track.times) > 1 else 0
    # Runs may have single gaps; the one that counts is alive at the alert, or begins right after it.
    breaks = np.flatnonzero(np.diff(track.times[above]) > 2.5 * step)
    begins = above[np.concatenate([[0], breaks + 1])]
    ends = above[np.concatenate([breaks, [len(above) - 1]])]
    alert = int(track.times[-1]) if alert_ns is None else alert_ns
    slack = max(2 * step, 10 * _SECOND)
    alive = (track.times[begins] <= alert + slack) & (track.times[ends] >= alert - slack)
    if not alive.any():
        return None
    run = int(np.flatnonzero(alive)[0])
    begin = int(begins[run])
    peak = float(z[begin : int(ends[run]) + 1].max())
    weight = min(1.0, np.log1p(peak) / np.log1p(_SATURATES))
    start = int(track.times[begin])
    last_calm = int(track.times[begin - 1]) if begin else start - step
    return last_calm, start, float(weight)


def _deviation(track: _Track, baseline: NDArray[np.float64]) -> NDArray[np.float64]:
    middle = float(np.median(baseline))
    scale = np.hypot(spread(baseline), max(_RELATIVE_FLOOR * abs(middle), track.minimum_step, 1e-12))
    return np.asarray(np.abs(track.values - middle) / scale, dtype=np.float64)
