"""A finding: what one analysis measured about one component, before it becomes a reason in the ranking.

Strength is 0 to 1 and says how sure this analysis is that the component changed. Places are byte
ranges of records; they become citations only for the findings that are written.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from incident_pipeline.model.hypothesis import Reason

if TYPE_CHECKING:
    from incident_pipeline.model.check import Scalar
    from incident_pipeline.model.citation import Citation
    from incident_pipeline.model.hypothesis import ReasonTerm


@dataclass(frozen=True)
class EventPlace:
    """A row of the event table, by index."""

    row: int


@dataclass(frozen=True)
class SamplePlace:
    """A sample of a series, by time (UTC nanoseconds)."""

    series_ids: tuple[str, ...]
    time_ns: int


Place = EventPlace | SamplePlace


@dataclass(frozen=True)
class Finding:
    """One measured deviation of one component."""

    component: str
    term: ReasonTerm
    strength: float
    detail: str
    baseline: float | None = None
    observed: float | None = None
    unit: str | None = None
    fault_class: str | None = None
    facts: dict[str, Scalar] = field(default_factory=dict)
    places: tuple[Place, ...] = ()

    def scaled(self, factor: float) -> Finding:
        """Give the same finding with its strength multiplied."""
        return replace(self, strength=self.strength * factor)

    def reason(self, score: float, citations: tuple[Citation, ...]) -> Reason:
        """Give the finding as it is written: with its share of the score and its citations."""
        return Reason(
            term=self.term,
            detail=self.detail,
            score=quantise(score),
            baseline=None if self.baseline is None else quantise(self.baseline),
            observed=None if self.observed is None else quantise(self.observed),
            unit=self.unit,
            facts={
                key: quantise(value) if isinstance(value, float) else value
                for key, value in sorted(self.facts.items())
            },
            citations=citations,
        )


def shown(text: str, length: int = 120) -> str:
    """Give evidence text as it may stand in a sentence: on one line, without control characters, cut."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= length else line[: length - 1] + "\u2026"


def quantise(value: float) -> float:
    """Round to 1e-6, the grain of every number that is ranked or written; -0.0 becomes 0.0."""
    return round(float(value), 6) + 0.0


def strongest(findings: list[Finding], *, per_component: int = 1) -> list[Finding]:
    """Keep the strongest findings of each component; equal ones are ordered by what they say."""
    kept: list[Finding] = []
    seen: dict[str, int] = {}
    for finding in sorted(findings, key=lambda f: (-quantise(f.strength), f.component, f.detail)):
        count = seen.get(finding.component, 0)
        if count < per_component:
            kept.append(finding)
            seen[finding.component] = count + 1
    return kept
