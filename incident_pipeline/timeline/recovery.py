"""How long measurements deviated, and when they came back: what recovery and mitigation rest on.

The mirror of the onset (`signals.onset`): every measurement that deviates says when its own deviation
ended; each component has one voice, and a measurement counts by the share of the time that it deviated.
A rate over a window goes on deviating for the length of the window, so a window that the series names
(`[5s]`, as PromQL writes it) is taken off. While alerts come and go it is one episode; after that, a
relapse belongs to it that comes sooner than half the time it had lasted and is more than one sample.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from incident_pipeline.signals.metric_kind import MetricKind
from incident_pipeline.signals.statistics import weighted_quantile
from incident_pipeline.signals.tracks import (
    FAILURES,
    SIGNS,
    SLOWNESS,
    log_tracks,
    metric_tracks,
    run_at,
    span_tracks,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from incident_pipeline.signals.tracks import Track
    from incident_pipeline.signals.view import View

_SECOND: Final = 1_000_000_000
FELT: Final = frozenset(
    {FAILURES, SLOWNESS, MetricKind.ERRORS.value, MetricKind.LATENCY.value, MetricKind.SUCCESS.value}
)
"""What users feel; resources may stay changed after the service is back."""
_WINDOW: Final = re.compile(r"\[(\d{1,6})(ms|s|m|h)\]")
_UNITS: Final = {"ms": 1_000_000, "s": _SECOND, "m": 60 * _SECOND, "h": 3_600 * _SECOND}
_RELAPSE: Final = 0.5
_STEADY: Final = 0.5
"""A measurement that deviates for less than this share of its episode says little about its end."""
CALM_SAMPLES: Final = 3
"""Calm samples that have to follow before a measurement counts as back."""
_PEAK: Final = 1_000.0


@dataclass(frozen=True)
class Episode:
    """How long one measurement deviated. Times are UTC nanoseconds."""

    track: Track
    start: int
    last: int
    """The last deviating sample."""
    calm: int | None
    """The first sample of lasting calm after it; None where the evidence ends before."""
    covered: float
    """Share of the samples from the onset to the last deviating one that deviate, 0 to 1."""
    peak: float

    @property
    def ended(self) -> int:
        """Give when the deviation ended, the window of a rate taken off."""
        return max(self.start, self.last - window(self.track))

    @property
    def felt(self) -> bool:
        """Say whether users feel what is measured."""
        return self.track.measures in FELT


@dataclass(frozen=True)
class Ending:
    """When something ended: best estimate and bounds in UTC nanoseconds, and how many components say so."""

    estimate: int
    earliest: int
    latest: int
    components: tuple[str, ...]


def episodes(view: View, alerting_until: int | None = None) -> tuple[Episode, ...]:
    """Give the episode of every measurement that deviates around the incident, by begin.

    `alerting_until` is the time of the last alert, firing or resolved: until then all runs are one episode.
    """
    if view.onset is None or not view.onset.inferred:
        return ()
    onset = view.onset.earliest
    until = max(onset, alerting_until or onset)
    found = (_episode(track, onset, view.alert_ns, until) for track in _tracks(view))
    return tuple(
        sorted(
            (episode for episode in found if episode is not None),
            key=lambda e: (e.start, e.track.component, e.track.measures, title(e.track)),
        )
    )


def improvement(found: Iterable[Episode]) -> Ending | None:
    """Estimate when things began to get better: the middle of the ends, each component having one voice.

    None when half of what deviates still does when the evidence ends.
    """
    everything = tuple(found)
    # A measurement that deviates now and then says little about when it stopped.
    steady = [e for e in everything if e.covered >= _STEADY] or list(everything)
    by_component: dict[str, list[Episode]] = {}
    for episode in steady:
        by_component.setdefault(episode.track.component, []).append(episode)
    weighted = [
        (episode, episode.covered / sum(e.covered for e in own))
        for _, own in sorted(by_component.items())
        for episode in own
    ]
    weights = [weight for _, weight in weighted]
    # What still deviates when the evidence ends has its end beyond any time.
    ends = [float(e.ended) if e.calm is not None else np.inf for e, _ in weighted]
    if not weights or np.isinf(middle := weighted_quantile(ends, weights, 0.5)):
        return None
    calm = [float(e.calm) if e.calm is not None else np.inf for e, _ in weighted]
    late = weighted_quantile(calm, weights, 0.75)
    latest = late if np.isfinite(late) else max(value for value in calm if np.isfinite(value))
    return Ending(
        estimate=int(middle),
        earliest=min(int(middle), int(weighted_quantile(ends, weights, 0.25))),
        latest=max(int(middle), int(latest)),
        components=tuple(sorted({e.track.component for e, _ in weighted if e.calm is not None})),
    )


def restoration(found: Iterable[Episode]) -> Ending | tuple[Episode, ...]:
    """Estimate when everything was back; else give the episodes that had not ended with the evidence."""
    everything = tuple(found)
    felt = tuple(e for e in everything if e.felt) or everything
    going_on = tuple(e for e in felt if e.calm is None)
    if going_on or not felt:
        return going_on
    final = max(felt, key=lambda e: (e.ended, e.track.component, e.track.measures))
    calm = max(episode.calm or 0 for episode in felt)
    return Ending(
        estimate=min(final.ended + max(final.track.step, final.track.width), calm),
        earliest=final.ended,
        latest=calm,
        components=tuple(sorted({e.track.component for e in felt})),
    )


def window(track: Track) -> int:
    """Give the window that a series is computed over, in nanoseconds; 0 where it names none."""
    named = _WINDOW.search(track.series.name) if track.series is not None else None
    return int(named[1]) * _UNITS[named[2]] if named else 0


def title(track: Track) -> str:
    """Name what a track measures."""
    if track.series is not None:
        return track.series.title
    words = {
        FAILURES: "share of failing spans",
        SLOWNESS: "duration of spans against their usual",
        SIGNS: "share of error and newly recurring log records",
    }
    return words[track.measures]


def peak(z: NDArray[np.float64]) -> float:
    """Give the largest deviation, capped: beyond that it only says that the calm did not vary."""
    return round(float(min(z.max(initial=0.0), _PEAK)), 6)


def _tracks(view: View) -> Iterator[Track]:
    yield from metric_tracks(view.series, view.alert_ns)
    yield from span_tracks(view.spans, view.alert_ns)
    yield from log_tracks(view.logs, view.alert_ns)


def _episode(track: Track, onset: int, alert_ns: int | None, alerting: int) -> Episode | None:
    z = track.z()
    runs = track.runs(z)
    runs = runs[track.times[runs[:, 1]] >= onset]
    if not len(runs):
        return None
    begins, ends = track.times[runs[:, 0]], track.times[runs[:, 1]]
    single = runs[:, 0] == runs[:, 1]
    first = run_at(track, runs, alert_ns)
    if first is None and (begins[0] > alerting or single[0]):
        return None
    if single.all() and len(runs) == 1 and first is None:
        return None
    final = first or 0
    for other in range(final + 1, len(runs)):
        soon = begins[other] - ends[final] <= _RELAPSE * max(0, int(ends[final]) - onset)
        if begins[other] <= alerting or (soon and not single[other]):
            final = other
    # Runs between onset and alert are the same trouble, as runs while alerts come and go are.
    begin, end = int(runs[0, 0]), int(runs[final, 1])
    deviating = int(sum(e - b + 1 for b, e in runs[: final + 1].tolist()))
    since = min(begin, int(np.searchsorted(track.times, onset)))
    return Episode(
        track=track,
        start=int(track.times[begin]),
        last=int(track.times[end]),
        calm=int(track.times[end + 1]) if len(z) - end > CALM_SAMPLES else None,
        covered=round(deviating / (end + 1 - since), 6),
        peak=peak(z[begin : end + 1]),
    )
