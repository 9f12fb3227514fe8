"""Diagnosis and hypotheses: what the deterministic analysis proposes before any check ran."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from incident_pipeline.model.base import Frozen
from incident_pipeline.model.check import CheckSpec
from incident_pipeline.model.citation import Citation

Verdict = Literal["incident", "healthy", "insufficient_evidence"]


class Reason(Frozen):
    """One finding that speaks for a component: what was measured, and its share of the score."""

    term: str
    """Which analysis found it: resource, own_time, gap, structure, error, change, alert..."""
    detail: str
    score: float
    baseline: float | None = None
    observed: float | None = None
    unit: str | None = None
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


class Hypotheses(Frozen):
    """The proposal: at most five hypotheses, best first."""

    schema_version: Literal[1] = 1
    incident_id: str
    hypotheses: tuple[Hypothesis, ...] = Field(max_length=5)
