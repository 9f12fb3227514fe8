"""From findings to a ranking: explain away along the graph, weigh, add, order, and name ties.

Symptoms climb from callee to caller, so a caller keeps of each term only what nothing below it shows
more strongly. The score is the weighted sum over the terms plus the largest of them: one strong and
specific finding counts for more than many weak ones. Scores are quantised before anything is ordered;
components with equal scores are tied and listed by name.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from incident_pipeline.diagnosis.finding import Finding, quantise

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from incident_pipeline.diagnosis.graph import Graph
    from incident_pipeline.model.hypothesis import ReasonTerm

WEIGHTS: Final[dict[ReasonTerm, float]] = {
    "resource": 1.0,
    "gap": 1.0,
    "structure": 1.0,
    "error": 1.0,
    "log_novelty": 0.5,
    "own_time": 0.4,
    "load": 0.1,
    "symptom_metric": 0.1,
    "change": 0.25,
    "alert": 0.02,
}
"""Own time and symptoms also rise from waiting; a change or an alert is a prior, never a proof."""
METRICS_ONLY: Final[dict[ReasonTerm, float]] = {**WEIGHTS, "symptom_metric": 1.0}
"""Without traces, who moves with the symptom is the best there is."""
EXPLAINED: Final = 0.8
"""The part of a callee's evidence that its callers' is put down to."""
_OWN_CAUSE: Final[frozenset[ReasonTerm]] = frozenset({"resource", "load", "change", "alert"})
"""Not inherited from callees: a starving caller is its own cause."""

_REACTIONS: Final[frozenset[ReasonTerm]] = frozenset({"structure", "log_novelty"})
"""Callers log, retry and give up when a callee fails: its failures account for these as well."""


@dataclass(frozen=True)
class Suspect:
    """A component with its score and, per finding kept, the share of the score."""

    component: str
    score: float
    shares: tuple[tuple[Finding, float], ...]


def rank_findings(
    findings: Iterable[Finding], graph: Graph, weights: Mapping[ReasonTerm, float]
) -> tuple[Suspect, ...]:
    """Rank all components of the graph, best first; equal scores by name."""
    best = strongest_per_term(findings)
    below = {component: graph.below(component) for component in graph.components}
    kept: dict[str, list[tuple[Finding, float]]] = {component: [] for component in graph.components}
    for (component, term), finding in sorted(best.items()):
        if component in kept:
            left = finding.strength - _explained(best, below[component], term)
            if left > 0:
                kept[component].append((finding, weights[term] * left))
    suspects = [_suspect(component, shares) for component, shares in kept.items()]
    return tuple(sorted(suspects, key=lambda s: (-s.score, s.component)))


def averaged(runs: list[list[Finding]]) -> list[Finding]:
    """Average the strengths of several runs; the sentence is that of the first run that has the finding."""
    if len(runs) == 1:
        return runs[0]
    best = [strongest_per_term(run) for run in runs]
    keys = sorted({key for run in best for key in run})
    out = []
    for key in keys:
        found = [run[key] for run in best if key in run]
        mean = sum(finding.strength for finding in found) / len(runs)
        out.append(replace(found[0], strength=mean))
    return out


def strongest_per_term(findings: Iterable[Finding]) -> dict[tuple[str, ReasonTerm], Finding]:
    """Give the strongest finding per component and term; equal ones are told apart by their text."""
    best: dict[tuple[str, ReasonTerm], Finding] = {}
    for finding in sorted(findings, key=lambda f: (-quantise(f.strength), f.detail)):
        best.setdefault((finding.component, finding.term), finding)
    return best


def ties(suspects: tuple[Suspect, ...]) -> dict[str, tuple[str, ...]]:
    """Give, per component, the others with the same score, by name."""
    groups: dict[float, list[str]] = {}
    for suspect in suspects:
        groups.setdefault(suspect.score, []).append(suspect.component)
    return {
        suspect.component: tuple(sorted(set(groups[suspect.score]) - {suspect.component}))
        for suspect in suspects
    }


def _explained(best: dict[tuple[str, ReasonTerm], Finding], below: frozenset[str], term: ReasonTerm) -> float:
    if term in _OWN_CAUSE:
        return 0.0
    terms: tuple[ReasonTerm, ...] = (term, "error") if term in _REACTIONS else (term,)
    found = [best[(callee, t)].strength for callee in below for t in terms if (callee, t) in best]
    return EXPLAINED * max(found, default=0.0)


def _suspect(component: str, shares: list[tuple[Finding, float]]) -> Suspect:
    if not shares:
        return Suspect(component, 0.0, ())
    ordered = sorted(shares, key=lambda pair: (-quantise(pair[1]), pair[0].term, pair[0].detail))
    top = ordered[0][1]
    doubled = [(ordered[0][0], 2 * top), *ordered[1:]]
    return Suspect(component, quantise(sum(share for _, share in doubled)), tuple(doubled))
