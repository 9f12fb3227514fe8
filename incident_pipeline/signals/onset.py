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

from incident_pipeline.signals.statistics import weighted_quantile
from incident_pipeline.signals.tracks import log_tracks, metric_tracks, run_at, span_tracks

if TYPE_CHECKING:
    from incident_pipeline.signals.log_signs import LogSigns
    from incident_pipeline.signals.metric_kind import MetricKind as Kind
    from incident_pipeline.signals.series import Series
    from incident_pipeline.signals.spans import Spans
    from incident_pipeline.signals.tracks import Track

_SATURATES: Final = 60.0
_EARLY: Final = 0.25


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


def find_onset(
    spans: Spans,
    series: tuple[tuple[Series, Kind], ...],
    alert_ns: int | None,
    logs: LogSigns | None = None,
) -> Onset | None:
    """Estimate the onset; None when there is neither an alert nor anything that deviates."""
    votes = _votes([*metric_tracks(series, alert_ns), *span_tracks(spans, alert_ns)], alert_ns)
    if not votes and logs is not None:
        votes = _votes(list(log_tracks(logs, alert_ns)), alert_ns)
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


def _votes(tracks: list[Track], alert_ns: int | None) -> dict[str, list[tuple[int, int, float]]]:
    votes: dict[str, list[tuple[int, int, float]]] = {}
    for track in tracks:
        vote = _begin_of_deviation(track, alert_ns)
        if vote is not None:
            votes.setdefault(track.component, []).append(vote)
    return votes


def _begin_of_deviation(track: Track, alert_ns: int | None) -> tuple[int, int, float] | None:
    """Give the last calm time, the begin, and the weight of the deviating run nearest the alert."""
    z = track.z()
    runs = track.runs(z)
    run = run_at(track, runs, alert_ns)
    if run is None:
        return None
    begin, end = runs[run].tolist()
    weight = min(1.0, np.log1p(float(z[begin : end + 1].max())) / np.log1p(_SATURATES))
    start = int(track.times[begin])
    last_calm = int(track.times[begin - 1]) if begin else start - track.step
    return last_calm, start, float(weight)
