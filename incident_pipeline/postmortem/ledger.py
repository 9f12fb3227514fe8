"""The sentence ledger: one row per statement of the postmortem, from the text down to bytes.

Rows are numbered `S1`, `S2`, ... in the order in which a reader meets them. `where` is the JSON pointer of
the text itself in `postmortem.json`, so that a verifier compares equal strings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from incident_pipeline.model.citation import Ledger, Sentence

if TYPE_CHECKING:
    from incident_pipeline.model.citation import Citation, ClaimType, Derived

_FILE: Final = "postmortem.json"


class LedgerBuilder:
    """Numbers statements and keeps their rows."""

    def __init__(self, incident_id: str) -> None:
        """Start the ledger of one incident."""
        self._incident_id = incident_id
        self._rows: list[Sentence] = []

    def add(
        self,
        pointer: str,
        text: str,
        claim_type: ClaimType,
        citations: tuple[Citation, ...],
        derived_from: tuple[Derived, ...] = (),
    ) -> str:
        """Enter a statement that stands at `pointer` in the postmortem and give its id."""
        sentence_id = f"S{len(self._rows) + 1}"
        self._rows.append(
            Sentence(
                id=sentence_id,
                where=f"{_FILE}#{pointer}",
                text=text,
                claim_type=claim_type,
                citations=citations,
                derived_from=derived_from,
            )
        )
        return sentence_id

    def build(self) -> Ledger:
        """Give the finished ledger."""
        return Ledger(incident_id=self._incident_id, sentences=tuple(self._rows))


def place_of(citation: Citation) -> str:
    """Name a citation's place for people: `uri#line-N`, else `uri#bytes-A-B`."""
    if citation.line is not None:
        return f"{citation.uri}#line-{citation.line}"
    return f"{citation.uri}#bytes-{citation.byte_start}-{citation.byte_end}"
