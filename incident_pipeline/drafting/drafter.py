"""The deterministic drafter: sentences from templates over facts, then the claim guard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from incident_pipeline.drafting import findings, narrative, response
from incident_pipeline.drafting.actions import write_actions
from incident_pipeline.drafting.guard import ClaimGuard
from incident_pipeline.drafting.writer import Writer
from incident_pipeline.model.draft import Draft

if TYPE_CHECKING:
    from incident_pipeline.drafting.inputs import DraftInputs

DRAFTED_BY: Final = "deterministic drafter"

_SECTIONS: Final = (
    narrative.write_summary,
    narrative.write_impact,
    response.write_detection,
    response.write_response,
    findings.write_contributing_factors,
    findings.write_went_well,
    findings.write_went_badly,
    findings.write_got_lucky,
    findings.write_open_questions,
)


def draft(inputs: DraftInputs) -> Draft:
    """Draft the postmortem of one incident without any model: the same inputs give the same draft."""
    writer = Writer(inputs)
    for write in _SECTIONS:
        write(writer)
    actions = write_actions(writer)
    sentences, kept, refused = ClaimGuard(inputs).sift(writer.sentences, actions)
    return Draft(drafted_by=DRAFTED_BY, sentences=sentences, actions=kept, refused=refused)
