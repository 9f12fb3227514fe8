"""What explains a finding away before the graph does: load, saturation of the caller, mix, distance.

Each rule lowers the strength of findings that another, more direct observation accounts for. None
looks at names; all look at rates, shares and the order of events.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from incident_pipeline.diagnosis.load import LOAD_Z, SURGE, surge_before

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

    from incident_pipeline.diagnosis.finding import Finding
    from incident_pipeline.diagnosis.graph import Graph
    from incident_pipeline.diagnosis.load import Work
    from incident_pipeline.signals.view import View

_ACCOUNTS: Final = 0.8
_BYSTANDER: Final = 0.3


def explain_away(
    findings: Iterable[Finding],
    view: View,
    graph: Graph,
    work: dict[str, Work],
    failures: dict[str, NDArray[np.int64]],
) -> list[Finding]:
    """Apply all rules; findings keep their order."""
    kept = list(findings)
    kept = _by_saturation(kept, graph, frozenset(view.spans.service.names))
    kept = _by_mix(kept)
    kept = _reactions(kept, graph)
    kept = _by_load(kept, graph, work, failures)
    return _bystanders(kept, view, graph)


def _by_load(
    findings: list[Finding], graph: Graph, work: dict[str, Work], failures: dict[str, NDArray[np.int64]]
) -> list[Finding]:
    """Lower what a flood from the callers accounts for.

    Failures are excused if the flood came before them; slowness is excused by the flood as such, since
    queues grow with load. A component that nobody calls has nobody to excuse it.
    """
    surges = {
        name: surge_before(work[name], times)
        for name, times in failures.items()
        if name in work and graph.callers.get(name)
    }
    floods = {
        name: one.ratio
        for name, one in work.items()
        if graph.callers.get(name) and one.ratio >= SURGE and one.z >= LOAD_Z
    }
    out = []
    for finding in findings:
        excuse = 1.0
        if finding.term in ("error", "log_novelty"):
            excuse = surges.get(finding.component, 1.0)
        elif finding.term in ("gap", "own_time"):
            flood = floods.get(finding.component, 1.0)
            slower = (finding.observed or 0.0) / max(finding.baseline or 0.0, 1e-9)
            # Queues grow faster than their load, but not without bound.
            excuse = flood if slower <= flood**2 else 1.0
        out.append(finding.scaled(1.0 / excuse) if excuse > 1.0 else finding)
    return out


def _by_saturation(findings: list[Finding], graph: Graph, observed: frozenset[str]) -> list[Finding]:
    """Lower what a saturated caller accounts for.

    A starved or exhausted caller reads answers late and waits before it calls, which looks like time
    lost on the way to its callees, or inside callees that have no telemetry of their own.
    """
    resource: dict[str, float] = {}
    for finding in findings:
        if finding.term == "resource":
            resource[finding.component] = max(resource.get(finding.component, 0.0), finding.strength)
    out = []
    for finding in findings:
        saturated = 0.0
        if finding.term == "gap":
            ends = {str(finding.facts["caller"]), str(finding.facts["callee"])} - {finding.component}
            saturated = max((resource.get(end, 0.0) for end in ends), default=0.0)
        elif finding.component not in observed and finding.term in ("own_time", "error"):
            callers = graph.callers.get(finding.component, ())
            saturated = max((resource.get(caller, 0.0) for caller in callers), default=0.0)
        out.append(finding.scaled(1.0 - _ACCOUNTS * saturated) if saturated > 0 else finding)
    return out


def _reactions(findings: list[Finding], graph: Graph) -> list[Finding]:
    """Lower what a component logs about failing callees: whoever is to blame for those, it is a reaction."""
    failing: dict[str, float] = {}
    for finding in findings:
        if finding.term == "error":
            failing[finding.component] = max(failing.get(finding.component, 0.0), finding.strength)
    out = []
    for finding in findings:
        is_log = finding.term == "log_novelty" or finding.facts.get("feature") == "log template"
        below = max((failing.get(callee, 0.0) for callee in graph.below(finding.component)), default=0.0)
        out.append(finding.scaled(1.0 - _ACCOUNTS * below) if is_log and below > 0 else finding)
    return out


def _by_mix(findings: list[Finding]) -> list[Finding]:
    """Lower structure findings of components that are simply called in other cases than before."""
    inbound: dict[str, float] = {}
    for finding in findings:
        called = finding.facts.get("callee")
        if finding.term == "structure" and called and called != finding.component:
            inbound[str(called)] = max(inbound.get(str(called), 0.0), finding.strength)
    return [
        finding.scaled(1.0 - _ACCOUNTS * inbound[finding.component])
        if finding.term == "structure" and inbound.get(finding.component, 0.0) > 0
        else finding
        for finding in findings
    ]


def _bystanders(findings: list[Finding], view: View, graph: Graph) -> list[Finding]:
    """Lower findings of components that no held call connects with the symptom."""
    symptom = view.symptom
    if symptom is None or not (graph.callees.get(symptom) or graph.callers.get(symptom)):
        return findings
    connected = graph.below(symptom) | graph.above(symptom) | {symptom}
    return [finding if finding.component in connected else finding.scaled(_BYSTANDER) for finding in findings]
