"""One lane per service: bars of spans (else log records) per bucket, errors in red, anomalies as bands.

At most eight lanes are drawn, the most relevant ones, in order of the call graph from the front door
down; the picture says how many services there are.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow.compute as pc

from incident_pipeline.drafting.columns import PEER, attribute, is_client_span, is_error, strings, times
from incident_pipeline.drafting.wording import clock, plain
from incident_pipeline.postmortem.chart.metric_lines import MetricLine, metric_line
from incident_pipeline.postmortem.chart.scale import brief

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from incident_pipeline.drafting.inputs import DraftInputs
    from incident_pipeline.postmortem.chart.scale import TimeScale

MAX_LANES: Final = 8
HEIGHT: Final = 42
_BAR_TOP: Final = 12
_WARN: Final = 13
"""OpenTelemetry's WARN."""


@dataclass(frozen=True)
class Band:
    """An anomaly: where a measure left its baseline, from its first to its highest value."""

    x: float
    width: float
    title: str


@dataclass(frozen=True)
class Lane:
    """A service's lane."""

    name: str
    label: str
    unit: str
    """What its bars count: `spans`, `log records` or `calls to it`; empty when only a line is drawn."""
    top: int
    height: int
    other_path: str
    failed_path: str
    warn_path: str
    bands: list[Band]
    line: MetricLine | None


def service_lanes(
    inputs: DraftInputs, door: str | None, scale: TimeScale, top: int
) -> tuple[list[Lane], int]:
    """Lay out the lanes from `top` on, and give how many services could have one."""
    counts = _Counts(inputs.tables.events_of("incident"), scale)
    candidates = _by_relevance(inputs, door, counts)
    chosen = _by_depth(candidates[:MAX_LANES], inputs.diagnosis.graph, door)
    supported = {proposal.component for proposal, outcome in inputs.settled if outcome.status == "supported"}
    lanes = []
    for position, name in enumerate(chosen):
        y = top + position * HEIGHT
        wanted = name in supported or not counts.held(name)[0]
        line = metric_line(inputs, name, scale, y, HEIGHT) if wanted else None
        lanes.append(counts.lane(name, y, _bands(inputs, name, scale), line))
    return lanes, len(candidates)


