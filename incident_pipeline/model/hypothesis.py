"""Diagnosis and hypotheses: what the deterministic analysis proposes before any check ran."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from incident_pipeline.model.base import Frozen
from incident_pipeline.model.check import CheckSpec, Scalar
from incident_pipeline.model.citation import Citation

ReasonTerm = Literal[
    "resource",  # a resource metric (CPU, memory, pool, queue, I/O) left its baseline
    "symptom_metric",  # latency, error or traffic metric left its baseline
    "own_time",  # spans take longer themselves, children aside
    "gap",  # time lost between caller and callee
    "structure",  # child calls or logs per span changed
    "error",  # share of failing spans or records rose
    "log_novelty",  # a log template appeared or multiplied
    "load",  # more calls than before
    "change",  # a change near the onset
    "alert",  # an alert names it
]
"""Which analysis found it."""
Verdict = Literal["incident", "healthy", "insufficient_evidence"]


class Reason(Frozen):
    """One finding that speaks for a component: what was measured, and its share of the score."""

    term: ReasonTerm
    detail: str
    score: float
    baseline: float | None = None
    observed: float | None = None
    unit: str | None = None
    facts: dict[str, Scalar] = Field(default_factory=dict)
    """What a check needs to look at the same thing again: series_id, metric, operation, event_id, ..."""
    citations: tuple[Citation, ...] = ()


class RankedComponent(Frozen):
    """A component that was considered, with the evidence that speaks for it."""

    component: str
    kind: str = "service"
    score: float
    fault_class: str | None = None
    reasons: tuple[Reason, ...] = ()
    tied_with: tuple[str, ...] = ()


class Interval(Frozen):
    """An onset and how far it could lie to either side, RFC 3339 UTC."""

    earliest: str
    latest: str


class Diagnosis(Frozen):
    """The ranking over all components, best first, and whether there is an incident at all."""

    schema_version: Literal[1] = 1
    incident_id: str
    verdict: Verdict
    verdict_reason: str
    onset: str | None
    onset_interval: Interval | None
    ranking: tuple[RankedComponent, ...]
    graph: dict[str, list[str]] = Field(default_factory=dict)
    """Caller to callees, both sorted."""
    symptom: str | None = None
    """The component the alert names, if any."""
    modalities: dict[str, str] = Field(default_factory=dict)
    """Per kind of telemetry: `present`, `no baseline` or `missing`."""


class Hypothesis(Frozen):
    """A proposed cause, with the evidence for it and the checks that would refute it."""

    rank: int
    id: str
    summary: str
    component: str
    kind: str
    """The fault class: resource, network, code, change, capacity, external, load, unknown."""
    mechanism: str
    confidence: int = Field(ge=0, le=100)
    """Prior, before checks ran."""
    origin: Literal["deterministic", "model"] = "deterministic"
    evidence: tuple[Citation, ...]
    tests: tuple[CheckSpec, ...]
    explains: tuple[str, ...] = ()
    """Ids of the hypotheses that this one, if it holds, would bring about: those are no root cause then."""


class Hypotheses(Frozen):
    """The proposal: at most five hypotheses, best first."""

    schema_version: Literal[1] = 1
    incident_id: str
    hypotheses: tuple[Hypothesis, ...] = Field(max_length=5)
