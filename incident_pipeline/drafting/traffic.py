"""Requests at the front door: the component that users reach first, seen through what it wrote.

An access log counts every request, spans are often sampled, so access logs come first. Among several
sources the one whose component nobody calls (`Diagnosis.graph`) wins, then the one with most requests.
A request failed when its status is 5xx; a span without status, when its span status is an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from incident_pipeline.drafting.columns import (
    NO_TIME,
    http_status,
    is_error,
    is_request,
    is_server_span,
    strings,
    times,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MIN_REQUESTS: Final = 5
"""Fewer than that are no traffic one could give a share of."""
_SERVER_ERROR: Final = 500


@dataclass(frozen=True)
class Traffic:
    """Requests at one component in time order: parallel arrays of time, outcome, status and event id."""

    component: str
    source: Literal["access log", "server spans"]
    time_ns: NDArray[np.int64]
    failed: NDArray[np.bool_]
    status: NDArray[np.int64]
    event_id: NDArray[np.object_]

    def share(self, start: int, end: int) -> float | None:
        """Give the share of failed requests in `[start, end)` in percent, None without requests."""
        low, high = np.searchsorted(self.time_ns, [start, end])
        return None if high <= low else round(100 * float(self.failed[low:high].mean()), 1)


def front_door(events: pa.Table, graph: dict[str, list[str]]) -> Traffic | None:
    """Give the requests at the front door, or None when the evidence holds no requests."""
    return _from_access_logs(events, graph) or _from_spans(events, graph)


def _from_access_logs(events: pa.Table, graph: dict[str, list[str]]) -> Traffic | None:
    logs = events.filter((pc.field("kind") == "log") & pc.field("time_ns").is_valid())
    if not logs.num_rows:
        return None
    status = http_status(logs)
    requests = np.flatnonzero((status > 0) & is_request(logs))
    places = zip(strings(logs, "service")[requests], strings(logs, "artifact_uri")[requests], strict=True)
    components = np.array([str(name or _stem(uri)) for name, uri in places], dtype=object)
    component = _choose(components, graph)
    if component is None:
        return None
    rows = requests[components == component]
    picked = logs.take(pa.array(rows))
    return _traffic(component, "access log", picked, status[rows] >= _SERVER_ERROR, status[rows])


def _from_spans(events: pa.Table, graph: dict[str, list[str]]) -> Traffic | None:
    spans = events.filter((pc.field("kind") == "span") & pc.field("time_ns").is_valid())
    if not spans.num_rows:
        return None
    services = strings(spans, "service")
    named = np.array([service is not None for service in services], dtype=bool)
    serving = is_server_span(spans) & named
    if not serving.any():  # sources without span kinds: a root span is a request from outside
        serving = np.array([parent in (None, "") for parent in strings(spans, "parent_span_id")]) & named
    component = _choose(services[serving], graph)
    if component is None:
        return None
    rows = np.flatnonzero(serving & (services == component))
    status = http_status(spans)[rows]
    failed = np.where(status > 0, status >= _SERVER_ERROR, is_error(spans)[rows])
    return _traffic(component, "server spans", spans.take(pa.array(rows)), failed, status)


def _choose(components: NDArray[np.object_], graph: dict[str, list[str]]) -> str | None:
    called = {callee for caller, callees in graph.items() for callee in callees if callee != caller}
    names, counts = np.unique(components.astype(str), return_counts=True)
    ranked = sorted(
        (name in called, name not in graph, -int(count), str(name))
        for name, count in zip(names, counts, strict=True)
        if count >= _MIN_REQUESTS
    )
    return ranked[0][3] if ranked else None


def _traffic(
    component: str,
    source: Literal["access log", "server spans"],
    table: pa.Table,
    failed: NDArray[np.bool_],
    status: NDArray[np.int64],
) -> Traffic:
    moments = times(table)
    ids = strings(table, "event_id")
    order = np.lexsort((ids.astype(str), moments))
    order = order[moments[order] != NO_TIME]
    return Traffic(
        component=component,
        source=source,
        time_ns=moments[order],
        failed=np.asarray(failed, dtype=bool)[order],
        status=status[order],
        event_id=ids[order],
    )


def _stem(uri: str) -> str:
    """Name the component after its log file when the records do not name it: `edge_access.jsonl` -> edge."""
    stem = PurePosixPath(uri.rsplit("!", 1)[-1]).name.split(".", 1)[0]
    for suffix in ("_access", "-access", "_log", "-log"):
        stem = stem.removesuffix(suffix)
    return stem or "front door"
