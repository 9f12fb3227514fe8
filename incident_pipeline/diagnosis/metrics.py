"""Metrics that left their baseline: robust z with a noise floor pooled over components.

A series is compared with its calm reference and with the minutes before the onset together: what
drifted already is no anomaly. The spread of a nearly constant series says nothing, so a floor taken
over all components that report the same metric stands under it. Resource metrics that follow the
traffic are judged against what the traffic accounts for. Resource metrics speak for a component's own
state; latency, error and success metrics are symptoms that the graph may explain away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from incident_pipeline.diagnosis.finding import Finding, SamplePlace, shown, strongest
from incident_pipeline.signals.metric_kind import MetricKind, grows_with_waiting
from incident_pipeline.signals.statistics import spread

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from incident_pipeline.model.hypothesis import ReasonTerm
    from incident_pipeline.signals.series import Series
    from incident_pipeline.signals.view import View

DEAD_ZONE: Final = 6.0
SATURATES: Final = 60.0
WHISPER: Final = 0.02
_FLOOR_SHARE: Final = 0.02
_UPPER: Final = 0.75
_HABIT: Final = 3.0
"""A stray that the calm period shows itself counts as this many spreads."""
_OUTLYING: Final = 1_000.0
"""Times the lower median of its peers: beyond, a value is left out of their common floor."""
_ABSURD: Final = 1e21
"""No instrument gives more: nanoseconds since 1970 and bytes of a data centre lie below."""
_LOCAL_NS: Final = 10 * 60 * 1_000_000_000
_MIN_BASELINE: Final = 3
_MAX_LOAD: Final = 10.0
_FALLS: Final = frozenset({MetricKind.SUCCESS})
_EITHER: Final = frozenset({MetricKind.OTHER})
_SCORED: Final = frozenset(
    {MetricKind.RESOURCE, MetricKind.LATENCY, MetricKind.ERRORS, MetricKind.SUCCESS, MetricKind.CONCURRENCY,
     MetricKind.OTHER}
)  # fmt: skip


@dataclass(frozen=True)
class Deviation:
    """How far one series left its baseline, in the direction that means harm for its kind."""

    series: Series
    kind: MetricKind
    z: float
    direction: int
    baseline: float
    observed: float
    peak_ns: int
    first_ns: int
    """The first sample beyond half of the deviation."""
    load: float
    """How much of a rise the traffic accounts for (1: none)."""


@dataclass(frozen=True)
class _Compared:
    series: Series
    kind: MetricKind
    direction: int
    level: float
    scale: float
    observed: float


def score_of(z: float) -> float:
    """Give the strength of a deviation: a whisper up to the dead zone, then logarithmic, 1 at saturation."""
    if z <= DEAD_ZONE:
        # Too little to say anything, but enough to order components that nothing else tells apart.
        return WHISPER * max(0.0, z) / DEAD_ZONE
    span = np.log1p(SATURATES) - np.log1p(DEAD_ZONE)
    return float(min(1.0, WHISPER + (1 - WHISPER) * (np.log1p(z) - np.log1p(DEAD_ZONE)) / span))


def deviations(view: View, traffic: dict[str, float]) -> tuple[Deviation, ...]:
    """Measure every series of a kind that can speak for a component.

    `traffic` is, per component, how many times more work it got than before (1 when unknown).
    """
    compared = [
        item
        for series, kind in view.series
        if kind in _SCORED and series.component is not None
        for item in _compare(view, series, kind, traffic.get(series.component, 1.0))
    ]
    floors = _floors(compared)
    out = []
    for item in compared:
        floor = floors[(item.series.name, item.series.labels)]
        z = item.direction * (item.observed - item.level) / max(float(np.hypot(item.scale, floor)), 1e-12)
        out.append(_located(view, item, max(0.0, z), traffic.get(item.series.component or "", 1.0)))
    return tuple(out)


def metric_findings(measured: tuple[Deviation, ...]) -> list[Finding]:
    """Turn deviations into findings: the strongest resource metric and the strongest symptom each."""
    resource: list[Finding] = []
    symptom: list[Finding] = []
    for item in measured:
        strength = score_of(item.z)
        if strength > 0:
            (resource if item.kind is MetricKind.RESOURCE else symptom).append(_finding(item, strength))
    return [*strongest(resource, per_component=2), *strongest(symptom, per_component=2)]


def _compare(view: View, series: Series, kind: MetricKind, load: float) -> list[_Compared]:
    during = series.incident.between(view.start, view.end).values
    before = view.calm_before()
    local = series.incident.between(before - _LOCAL_NS, before).values
    calm = series.reference.values
    if not len(calm):
        local = series.incident.between(0, before).values
    base = calm if len(calm) >= _MIN_BASELINE else local
    if not len(during) or len(base) < _MIN_BASELINE:
        return []
    levels = [float(np.median(part)) for part in (calm, local) if len(part) >= _MIN_BASELINE]
    # What the calm period does now and then (a nightly job, a collection) is no news in the incident.
    habitual = _habitual(calm if len(calm) >= len(during) + _MIN_BASELINE else base, len(during))
    directions = (-1,) if kind in _FALLS else (1, -1) if kind in _EITHER else (1,)
    out = []
    for direction in directions:
        level = max(levels) if direction > 0 else min(levels)
        scale = max(spread(base), _counting_noise(base, level), habitual[0 if direction > 0 else 1] / _HABIT)
        if kind is MetricKind.RESOURCE and direction > 0 and not grows_with_waiting(series):
            level, scale = level * min(load, _MAX_LOAD), scale * min(load, _MAX_LOAD)
        observed = float(np.quantile(during, _UPPER if direction > 0 else 1 - _UPPER))
        out.append(_Compared(series, kind, direction, level, scale, observed))
    return out


def _counting_noise(values: NDArray[np.float64], level: float) -> float:
    """Give the Poisson noise of a series that counts things; 0 for one that does not."""
    counts = bool(np.all(values == np.round(values)))
    return float(np.sqrt(max(abs(level), 1.0))) if counts else 0.0


def _habitual(values: NDArray[np.float64], length: int) -> tuple[float, float]:
    """Give how far a window of this many samples strays up and down from the median, at most."""
    if len(values) <= length:
        return 0.0, 0.0
    windows = np.lib.stride_tricks.sliding_window_view(values, length)
    middle = float(np.median(values))
    upper = float(np.quantile(windows, _UPPER, axis=1).max()) - middle
    lower = middle - float(np.quantile(windows, 1 - _UPPER, axis=1).min())
    return max(0.0, upper), max(0.0, lower)


def _floors(compared: list[_Compared]) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    groups: dict[tuple[str, tuple[tuple[str, str], ...]], list[_Compared]] = {}
    for item in compared:
        groups.setdefault((item.series.name, item.series.labels), []).append(item)
    return {
        key: max(
            _pooled([item.scale for item in items]),
            _FLOOR_SHARE * _pooled([abs(item.observed) for item in items]),
            _FLOOR_SHARE * _pooled([abs(item.level) for item in items]),
        )
        for key, items in groups.items()
    }


def _pooled(values: list[float]) -> float:
    """Give the median of what the components show, leaving out values that no peer comes near.

    A median of two or three is at the mercy of one of them: a broken exporter must not hide its peers.
    """
    usable = sorted(value for value in values if value < _ABSURD)
    if not usable:
        return 0.0
    lower = usable[(len(usable) - 1) // 2]
    return float(np.median([value for value in usable if lower <= 0 or value <= _OUTLYING * lower]))


def _located(view: View, item: _Compared, z: float, load: float) -> Deviation:
    part = item.series.incident.between(view.start, view.end)
    signed: NDArray[np.float64] = item.direction * (part.values - item.level)
    peak = int(np.argmax(signed))
    half = np.flatnonzero(signed >= 0.5 * signed[peak])
    return Deviation(
        series=item.series,
        kind=item.kind,
        z=z,
        direction=item.direction,
        baseline=item.level,
        observed=item.observed,
        peak_ns=int(part.times[peak]),
        first_ns=int(part.times[half[0]]) if len(half) else int(part.times[peak]),
        load=load if item.kind is MetricKind.RESOURCE else 1.0,
    )


def _finding(item: Deviation, strength: float) -> Finding:
    rose = "rose to" if item.direction > 0 else "fell to"
    unit = item.series.unit or ""
    allowed = f", allowing for {item.load:.1f} times the traffic" if item.load > 1.05 else ""  # noqa: PLR2004
    term: ReasonTerm = "resource" if item.kind is MetricKind.RESOURCE else "symptom_metric"
    return Finding(
        component=item.series.component or "",
        term=term,
        strength=strength,
        detail=(
            f"{shown(item.series.title)} {rose} {item.observed:.4g}{unit and ' ' + unit} from a baseline of "
            f"{item.baseline:.4g}: {min(item.z, 9999):.1f} times its usual spread{allowed}."
        ),
        baseline=item.baseline,
        observed=item.observed,
        unit=item.series.unit,
        fault_class="resource" if term == "resource" else None,
        facts={
            "series_id": item.series.series_ids[0] if item.series.series_ids else None,
            "metric": item.series.name,
            "metric_kind": str(item.kind),
            "direction": item.direction,
            "z": item.z,
            "first_ns": item.first_ns,
            "peak_ns": item.peak_ns,
            "is_rate": item.series.is_rate,
        },
        places=tuple(
            SamplePlace(item.series.series_ids, time) for time in sorted({item.first_ns, item.peak_ns})
        ),
    )
