"""The pen of the deterministic drafter: collects sentences with their evidence, section by section.

A sentence is written only when there is something to cite; a fact without bytes stays in `facts.json`.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from incident_pipeline.drafting.wording import plain
from incident_pipeline.errors import UnreadableInputError
from incident_pipeline.model.draft import DraftSentence

if TYPE_CHECKING:
    from collections.abc import Iterable

    from incident_pipeline.drafting.inputs import DraftInputs
    from incident_pipeline.model.citation import Citation, ClaimType, Derived
    from incident_pipeline.model.draft import Section
    from incident_pipeline.model.facts import AlertFact, ChangeFact

MAX_CITATIONS = 6
"""A reader checks a few records, not fifty; the rest stay in the hypothesis."""


class Writer:
    """Collects the sentences of one draft."""

    def __init__(self, inputs: DraftInputs) -> None:
        """Write about this incident."""
        self.inputs = inputs
        self.facts = inputs.facts
        self.sentences: list[DraftSentence] = []

    def say(
        self,
        section: Section,
        text: str,
        citations: Iterable[Citation],
        *,
        claim: ClaimType = "observed",
        derived: tuple[Derived, ...] = (),
        components: Iterable[str | None] = (),
    ) -> None:
        """Add a sentence, unless nothing can be cited for it."""
        cited = tuple(dict.fromkeys(citations))[:MAX_CITATIONS]
        if not cited:
            return
        self.sentences.append(
            DraftSentence(
                section=section,
                text=plain(text),
                claim_type=claim,
                citations=cited,
                derived_from=derived,
                components=tuple(name for name in components if name),
            )
        )

    @cached_property
    def bounds(self) -> tuple[Citation, ...]:
        """Cite the first and the last record of the timeline: the window in which absence may be claimed."""
        entries = self.inputs.timeline.entries
        found = [
            self.inputs.citer.place(entry.artifact, entry.message) for entry in (*entries[:1], *entries[-1:])
        ]
        cited = tuple(dict.fromkeys(citation for citation in found if citation is not None))
        return cited or self._heads()

    def _heads(self) -> tuple[Citation, ...]:
        """Cite the heads of the artifacts, where no record has a place."""
        found: list[Citation] = []
        for artifact in self.inputs.evidence.artifacts:
            head = self.head(artifact.sha256)
            if head is not None:
                found.append(head)
        return tuple(found[:2])

    def head(self, sha256: str) -> Citation | None:
        """Cite the first bytes of an artifact; None when they are no text or can't be decompressed."""
        reader = self.inputs.reader
        try:
            data = reader.decoded(sha256)
        except UnreadableInputError:
            return None
        citation = reader.cite(sha256, 0, min(len(data), 200))
        return citation if citation.excerpt.strip() else None

    def alert_citations(self, alert: AlertFact, *, resolved: bool = False) -> tuple[Citation, ...]:
        """Cite the notification that fired an alert, or the one that resolved it."""
        return self.inputs.citer.events(alert.resolved_event_id if resolved else alert.event_id)

    def change_citations(self, change: ChangeFact) -> tuple[Citation, ...]:
        """Cite the entry of a change."""
        return self.inputs.citer.events(change.event_id)

    def hypothesis_citations(self, hypothesis_id: str) -> tuple[Citation, ...]:
        """Cite the evidence of a hypothesis: its own first, then what its checks cite."""
        inputs = self.inputs
        proposal = inputs.hypotheses.hypotheses[inputs.proposal_index(hypothesis_id)]
        outcome = inputs.outcomes.get(hypothesis_id)
        cited = (*proposal.evidence, *(outcome.citations if outcome else ()))
        return tuple(dict.fromkeys(cited)) or self.bounds

    def hypothesis_derived(self, hypothesis_id: str, *fields: str) -> tuple[Derived, ...]:
        """Point at fields of a settled hypothesis, and at its summary where code wrote it."""
        inputs = self.inputs
        outcome = inputs.outcome_index(hypothesis_id)
        places = inputs.derived(
            "validated_checks.json", *(f"/hypotheses/{outcome}/{name}" for name in fields)
        )
        index = inputs.proposal_index(hypothesis_id)
        if inputs.hypotheses.hypotheses[index].origin == "deterministic":
            places += inputs.derived(
                "hypotheses.json", f"/hypotheses/{index}/summary", f"/hypotheses/{index}/mechanism"
            )
        return places


def sentence_of(text: str) -> str:
    """Give a phrase without its final full stop, to be put into a sentence."""
    return plain(text).rstrip(" .")
