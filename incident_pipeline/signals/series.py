"""Measurements as aligned series: one per (component, metric, labels), calm and incident samples apart.

Instances (pods, hosts) of one component come and go between a calm period and an incident, so the
labels that name an instance are no part of a series' identity: their samples are pooled, in order of
time. Whether a series is a counter is not known either; one whose name follows the Prometheus
convention for counters and that never falls is turned into its rate per second.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from incident_pipeline.signals.attributes import MISSING, integers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from incident_pipeline.signals.tables import IncidentTables

INSTANCE_LABELS: Final = frozenset(
    {"pod", "pod_name", "instance", "instance_id", "host", "hostname", "host_name", "node", "container",
     "container_id", "container_name", "id", "uid", "ip", "endpoint", "exported_instance", "task_id"}
)  # fmt: skip
_OWNER_LABELS: Final = ("service", "service_name", "exported_service", "app", "workload", "deployment", "job")
_COUNTER_NAME: Final = re.compile(r"(?:_total|_count|_sum|_bucket|\.count|\.total)$")
_MATCHER: Final = re.compile(r'([A-Za-z_][\w.]*)\s*=\s*"([^"]+)"')
_LARGEST: Final = 1e60
_WORD: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*")


@dataclass(frozen=True)
class Samples:
    """Samples in order of time: UTC nanoseconds and values, finite only."""

    times: NDArray[np.int64]
    values: NDArray[np.float64]

    def between(self, start: int, end: int) -> Samples:
        """Give the samples with start <= time < end."""
        low, high = np.searchsorted(self.times, [start, end])
        return Samples(self.times[low:high], self.values[low:high])

    def __len__(self) -> int:
        """Give the number of samples."""
        return len(self.times)


@dataclass(frozen=True)
class Series:
    """One measurement of one component. `series_ids` are the rows of the series table it came from."""

    component: str | None
    name: str
    labels: tuple[tuple[str, str], ...]
    """Without name, owner and instance labels, sorted."""
    all_labels: tuple[tuple[str, str], ...]
    unit: str | None
    series_ids: tuple[str, ...]
    """Of the incident role, sorted; for citations and checks."""
    incident: Samples
    reference: Samples
    is_rate: bool
    """True when the values are rates computed from a counter."""

    @property
    def title(self) -> str:
        """Give the metric's name with the labels that tell it apart."""
        shown = ", ".join(f"{key}={value}" for key, value in self.labels)
        return f"{self.name} ({shown})" if shown else self.name


def read_series(tables: IncidentTables, components: Iterable[str] = ()) -> tuple[Series, ...]:
    """Read all series, sorted by component, name and labels.

    `components` are names known from other telemetry: a query result without an owner label belongs to
    the component that its expression selects, or that its name begins with.
    """
    known = set(components) | {s for s in tables.series.column("service").to_pylist() if s}
    by_id = _samples_by_series(tables)
    references = {a.sha256 for a in tables.evidence.artifacts if a.role == "reference"}
    groups: dict[tuple[str, str, tuple[tuple[str, str], ...]], list[tuple[bool, dict[str, object]]]] = {}
    for row in tables.series.to_pylist():
        labels = {str(k): str(v) for k, v in (row["labels"] or [])}
        name = row["name"] or labels.get("__name__") or ""
        component = row["service"] or _owner(name, labels, known)
        kept = _identity(labels, component)
        entry = (row["artifact_sha256"] in references, row)
        groups.setdefault((component or "", name, kept), []).append(entry)
    out = []
    for (component, name, kept), rows in sorted(groups.items()):
        incident_ids = sorted(str(row["series_id"]) for calm, row in rows if not calm)
        calm_ids = sorted(str(row["series_id"]) for calm, row in rows if calm)
        counter = _COUNTER_NAME.search(name) is not None and all(
            _never_falls(by_id[i].values) for i in (*incident_ids, *calm_ids) if i in by_id
        )
        first = rows[0][1]
        out.append(
            Series(
                component=component or None,
                name=name,
                labels=kept,
                all_labels=tuple(sorted((str(k), str(v)) for k, v in (first["labels"] or []))),  # type: ignore[attr-defined]  # rows are plain Arrow values
                unit=str(first["unit"]) if first["unit"] else None,
                series_ids=tuple(incident_ids),
                incident=_pool([by_id[i] for i in incident_ids if i in by_id], rate=counter),
                reference=_pool([by_id[i] for i in calm_ids if i in by_id], rate=counter),
                is_rate=counter,
            )
        )
    return tuple(out)


