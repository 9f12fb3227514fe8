"""A draft: sentences and action items with their evidence, before they are put into a postmortem.

Deterministic drafter and assistant hand over the same type, and the same guard looks at both.
"""

from __future__ import annotations

from typing import Literal

from incident_pipeline.model.base import Frozen
from incident_pipeline.model.citation import Citation, ClaimType, Derived

Section = Literal[
    "summary", "impact", "detection", "response", "contributing_factors",
    "went_well", "went_badly", "got_lucky", "open_questions",
]  # fmt: skip


class DraftSentence(Frozen):
    """One sentence of one section, with everything it rests on."""

    section: Section
    text: str
    claim_type: ClaimType
    citations: tuple[Citation, ...]
    derived_from: tuple[Derived, ...] = ()
    components: tuple[str, ...] = ()
    """Names of services that the sentence uses as such."""


class DraftAction(Frozen):
    """One action item: who, what, by when, and the cause whose evidence it cites."""

    owner: str
    action: str
    deadline: str
    type: Literal["prevent", "detect", "mitigate", "process", "other"]
    priority: Literal["P1", "P2", "P3"]
    hypothesis: str | None
    citations: tuple[Citation, ...]
    derived_from: tuple[Derived, ...] = ()
    components: tuple[str, ...] = ()


class Refusal(Frozen):
    """A statement that the guard refused: its text stands in the audit trail only."""

    section: str
    text: str
    reason: str


class Draft(Frozen):
    """What a drafter hands over after the guard: accepted statements, and what was refused."""

    drafted_by: str
    sentences: tuple[DraftSentence, ...]
    actions: tuple[DraftAction, ...]
    refused: tuple[Refusal, ...] = ()
