"""Failing spans, laid at the door of the deepest component that fails.

A failing span whose children failed passes a failure on; the deepest failing span is where it began. A
failing call is put down to what was called, whether or not that component has telemetry of its own.
The share of such failures among a component's spans is tested between the calm and the incident.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import numpy as np

from incident_pipeline.diagnosis.finding import EventPlace, Finding, shown, strongest
from incident_pipeline.signals.statistics import two_proportions
from incident_pipeline.signals.view import CALM, DURING

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from incident_pipeline.diagnosis.graph import Graph
    from incident_pipeline.signals.view import View

_MIN_DURING: Final = 2
_DEAD_ZONE: Final = 2.0
_RANGE: Final = 8.0
_THROTTLED: Final = 429
_TIMEOUTS: Final = frozenset({408, 504})


def answering(graph: Graph) -> NDArray[np.int32]:
    """Give, per span, the component a failure of the span would be put down to."""
    return np.where(graph.callee.codes >= 0, graph.callee.codes, graph.owner.codes).astype(np.int32)


def root_failures(view: View) -> NDArray[np.bool_]:
    """Give, per span, whether it fails and none of its children does."""
    spans = view.spans
    below = np.zeros(len(spans), dtype=bool)
    failing = np.flatnonzero(spans.failed & (spans.parent >= 0))
    below[spans.parent[failing]] = True
    return np.asarray(spans.failed & ~below, dtype=bool)


def failure_times(view: View, graph: Graph) -> dict[str, NDArray[np.int64]]:
    """Give the times of each component's own failures in the incident, for asking what came first."""
    own = root_failures(view) & (view.phase == DURING)
    answer = answering(graph)
    return {
        graph.owner.names[code]: view.spans.start[own & (answer == code)]
        for code in np.unique(answer[own])
        if code >= 0
    }


def failure_findings(view: View, graph: Graph) -> list[Finding]:
    """Find the components whose share of failing spans rose; one finding each, for the worst operation."""
    spans, phase = view.spans, view.phase
    if not (spans.failed & (phase == DURING)).any():
        return []
    answer, own = answering(graph), root_failures(view)
    width = len(graph.owner.names)
    usable = (phase >= 0) & (answer >= 0)
    groups, code = np.unique(
        spans.operation.codes[usable].astype(np.int64) * width + answer[usable], return_inverse=True
    )
    calm, during, failed = phase[usable] == CALM, phase[usable] == DURING, own[usable]
    counts = [
        np.bincount(code[mask], minlength=len(groups)).astype(np.float64)
        for mask in (calm & failed, calm, during & failed, during)
    ]
    hits0, n0, hits1, n1 = counts
    p0, p1, z = two_proportions(hits0, n0, hits1, n1)
    rows = np.flatnonzero(usable)
    findings = []
    for group in np.flatnonzero((hits1 >= _MIN_DURING) & (n0 > 0) & (p1 > p0) & (z > _DEAD_ZONE)):
        component = graph.owner.names[int(groups[group] % width)]
        service, _, operation = spans.operation.names[int(groups[group] // width)].partition("\t")
        members = rows[(code == group) & during & failed]
        statuses = Counter(int(s) for s in spans.status[members])
        status, _ = max(sorted(statuses.items()), key=lambda pair: pair[1])
        seen = "" if service == component else f" of {service}"
        share0, share1 = float(100 * hits0[group] / n0[group]), float(100 * hits1[group] / n1[group])
        how = f" with status {status}" if status else ""
        findings.append(
            Finding(
                component=component,
                term="error",
                strength=float(min(1.0, (z[group] - _DEAD_ZONE) / _RANGE)),
                detail=(
                    f"{share1:.1f} % of {int(n1[group])} spans {shown(operation)}{seen} failed{how} on "
                    f"{component}'s side, against {share0:.1f} % of {int(n0[group])} before."
                ),
                baseline=share0,
                observed=share1,
                unit="%",
                fault_class="capacity" if status == _THROTTLED else "code",
                facts={
                    "service": service,
                    "operation": operation,
                    "status": status or None,
                    "throttled": status == _THROTTLED,
                    "timeout": status in _TIMEOUTS,
                    "p0": float(p0[group]),
                    "p1": float(p1[group]),
                    "n0": int(n0[group]),
                    "n1": int(n1[group]),
                    "failed": int(hits1[group]),
                    "first_ns": int(spans.start[members].min()),
                },
                places=tuple(EventPlace(int(spans.row[member])) for member in members[:2]),
            )
        )
    return strongest(findings, per_component=2)
