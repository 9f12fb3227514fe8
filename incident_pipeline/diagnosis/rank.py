"""The diagnosis of one incident: run every analysis, rank, give a verdict.

Each analysis is its own module and knows nothing of the others; here they meet. Nothing here reads
names: the ranking is the same up to renaming when every component is renamed.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc

from incident_pipeline.diagnosis.alerting import alert_findings
from incident_pipeline.diagnosis.changes import change_findings
from incident_pipeline.diagnosis.citations import Citer
from incident_pipeline.diagnosis.combine import METRICS_ONLY, WEIGHTS, Suspect, averaged, rank_findings, ties
from incident_pipeline.diagnosis.comovement import comovement_findings
from incident_pipeline.diagnosis.explain import explain_away
from incident_pipeline.diagnosis.failures import failure_findings, failure_times
from incident_pipeline.diagnosis.gap import gap_findings
from incident_pipeline.diagnosis.graph import build_graph
from incident_pipeline.diagnosis.load import load_findings, traffic_ratios, work_of_components
from incident_pipeline.diagnosis.metrics import deviations, metric_findings
from incident_pipeline.diagnosis.novelty import novelty_findings
from incident_pipeline.diagnosis.own_time import own_time_findings
from incident_pipeline.diagnosis.structure import structure_findings
from incident_pipeline.model.hypothesis import Diagnosis, Interval, RankedComponent
from incident_pipeline.signals.attributes import integers
from incident_pipeline.signals.view import CALM, DURING, build_view, reference_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from incident_pipeline.diagnosis.finding import Finding
    from incident_pipeline.diagnosis.graph import Graph
    from incident_pipeline.evidence.reader import EvidenceReader
    from incident_pipeline.model.hypothesis import ReasonTerm, Verdict
    from incident_pipeline.signals.tables import IncidentTables
    from incident_pipeline.signals.view import View

_ALONE: Final = 0.3
NOTEWORTHY: Final = 0.3
"""A score below this is noise: no incident is claimed on it."""
UNALERTED: Final = 1.0
"""The same where nothing alerted and only metrics deviate: among hundreds of series one always does."""
_DIRECT: Final = frozenset({"error", "gap", "structure", "own_time", "log_novelty"})


def diagnose(tables: IncidentTables, reader: EvidenceReader | None) -> Diagnosis:
    """Rank all components of an incident by the evidence that they changed, and say whether anything did.

    Without a reader the reasons carry no citations.
    """
    view = build_view(tables)
    graph = build_graph(view)
    suspects = rank_findings(*_evidence(view, graph))
    citer = Citer(tables, reader)
    tied = ties(suspects)
    verdict, why = _verdict(view, suspects)
    onset = view.onset
    return Diagnosis(
        incident_id=tables.evidence.incident_id,
        verdict=verdict,
        verdict_reason=why,
        onset=None if onset is None or not onset.inferred else rfc3339(onset.estimate),
        onset_interval=None
        if onset is None or not onset.inferred
        else Interval(earliest=rfc3339(onset.earliest), latest=rfc3339(onset.latest)),
        ranking=tuple(_ranked(suspect, tied[suspect.component], citer) for suspect in suspects),
        graph={caller: list(called) for caller, called in sorted(graph.callees.items()) if called},
        symptom=view.symptom,
        modalities=_modalities(view),
    )


def _evidence(view: View, graph: Graph) -> tuple[list[Finding], Graph, Mapping[ReasonTerm, float]]:
    """Run all analyses over the onsets worth trying, and add what is known besides telemetry."""
    starts = view.starts()
    runs = [_measured(view.at(start), graph) for start in starts]
    traced = any(has_spans for has_spans, _ in runs)
    findings = averaged([found for has_spans, found in runs if has_spans or not traced])
    weights = WEIGHTS if traced else METRICS_ONLY
    seen: dict[str, float] = {}
    for finding in findings:
        strength = weights[finding.term] * finding.strength
        seen[finding.component] = max(seen.get(finding.component, 0.0), strength)
    work = work_of_components(view, graph)
    findings += [*load_findings(view, graph, work), *change_findings(view, seen), *alert_findings(view)]
    return findings, graph, weights


def _measured(view: View, graph: Graph) -> tuple[bool, list[Finding]]:
    """Run all analyses of telemetry for one onset, and the rules that explain findings away."""
    work = work_of_components(view, graph)
    traffic = traffic_ratios(view, work)
    findings = [
        *metric_findings(deviations(view, traffic)),
        *own_time_findings(view, graph),
        *gap_findings(view, graph),
        *structure_findings(view, graph),
        *failure_findings(view, graph),
        *novelty_findings(view, traffic),
    ]
    traced = bool((view.phase == DURING).any())
    if not traced:
        # A deviation on its own counts less than one that moves with the symptom.
        findings = [f.scaled(_ALONE) if f.term == "symptom_metric" else f for f in findings]
        findings += comovement_findings(view, graph)
    return traced, explain_away(findings, view, graph, work, failure_times(view, graph))


def rfc3339(time_ns: int) -> str:
    """Write UTC nanoseconds as RFC 3339 with milliseconds."""
    moment = datetime.fromtimestamp(time_ns // 1_000_000_000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_ns // 1_000_000 % 1000:03d}Z"


def _ranked(suspect: Suspect, tied: tuple[str, ...], citer: Citer) -> RankedComponent:
    classes: Counter[str] = Counter()
    for finding, share in suspect.shares:
        if finding.fault_class:
            classes[finding.fault_class] += round(share * 1e6)
    fault_class = max(sorted(classes), key=lambda name: classes[name]) if classes else None
    return RankedComponent(
        component=suspect.component,
        score=suspect.score,
        fault_class=fault_class,
        reasons=tuple(
            finding.reason(share, citer.cite(finding)) for finding, share in suspect.shares if share > 0
        ),
        tied_with=tied if suspect.score > 0 else (),
    )


def _verdict(view: View, suspects: tuple[Suspect, ...]) -> tuple[Verdict, str]:
    """Say whether there is an incident at all, and why; `healthy` only where the telemetry could tell."""
    logs = pc.sum(pc.equal(view.tables.events.column("kind").cast(pa.string()), "log")).as_py()
    if not (len(view.spans) or view.series or logs):
        return "insufficient_evidence", "No telemetry was held besides the alert."
    top = suspects[0] if suspects else None
    if top is not None and top.score >= _needed(view, top):
        return "incident", f"{top.component} deviates most from its baseline. {top.shares[0][0].detail}"
    modalities = _modalities(view)
    if "present" not in modalities.values():
        states = ", ".join(f"{kind}: {state}" for kind, state in sorted(modalities.items()))
        return "insufficient_evidence", f"No telemetry can be compared with a baseline ({states})."
    if not view.alerts:
        return "healthy", "No component deviates clearly from its baseline, and no alert fired."
    if view.symptom is not None and view.symptom not in _observed(view):
        return "insufficient_evidence", f"An alert names {view.symptom}, of which no telemetry was held."
    return "healthy", "An alert fired, but no component deviates clearly from its baseline."


def _needed(view: View, top: Suspect) -> float:
    """Give the score that makes an incident: more where neither an alert nor a trace or log speaks for it."""
    direct = sum(share for finding, share in top.shares if finding.term in _DIRECT)
    return NOTEWORTHY if view.alerts or direct >= NOTEWORTHY / 2 else UNALERTED


def _observed(view: View) -> frozenset[str]:
    measured = {series.component for series, _ in view.series if series.component and len(series.incident)}
    return frozenset(measured | set(view.spans.service.names))


def _modalities(view: View) -> dict[str, str]:
    spans = view.spans
    metrics_held = any(len(series.incident) for series, _ in view.series)
    metric_base = any(
        len(series.reference) or len(series.incident.between(0, view.calm_before()))
        for series, _ in view.series
    )
    rows = view.records.rows
    times = integers(view.tables.events.column("time_ns").take(pa.array(rows)), -1)
    reference = reference_rows(view.tables, rows)
    logs_before = reference | ((times >= 0) & (times < view.calm_before()))
    return {
        "logs": _state(bool((~reference).any()), bool(logs_before.any())),
        "traces": _state(
            bool((view.phase == DURING).any()), bool((view.phase == CALM).any() or spans.reference.any())
        ),
        "metrics": _state(metrics_held, metric_base),
    }


def _state(held: bool, baseline: bool) -> str:
    return "missing" if not held else "present" if baseline else "no baseline"