class _Counts:
    """Records per service and bucket."""

    def __init__(self, events: pa.Table, scale: TimeScale) -> None:
        self._scale = scale
        timed = events.filter(pc.field("time_ns").is_valid())
        self._spans = timed.filter(pc.field("kind") == "span")
        self._logs = timed.filter(pc.field("kind") == "log")
        self._called = attribute(self._spans, PEER)
        self._called[~is_client_span(self._spans)] = None
        self._names = {
            "spans": strings(self._spans, "service"),
            "logs": strings(self._logs, "service"),
        }
        self._failed = {"spans": is_error(self._spans), "logs": is_error(self._logs)}
        self._index = {"spans": self._bucket(self._spans), "logs": self._bucket(self._logs)}
        self.services = {
            str(name) for names in (*self._names.values(), self._called) for name in names if name is not None
        }

    def _bucket(self, table: pa.Table) -> NDArray[np.int64]:
        moments = times(table)
        index = (moments - self._scale.start) // self._scale.bucket_ns
        inside = (moments >= self._scale.start) & (moments < self._scale.end)
        return np.asarray(np.where(inside, index, -1), dtype=np.int64)

    def held(self, name: str) -> tuple[int, str]:
        """Give how many records a service has in the picture and which kind its bars count."""
        spans = int(((self._names["spans"] == name) & (self._index["spans"] >= 0)).sum())
        if spans:
            return spans, "spans"
        logs = int(((self._names["logs"] == name) & (self._index["logs"] >= 0)).sum())
        if logs:
            return logs, "log records"
        return int(((self._called == name) & (self._index["spans"] >= 0)).sum()), "calls to it"

    def errors(self, name: str) -> int:
        """Give how many records of a service report an error."""
        return sum(
            int((self._failed[kind] & (self._names[kind] == name)).sum()) for kind in ("spans", "logs")
        )

    def lane(self, name: str, top: int, bands: list[Band], line: MetricLine | None) -> Lane:
        """Lay out the lane of a service."""
        held, unit = self.held(name)
        kind = "logs" if unit == "log records" else "spans"
        rows = (self._called if unit == "calls to it" else self._names[kind]) == name
        total = self._per_bucket(kind, rows)
        failed = self._per_bucket(kind, rows & self._failed[kind])
        warned = np.zeros(self._scale.buckets)
        if unit != "log records" and self._logs.num_rows:
            severity = np.asarray(pc.fill_null(self._logs.column("severity"), 0).to_numpy())
            warned = self._per_bucket("logs", (self._names["logs"] == name) & (severity >= _WARN))
        highest = max(float(total.max()), 1.0)
        floor = top + HEIGHT - 3
        reach = HEIGHT - _BAR_TOP - 3
        return Lane(
            name=name,
            label=short_name(name),
            unit=unit if held else "",
            top=top,
            height=HEIGHT,
            other_path=self._bars(total - failed, failed, reach / highest, floor),
            failed_path=self._bars(failed, np.zeros_like(failed), reach / highest, floor),
            warn_path=self._strip(warned, top + 6.5),
            bands=bands,
            line=line,
        )

    def _per_bucket(self, kind: str, rows: NDArray[np.bool_]) -> NDArray[np.float64]:
        index = self._index[kind]
        return np.bincount(index[rows & (index >= 0)], minlength=self._scale.buckets).astype(float)

    def _bars(
        self, values: NDArray[np.float64], below: NDArray[np.float64], unit: float, floor: float
    ) -> str:
        """Draw bars as thick vertical strokes: a third of the bytes of outlines."""
        return "".join(
            f"M{brief(self._middle(int(bucket)))} {brief(floor - below[bucket] * unit)}"
            f"v{brief(-values[bucket] * unit)}"
            for bucket in np.flatnonzero(values)
        )

    def _strip(self, values: NDArray[np.float64], y: float) -> str:
        """Draw a thin line over the buckets that hold anything; neighbours join."""
        hit = np.concatenate(([False], values > 0, [False]))
        edges = np.flatnonzero(hit[1:] != hit[:-1]).reshape(-1, 2)
        return "".join(
            f"M{brief(self._scale.bucket_x(int(start)))} {brief(y)}H{brief(self._scale.bucket_x(int(stop)))}"
            for start, stop in edges
        )

    def _middle(self, bucket: int) -> float:
        return self._scale.x(self._scale.start + bucket * self._scale.bucket_ns + self._scale.bucket_ns // 2)


def _by_relevance(inputs: DraftInputs, door: str | None, counts: _Counts) -> list[str]:
    """Order the services: components of supported causes, the front door, other suspects, the rest."""
    names = [
        *(proposal.component for proposal, outcome in inputs.settled if outcome.status == "supported"),
        *([door] if door else []),
        *(proposal.component for proposal, _ in inputs.settled),
        *(ranked.component for ranked in inputs.diagnosis.ranking),
        *sorted(counts.services, key=lambda name: (-counts.errors(name), -counts.held(name)[0], name)),
    ]
    measured = {
        ranked.component
        for ranked in inputs.diagnosis.ranking
        if any(isinstance(reason.facts.get("series_id"), str) for reason in ranked.reasons)
    }
    return [name for name in dict.fromkeys(names) if counts.held(name)[0] or name in measured]


def _by_depth(names: list[str], graph: dict[str, list[str]], door: str | None) -> list[str]:
    """Order names by their distance from the front door along the calls; unreachable ones come last."""
    called = {callee for caller, callees in graph.items() for callee in callees if callee != caller}
    roots = [door] if door is not None and door in graph else [name for name in graph if name not in called]
    depth = dict.fromkeys(roots, 0)
    queue = deque(depth)
    while queue:
        caller = queue.popleft()
        for callee in graph.get(caller, []):
            if callee not in depth:
                depth[callee] = depth[caller] + 1
                queue.append(callee)
    position = {name: index for index, name in enumerate(names)}
    return sorted(names, key=lambda name: (name != door, depth.get(name, len(names)), position[name]))


def _bands(inputs: DraftInputs, name: str, scale: TimeScale) -> list[Band]:
    found = []
    for ranked in inputs.diagnosis.ranking:
        if ranked.component != name:
            continue
        for reason in ranked.reasons:
            start = reason.facts.get("onset_ns", reason.facts.get("first_ns"))
            end = reason.facts.get("end_ns", reason.facts.get("last_ns", reason.facts.get("peak_ns", start)))
            if not isinstance(start, int) or not isinstance(end, int) or not scale.shows(start):
                continue
            x = scale.x(start)
            # A label, no statement: what was found stands in sentences with their evidence.
            title = f"{reason.term.replace('_', ' ')}: {clock(start)} to {clock(max(start, end))} UTC"
            found.append(Band(x, max(round(scale.x(max(start, end)) - x, 1), 3.0), title))
    return sorted(_distinct(found), key=lambda band: (band.x, -band.width))[:2]


def _distinct(bands: list[Band]) -> list[Band]:
    """Keep one band of those that cover the same stretch."""
    kept: dict[tuple[float, float], Band] = {}
    for band in bands:
        kept.setdefault((band.x, band.width), band)
    return list(kept.values())


def short_name(name: str, limit: int = 16) -> str:
    """Cut a name to what fits beside the lanes."""
    shown = plain(name)
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"
