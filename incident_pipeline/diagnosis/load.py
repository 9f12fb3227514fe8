"""Load: how much more work a component got, and whether it got it before it failed.

Work is counted as distinct calling spans (first calls), so that retries, which follow a failure, do
not look like a cause of it. Counts are taken within the incident's own telemetry, before against
during, over the seconds that telemetry covers; a block that begins late is not silence. Where no spans
are held, traffic metrics stand in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from incident_pipeline.diagnosis.finding import EventPlace, Finding
from incident_pipeline.signals.metric_kind import MetricKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from incident_pipeline.diagnosis.graph import Graph
    from incident_pipeline.signals.view import View

_SECOND: Final = 1_000_000_000
_BIN: Final = 5 * _SECOND
_MIN_BINS: Final = 3
_EXPECTED: Final = 8.0
_WIDEST: Final = 60 * _SECOND
SURGE: Final = 1.5
_SURGE_Z: Final = 3.0
LOAD_Z: Final = 4.0
_MOST: Final = 10.0
_THIRD: Final = 3
_MIN_SAMPLES: Final = 3


@dataclass(frozen=True)
class Work:
    """The calls a component got: their times within the incident's telemetry, and the calm rate."""

    times: NDArray[np.int64]
    calm_per_second: float
    during_per_second: float
    calm_seconds: float
    during_seconds: float

    @property
    def ratio(self) -> float:
        """Give how many times more work there is during the incident; 1 where it can't be told."""
        if self.calm_per_second <= 0 or self.during_per_second <= 0:
            return 1.0
        return float(np.clip(self.during_per_second / self.calm_per_second, 1 / _MOST, _MOST))

    @property
    def z(self) -> float:
        """Give the ratio's distance from 1 in Poisson standard deviations."""
        expected = self.calm_per_second * self.during_seconds
        seen = self.during_per_second * self.during_seconds
        noise = expected + (self.during_seconds**2 * self.calm_per_second / max(self.calm_seconds, 1e-9))
        return float((seen - expected) / np.sqrt(noise + 1.0))


def work_of_components(view: View, graph: Graph) -> dict[str, Work]:
    """Count the first calls of every component; components without any are left out."""
    spans = view.spans
    inside = ~spans.reference
    if not inside.any():
        return {}
    target = np.where(graph.callee.codes >= 0, graph.callee.codes, graph.owner.codes)
    crossing = graph.callee.codes >= 0
    entry = (spans.parent < 0) & ~crossing & (graph.owner.codes >= 0)
    bins = np.unique((spans.start[inside] - view.start) // _BIN)
    edge = int((view.calm_before() - view.start) // _BIN)
    last = int((view.end - view.start) // _BIN)
    calm_bins, during_bins = bins[bins < edge], bins[(bins >= 0) & (bins < last)]
    seconds = _BIN / _SECOND
    out: dict[str, Work] = {}
    for code, name in enumerate(graph.owner.names):
        calls = np.flatnonzero(inside & (target == code) & (crossing | entry))
        if not len(calls):
            continue
        # Several attempts under one calling span are one piece of work: the first.
        callers = np.where(spans.parent[calls] >= 0, spans.parent[calls], -calls - 1)
        calls = calls[np.unique(callers, return_index=True)[1]]
        times = np.sort(spans.start[calls])
        at = (times - view.start) // _BIN
        out[name] = Work(
            times=times,
            calm_per_second=float(np.isin(at, calm_bins).sum() / max(len(calm_bins) * seconds, 1e-9)),
            during_per_second=float(np.isin(at, during_bins).sum() / max(len(during_bins) * seconds, 1e-9)),
            calm_seconds=len(calm_bins) * seconds if len(calm_bins) >= _MIN_BINS else 0.0,
            during_seconds=len(during_bins) * seconds,
        )
    return {name: work for name, work in out.items() if work.calm_seconds > 0}


def traffic_ratios(view: View, work: dict[str, Work]) -> dict[str, float]:
    """Give, per component, how much of a rise in its use of resources the traffic accounts for (>= 1)."""
    ratios: dict[str, list[float]] = {}
    for series, kind in view.series:
        if kind is not MetricKind.TRAFFIC or series.component is None:
            continue
        during = series.incident.between(view.start, view.end).values
        before = series.incident.between(0, view.calm_before()).values
        base = [
            float(np.median(part)) for part in (series.reference.values, before) if len(part) >= _MIN_SAMPLES
        ]
        if len(during) and base and max(base) > 0:
            ratios.setdefault(series.component, []).append(float(np.quantile(during, 0.75)) / max(base))
    metric = {name: float(np.median(values)) for name, values in ratios.items()}
    names = sorted(set(metric) | set(work))
    return {
        name: float(
            np.clip(max(metric.get(name, 1.0), work[name].ratio if name in work else 1.0), 1.0, _MOST)
        )
        for name in names
    }


def surge_before(work: Work, failures: NDArray[np.int64]) -> float:
    """Give how many times more work had come in just before the failures began; 1 where not clearly more.

    `failures` are the times of the failures. The window before the third of them is long enough to
    expect several calls at the calm rate, so that a busy second is no surge.
    """
    if len(failures) == 0 or work.calm_per_second <= 0:
        return 1.0
    begin = int(np.sort(failures)[min(len(failures), _THIRD) - 1])
    width = int(np.clip(_EXPECTED / work.calm_per_second * _SECOND, _BIN, _WIDEST))
    seen = int(((work.times >= begin - width) & (work.times < begin)).sum())
    expected = work.calm_per_second * width / _SECOND
    ratio = (seen + 1) / (expected + 1)
    certain = (seen - expected) / np.sqrt(expected + 1)
    return float(min(ratio, _MOST)) if ratio >= SURGE and certain >= _SURGE_Z else 1.0


def load_findings(view: View, graph: Graph, work: dict[str, Work]) -> list[Finding]:
    """Find the components that got clearly more work than before."""
    spans = view.spans
    findings = []
    for name, one in sorted(work.items()):
        if one.ratio < SURGE or one.z < LOAD_Z:
            continue
        code = graph.owner.names.index(name)
        calls = np.flatnonzero(
            ~spans.reference
            & (spans.start >= view.start)
            & ((graph.callee.codes == code) | (graph.owner.codes == code))
        )
        source = " and ".join(graph.callers[name]) or "outside"
        findings.append(
            Finding(
                component=name,
                term="load",
                strength=float(min(1.0, np.log(one.ratio) / np.log(_MOST))),
                detail=(
                    f"{name} got {one.during_per_second:.2f} calls per second from {source}, against "
                    f"{one.calm_per_second:.2f} before ({one.ratio:.1f} times)."
                ),
                baseline=one.calm_per_second,
                observed=one.during_per_second,
                unit="1/s",
                fault_class="load",
                facts={"ratio": one.ratio, "z": one.z, "entry": not graph.callers[name]},
                places=tuple(EventPlace(int(spans.row[call])) for call in calls[:1]),
            )
        )
    return findings
