"""Caller-callee gaps: time lost on the way, laid at one component's door by least squares.

The gap of a remote call is the caller's span minus the callee's; durations only, so clock skew between
hosts does not enter. A slow network at one component shows on all its edges, so the excess of every
edge is explained as a delay of its caller plus a delay of its callee, both at least 0, by non-negative
least squares (Lawson and Hanson) weighted by the number of calls. That names the delayed component
rather than each of its neighbours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.optimize import nnls

from incident_pipeline.diagnosis.finding import EventPlace, Finding
from incident_pipeline.signals.statistics import group_quantiles
from incident_pipeline.signals.view import CALM, DURING

if TYPE_CHECKING:
    from incident_pipeline.diagnosis.graph import Graph
    from incident_pipeline.signals.view import View

_MIN_CALM: Final = 3
_MIN_DURING: Final = 2
_CAP_MS: Final = 2_000.0
_COUNT_CAP: Final = 50
_SATURATES_MS: Final = 300.0
_NS_PER_MS: Final = 1e6
_LEAST_MS: Final = 1.0


def gap_findings(view: View, graph: Graph) -> list[Finding]:
    """Find the components at which time is lost between caller and callee."""
    spans = view.spans
    single = np.flatnonzero(spans.parent >= 0)
    single = single[spans.children[spans.parent[single]] == 1]
    parent = spans.parent[single]
    caller, callee = graph.owner.codes[parent], graph.owner.codes[single]
    # A leaf call to a system without telemetry has no callee span to subtract.
    remote = (caller >= 0) & (callee >= 0) & (spans.service.codes[parent] != spans.service.codes[single])
    single, parent, caller, callee = single[remote], parent[remote], caller[remote], callee[remote]
    phase = view.phase[parent]
    if not (phase == DURING).any():
        return []
    width = len(graph.owner.names)
    edges, code = np.unique(caller.astype(np.int64) * width + callee, return_inverse=True)
    gap = np.maximum(spans.duration[parent] - spans.duration[single], 0)
    calm, during = phase == CALM, phase == DURING
    n0 = np.bincount(code[calm], minlength=len(edges))
    n1 = np.bincount(code[during], minlength=len(edges))
    base = np.nan_to_num(group_quantiles(code[calm], gap[calm], len(edges), 0.9)) / _NS_PER_MS
    typical = np.nan_to_num(group_quantiles(code[calm], gap[calm], len(edges), 0.5)) / _NS_PER_MS
    seen = np.nan_to_num(group_quantiles(code[during], gap[during], len(edges), 0.5)) / _NS_PER_MS
    enough = (n0 >= _MIN_CALM) & (n1 >= _MIN_DURING)
    excess = np.where(enough, np.clip(seen - base, 0, _CAP_MS), 0.0)
    if not (excess > 0).any():
        return []
    delay = _delays(edges[enough], excess[enough], n1[enough], width)
    findings = []
    for component in np.flatnonzero(delay >= _LEAST_MS):
        touching = enough & ((edges // width == component) | (edges % width == component))
        edge = int(np.flatnonzero(touching)[np.argmax(excess[touching])])
        ends = graph.owner.names[int(edges[edge] // width)], graph.owner.names[int(edges[edge] % width)]
        members = np.flatnonzero((code == edge) & during)
        worst = members[np.argmax(gap[members])]
        findings.append(
            Finding(
                component=graph.owner.names[component],
                term="gap",
                strength=float(min(1.0, np.log1p(delay[component]) / np.log1p(_SATURATES_MS))),
                detail=(
                    f"Calls from {ends[0]} to {ends[1]} lost {seen[edge]:.1f} ms on the way (median of "
                    f"{n1[edge]} calls), against {typical[edge]:.1f} ms before; over all edges "
                    f"{delay[component]:.1f} ms per call are explained by {graph.owner.names[component]}."
                ),
                baseline=float(typical[edge]),
                observed=float(seen[edge]),
                unit="ms",
                fault_class="network",
                facts={
                    "caller": ends[0],
                    "callee": ends[1],
                    "delay_ms": float(delay[component]),
                    "calm_p90_ms": float(base[edge]),
                    "calm_count": int(n0[edge]),
                    "count": int(n1[edge]),
                },
                places=(
                    EventPlace(int(spans.row[parent[worst]])),
                    EventPlace(int(spans.row[single[worst]])),
                ),
            )
        )
    return findings


def _delays(edges: np.ndarray, excess: np.ndarray, counts: np.ndarray, width: int) -> np.ndarray:
    """Solve excess = delay(caller) + delay(callee) for delays of at least 0, in milliseconds."""
    involved = np.unique(np.concatenate([edges // width, edges % width]))
    column = {int(component): index for index, component in enumerate(involved)}
    matrix = np.zeros((len(edges), len(involved)))
    for row, edge in enumerate(edges):
        matrix[row, column[int(edge // width)]] = 1.0
        matrix[row, column[int(edge % width)]] = 1.0
    weight = np.sqrt(np.minimum(counts, _COUNT_CAP))
    solution, _ = nnls(matrix * weight[:, None], excess * weight)
    delay = np.zeros(width)
    delay[involved] = solution
    return delay
