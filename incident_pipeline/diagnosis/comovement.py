"""Metrics only: who moves with the symptom, and by how much.

Without traces the components that the alerting one depends on are compared through the measurement
that alerts: how far each left its calm level, times the square of its correlation with the symptom in
the incident window. Co-movement tells cause chains from bystanders that deviate on their own. The
graph then explains callers away; Pearson's correlation on few samples is all a coarse scrape offers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from incident_pipeline.diagnosis.finding import Finding, SamplePlace, shown, strongest
from incident_pipeline.signals.metric_kind import MetricKind
from incident_pipeline.signals.statistics import spread

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from incident_pipeline.diagnosis.graph import Graph
    from incident_pipeline.signals.series import Series
    from incident_pipeline.signals.view import View

_SYMPTOMS: Final = frozenset({MetricKind.LATENCY, MetricKind.ERRORS, MetricKind.SUCCESS})
_RELATIVE_FLOOR: Final = 0.05
_POINTS_FLOOR: Final = 0.2
"""Percentage points: availability near 100 % has hardly any spread of its own."""
_MIN_PAIRS: Final = 4
_UPPER: Final = 0.75
_SATURATES: Final = 60.0


def comovement_findings(view: View, graph: Graph) -> list[Finding]:
    """Measure every component at or below the symptom; nothing without an alert that names one."""
    if view.symptom is None or view.symptom not in graph.callees:
        return []
    symptoms = _symptom_series(view)
    if not symptoms:
        return []
    reachable = graph.below(view.symptom) | {view.symptom}
    if len(reachable) == 1:
        reachable = frozenset(graph.components)
    findings = []
    for series, kind in view.series:
        if series.component not in reachable or kind not in _SYMPTOMS:
            continue
        matching = [s for s, k in symptoms if k is kind and _alike(s, series)]
        for symptom in matching[:1]:
            finding = _measure(view, series, kind, symptom)
            if finding is not None:
                findings.append(finding)
    return strongest(findings)


def _symptom_series(view: View) -> list[tuple[Series, MetricKind]]:
    """Give the series that alert: the one the alert names, else the symptom's own latency and errors."""
    own = [
        (s, k) for s, k in view.series if s.component == view.symptom and k in _SYMPTOMS and len(s.incident)
    ]
    alert = view.alerts[0]
    named = [(s, k) for s, k in own if alert.metric == s.name]
    exact = [(s, k) for s, k in named if alert.stat is None or ("stat", alert.stat) in s.labels]
    return exact or named or own


def _alike(symptom: Series, series: Series) -> bool:
    """Say whether two series are the same measurement of two components, or of one family at least."""
    if symptom.name != series.name:
        return symptom.labels == () or not {k for k, _ in symptom.labels} & {k for k, _ in series.labels}
    return dict(symptom.labels).get("stat") == dict(series.labels).get("stat")


def _measure(view: View, series: Series, kind: MetricKind, symptom: Series) -> Finding | None:
    during = series.incident.between(view.start, view.end)
    before = series.incident.between(0, view.calm_before())
    calm = series.reference.values if len(series.reference) >= _MIN_PAIRS else before.values
    if not len(during) or not len(calm):
        return None
    direction = -1 if kind is MetricKind.SUCCESS else 1
    middle = float(np.median(calm))
    floor = _POINTS_FLOOR if kind is MetricKind.SUCCESS else _RELATIVE_FLOOR * abs(middle)
    scale = max(spread(calm), floor, 1e-9)
    observed = float(np.quantile(during.values, _UPPER if direction > 0 else 1 - _UPPER))
    z = max(0.0, direction * (observed - middle) / scale)
    together = 1.0 if series is symptom else _correlation(series, symptom)
    strength = min(1.0, float(np.log1p(z) / np.log1p(_SATURATES))) * max(0.0, together) ** 2
    if strength <= 0:
        return None
    peak = int(during.times[np.argmax(direction * during.values)])
    rose = "rose to" if direction > 0 else "fell to"
    return Finding(
        component=series.component or "",
        term="symptom_metric",
        strength=strength,
        detail=(
            f"{shown(series.title)} {rose} {observed:.4g} from a baseline of {middle:.4g} "
            f"({min(z, 9999):.1f} times its usual spread), "
            f"moving with {symptom.name} of {symptom.component} (correlation {together:.2f})."
        ),
        baseline=middle,
        observed=observed,
        unit=series.unit,
        fault_class=None,
        facts={
            "series_id": series.series_ids[0] if series.series_ids else None,
            "symptom_series_id": symptom.series_ids[0] if symptom.series_ids else None,
            "metric": series.name,
            "metric_kind": str(kind),
            "direction": direction,
            "z": z,
            "correlation": together,
            "peak_ns": peak,
        },
        places=(SamplePlace(series.series_ids, peak),),
    )


def _correlation(series: Series, symptom: Series) -> float:
    """Give Pearson's correlation of the two over the incident's samples, 0 where it can't be told."""
    times, values = symptom.incident.times, symptom.incident.values
    if len(times) < _MIN_PAIRS or len(series.incident) < _MIN_PAIRS:
        return 0.0
    step = int(np.median(np.diff(times)))
    own = series.incident
    right = np.clip(np.searchsorted(own.times, times), 1, len(own) - 1)
    nearest = np.where(times - own.times[right - 1] <= own.times[right] - times, right - 1, right)
    close = np.abs(own.times[nearest] - times) <= max(step, 1) / 2 + 1
    return _pearson(own.values[nearest[close]], values[close])


def _pearson(left: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    if len(left) < _MIN_PAIRS:
        return 0.0
    left, right = left - left.mean(), right - right.mean()
    norm = float(np.sqrt((left**2).sum() * (right**2).sum()))
    return float((left * right).sum() / norm) if norm > 0 else 0.0
