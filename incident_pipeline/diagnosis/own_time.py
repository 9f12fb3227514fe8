"""Own-time excess: operations that take longer themselves, their children aside.

Per operation the median own time during the incident is compared with the 90th percentile of the calm;
the excess counts as often as the operation is called per trace. Spans that wait for a remote child are
left to the caller-callee gap. A leaf span that calls a system without telemetry of its own is that
system's time. Own time also rises from waiting for a starved host, so the term weighs little.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from incident_pipeline.diagnosis.finding import EventPlace, Finding, shown
from incident_pipeline.signals.statistics import group_quantiles
from incident_pipeline.signals.view import CALM, DURING

if TYPE_CHECKING:
    from incident_pipeline.diagnosis.graph import Graph
    from incident_pipeline.signals.view import View

_MIN_CALM: Final = 5
_MIN_DURING: Final = 3
_SATURATES_MS: Final = 300.0
_NS_PER_MS: Final = 1e6


def own_time_findings(view: View, graph: Graph) -> list[Finding]:
    """Find the components whose own time rose; one finding each, for its worst operation."""
    spans = view.spans
    remote = (graph.callee.codes >= 0) & (spans.children > 0)
    usable = np.flatnonzero((view.phase >= 0) & (graph.owner.codes >= 0) & ~remote)
    if not len(usable):
        return []
    width = len(graph.owner.names)
    pair = spans.operation.codes[usable].astype(np.int64) * width + graph.owner.codes[usable]
    groups, code = np.unique(pair, return_inverse=True)
    own, phase = spans.own[usable], view.phase[usable]
    calm, during = phase == CALM, phase == DURING
    n0 = np.bincount(code[calm], minlength=len(groups))
    n1 = np.bincount(code[during], minlength=len(groups))
    base = group_quantiles(code[calm], own[calm], len(groups), 0.9)
    typical = group_quantiles(code[calm], own[calm], len(groups), 0.5)
    seen = group_quantiles(code[during], own[during], len(groups), 0.5)
    traces = max(1, len(np.unique(spans.trace[view.phase == DURING])))
    enough = (n0 >= _MIN_CALM) & (n1 >= _MIN_DURING)
    excess = np.where(enough, np.maximum(np.nan_to_num(seen) - np.nan_to_num(base), 0), 0) / _NS_PER_MS
    weighted = excess * n1 / traces
    totals = np.bincount(groups % width, weights=weighted, minlength=width)
    findings = []
    for owner in np.flatnonzero(totals > 0):
        group = int(np.argmax(np.where(groups % width == owner, weighted, -1.0)))
        component = graph.owner.names[owner]
        service, _, operation = spans.operation.names[int(groups[group] // width)].partition("\t")
        members = usable[(code == group) & during]
        worst = int(members[np.argmax(spans.own[members])])
        by = "" if component == service else f", as seen by {service}"
        took, usual, nine = (float(part[group] / _NS_PER_MS) for part in (seen, typical, base))
        findings.append(
            Finding(
                component=component,
                term="own_time",
                # The worst operation stands for the sum over all of the component's.
                strength=float(min(1.0, np.log1p(totals[owner]) / np.log1p(_SATURATES_MS))),
                detail=(
                    f"{shown(operation)} itself took {took:.1f} ms (median of {n1[group]} calls{by}), "
                    f"against {usual:.1f} ms before; nine in ten calls were below {nine:.1f} ms."
                ),
                baseline=usual,
                observed=took,
                unit="ms",
                fault_class="resource",
                facts={
                    "service": service,
                    "operation": operation,
                    "calm_p90_ms": nine,
                    "calm_count": int(n0[group]),
                    "count": int(n1[group]),
                    "total_excess_ms": float(totals[owner]),
                },
                places=(EventPlace(int(spans.row[worst])),),
            )
        )
    return findings