def words(text: str) -> frozenset[str]:
    """Give the lower-case words of a metric's name: split at anything but letters and at camel case."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text).replace("_", " ")
    return frozenset(word.lower() for word in _WORD.findall(spaced))


def _owner(name: str, labels: dict[str, str], known: set[str]) -> str | None:
    for key in _OWNER_LABELS:
        if labels.get(key) in known or (key in labels and not known):
            return labels[key]
    for key, value in _MATCHER.findall(name):
        if key in _OWNER_LABELS and value in known:
            return str(value)
    # `edge_cache_requests_total` is the edge's: exporters prefix their own metrics with their name.
    tokens = re.findall(r"[A-Za-z][A-Za-z0-9_]*", name)
    prefixed = {
        owner
        for owner in known
        for token in tokens
        if token.lower().startswith(re.sub(r"[^a-z0-9]+", "_", owner.lower()) + "_")
    }
    return max(sorted(prefixed), key=len) if prefixed else None


def _identity(labels: dict[str, str], component: str | None) -> tuple[tuple[str, str], ...]:
    return (
        tuple(
            sorted(
                (key, value)
                for key, value in labels.items()
                if key != "__name__" and key not in INSTANCE_LABELS and not (key in _OWNER_LABELS and value)
            )
        )
        if component or labels
        else ()
    )


def _samples_by_series(tables: IncidentTables) -> dict[str, Samples]:
    table = tables.samples
    finite = pc.and_(pc.is_valid(table.column("time_ns")), pc.is_finite(table.column("value")))
    table = table.filter(pc.fill_null(finite, False))
    ids = tables.series.column("series_id").combine_chunks()
    code = integers(pc.index_in(table.column("series_id").cast(pa.string()), ids), MISSING)
    times = integers(table.column("time_ns"))
    # Beyond any measurement, and squares of it still fit a float.
    values = np.clip(np.asarray(table.column("value").to_numpy(), dtype=np.float64), -_LARGEST, _LARGEST)
    order = np.lexsort((values, times, code))
    code, times, values = code[order], times[order], values[order]
    edges = np.searchsorted(code, np.arange(len(ids) + 1))
    return {
        str(name): Samples(times[edges[i] : edges[i + 1]], values[edges[i] : edges[i + 1]])
        for i, name in enumerate(ids.to_pylist())
    }


def _never_falls(values: NDArray[np.float64]) -> bool:
    # A restart sets a counter back to about 0; anything else that falls is no counter.
    falls = values[1:][np.diff(values) < 0]
    return len(falls) == 0 or bool(len(falls) * 20 <= len(values) and np.median(falls) < np.median(values))


def _rate(samples: Samples) -> Samples:
    seconds = np.diff(samples.times) / 1e9
    steps = np.diff(samples.values)
    ok = (seconds > 0) & (steps >= 0)
    return Samples(samples.times[1:][ok], steps[ok] / seconds[ok])


def _pool(parts: list[Samples], *, rate: bool) -> Samples:
    if rate:
        parts = [_rate(part) for part in parts]
    if len(parts) == 1:
        return parts[0]
    times = np.concatenate([np.zeros(0, np.int64), *(part.times for part in parts)])
    values = np.concatenate([np.zeros(0), *(part.values for part in parts)])
    order = np.lexsort((values, times))
    return Samples(times[order], values[order])
