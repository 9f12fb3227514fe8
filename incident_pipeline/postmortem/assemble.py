"""Put a draft, the timeline and the settled hypotheses together: the postmortem and its ledger.

Every statement, excerpt row, hypothesis summary and action item gets a ledger row; what can't have one
(no bytes to cite) is left out and counted as refused. Field names follow the seed sample of the
postmortem (`incident_id, summary, timeline_excerpt, top_hypotheses, action_items`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from incident_pipeline.drafting.guard import ClaimGuard
from incident_pipeline.drafting.wording import plain
from incident_pipeline.model.draft import DraftSentence, Refusal
from incident_pipeline.model.postmortem import (
    ActionItem,
    Honesty,
    KeyTimes,
    Moment,
    Postmortem,
    Statement,
    TimelineExcerptRow,
    TopHypothesis,
)
from incident_pipeline.postmortem.coverage_rows import coverage_rows
from incident_pipeline.postmortem.excerpt import choose_entries, event_text
from incident_pipeline.postmortem.ledger import LedgerBuilder, place_of
from incident_pipeline.postmortem.told import claim_rows, moment_rows, moments_as_key_times, phase_rows

if TYPE_CHECKING:
    from incident_pipeline.drafting.inputs import DraftInputs
    from incident_pipeline.model.citation import Citation, ClaimType, Derived, Ledger
    from incident_pipeline.model.draft import Draft, Section
    from incident_pipeline.model.facts import Facts

_REPORTED: Final = frozenset({"chat", "ticket", "transcript"})
_MAX_HYPOTHESIS_CITATIONS: Final = 8


def assemble(inputs: DraftInputs, draft: Draft) -> tuple[Postmortem, Ledger]:
    """Assemble the postmortem of one incident and the ledger of its sentences."""
    postmortem, ledger, _ = assemble_with_refusals(inputs, draft)
    return postmortem, ledger


def assemble_with_refusals(
    inputs: DraftInputs, draft: Draft
) -> tuple[Postmortem, Ledger, tuple[Refusal, ...]]:
    """Assemble, and give all refused statements too: their text belongs into the audit trail only."""
    assembler = _Assembler(inputs, draft)
    postmortem, ledger = assembler.run()
    return postmortem, ledger, (*draft.refused, *assembler.refused)


class _Assembler:
    def __init__(self, inputs: DraftInputs, draft: Draft) -> None:
        self.inputs = inputs
        self.draft = draft
        self.guard = ClaimGuard(inputs)
        self.rows = LedgerBuilder(inputs.evidence.incident_id)
        self.refused: list[Refusal] = []

    def run(self) -> tuple[Postmortem, Ledger]:
        inputs, draft = self.inputs, self.draft
        summary = self._statements("summary", "summary_statements")
        moments = moment_rows(inputs, self._enter)
        impact = self._statements("impact")
        hypotheses = self._hypotheses()
        detection = self._statements("detection")
        response = self._statements("response")
        factors = self._statements("contributing_factors")
        well = self._statements("went_well")
        badly = self._statements("went_badly")
        lucky = self._statements("got_lucky")
        questions = self._statements("open_questions")
        claims = claim_rows(inputs, self._enter)
        actions = self._actions()
        excerpt = self._excerpt()
        ledger = self.rows.build()
        postmortem = Postmortem(
            incident_id=inputs.evidence.incident_id,
            title=plain(inputs.evidence.title or "") or f"Incident {inputs.evidence.incident_id}",
            severity=inputs.evidence.severity,
            drafted_by=draft.drafted_by,
            verdict=inputs.diagnosis.verdict,
            summary=" ".join(statement.text for statement in summary),
            summary_statements=summary,
            timeline_excerpt=excerpt,
            timeline_total=inputs.timeline.total,
            top_hypotheses=hypotheses,
            action_items=actions,
            impact=impact,
            detection=detection,
            response=response,
            contributing_factors=factors,
            went_well=well,
            went_badly=badly,
            got_lucky=lucky,
            open_questions=questions,
            key_times=moments_as_key_times(inputs, key_times(inputs.facts)),
            moments=moments,
            phases=phase_rows(inputs),
            claims=claims,
            coverage=coverage_rows(inputs),
            coverage_remarks=inputs.coverage.remarks if inputs.coverage else (),
            problems=(*inputs.evidence.problems, *inputs.parse_report.problems),
            honesty=self._honesty(ledger),
            evidence_root=inputs.evidence.evidence_root,
            merkle_root=inputs.timeline.merkle_root,
        )
        return postmortem, ledger

    def _statements(self, section: Section, field: str | None = None) -> tuple[Statement, ...]:
        found: list[Statement] = []
        for sentence in self.draft.sentences:
            if sentence.section != section:
                continue
            pointer = f"/{field or section}/{len(found)}/text"
            row = self.rows.add(
                pointer, sentence.text, sentence.claim_type, sentence.citations, sentence.derived_from
            )
            found.append(Statement(id=row, text=sentence.text))
        return tuple(found)

    def _enter(
        self,
        section: str,
        pointer: str,
        text: str,
        claim_type: ClaimType,
        citations: tuple[Citation, ...],
        derived: tuple[Derived, ...],
    ) -> Statement | None:
        """Enter a sentence in the ledger, unless the guard refuses it."""
        reason = self._refusal(text, citations, derived)
        if reason is not None:
            self.refused.append(Refusal(section=section, text=text, reason=reason))
            return None
        return Statement(id=self.rows.add(pointer, text, claim_type, citations, derived), text=text)

    def _hypotheses(self) -> tuple[TopHypothesis, ...]:
        found: list[TopHypothesis] = []
        for proposal, outcome in self.inputs.settled:
            cited = tuple(dict.fromkeys((*proposal.evidence, *outcome.citations)))[:_MAX_HYPOTHESIS_CITATIONS]
            index = self.inputs.outcome_index(outcome.id)
            derived = self.inputs.derived("validated_checks.json", f"/hypotheses/{index}")
            if proposal.origin == "deterministic":
                position = self.inputs.proposal_index(proposal.id)
                derived += self.inputs.derived("hypotheses.json", f"/hypotheses/{position}")
            summary = plain(proposal.summary)
            reason = self._refusal(summary, cited, derived)
            if reason is not None:
                # The card stays, so that no hypothesis vanishes; only the refused wording goes.
                self.refused.append(Refusal(section="top_hypotheses", text=summary, reason=reason))
                summary = f"A cause in {plain(proposal.component)}; its wording was refused"
                cited = tuple(citation for citation in cited if self.guard.resolves(citation))
            if not cited:
                continue
            row = self.rows.add(f"/top_hypotheses/{len(found)}/summary", summary, "inferred", cited, derived)
            found.append(
                TopHypothesis(
                    id=proposal.id,
                    rank=proposal.rank,
                    summary=summary,
                    sentence_id=row,
                    component=proposal.component,
                    kind=proposal.kind,
                    status=outcome.status,
                    role=outcome.role,
                    confidence=outcome.confidence,
                    prior=proposal.confidence,
                    evidence=tuple(place_of(citation) for citation in cited),
                    validation_checks=outcome.checks,
                )
            )
        return tuple(found)

    def _actions(self) -> tuple[ActionItem, ...]:
        found: list[ActionItem] = []
        for item in self.draft.actions:
            row = self.rows.add(
                f"/action_items/{len(found)}/action",
                item.action,
                "inferred",
                item.citations,
                item.derived_from,
            )
            found.append(
                ActionItem(
                    owner=item.owner,
                    action=item.action,
                    deadline=item.deadline,
                    type=item.type,
                    priority=item.priority,
                    sentence_id=row,
                    hypothesis=item.hypothesis,
                )
            )
        return tuple(found)

    def _excerpt(self) -> tuple[TimelineExcerptRow, ...]:
        found: list[TimelineExcerptRow] = []
        for index, entry in choose_entries(self.inputs.timeline.entries):
            citation = self.inputs.citer.place(entry.artifact, entry.message)
            text = event_text(entry)
            derived = self.inputs.derived("timeline.json", f"/entries/{index}")
            cited = () if citation is None else (citation,)
            reason = self._refusal(text, cited, derived)
            if reason is not None:
                self.refused.append(Refusal(section="timeline_excerpt", text=text, reason=reason))
                continue
            row = self.rows.add(
                f"/timeline_excerpt/{len(found)}/event",
                text,
                "reported" if entry.type in _REPORTED else "observed",
                cited,
                derived,
            )
            found.append(
                TimelineExcerptRow(
                    time=entry.time,
                    event=text,
                    sentence_id=row,
                    type=entry.type,
                    artifact=f"{entry.artifact.uri} (sha256:{entry.artifact.sha256})",
                )
            )
        return tuple(found)

    def _refusal(
        self, text: str, citations: tuple[Citation, ...], derived: tuple[Derived, ...]
    ) -> str | None:
        sentence = DraftSentence(
            section="summary",
            text=text,
            claim_type="observed",
            citations=citations,
            derived_from=derived,
        )
        return self.guard.refusal(sentence)

    def _honesty(self, ledger: Ledger) -> Honesty:
        facts = self.inputs.facts
        return Honesty(
            sentences=len(ledger.sentences),
            sentences_with_citations=sum(bool(sentence.citations) for sentence in ledger.sentences),
            citations=sum(len(sentence.citations) for sentence in ledger.sentences),
            refused_statements=len(self.draft.refused) + len(self.refused),
            hypotheses_supported=facts.hypotheses_supported,
            hypotheses_refuted=facts.hypotheses_refuted,
            hypotheses_inconclusive=facts.hypotheses_inconclusive,
            checks_run=facts.checks_run,
            checks_without_data=facts.checks_without_data,
        )


def key_times(facts: Facts) -> KeyTimes:
    """Give the seven times that regulators ask for, each with its source event; unknown ones stay null.

    The onset is an estimate of the diagnosis. Nothing in telemetry says when an incident was classified.
    """
    alert = None if facts.first_alert is None else facts.alerts[facts.first_alert]
    person = None if facts.first_human_message is None else facts.messages[facts.first_human_message]
    change = None if facts.mitigation is None else facts.changes[facts.mitigation.change]
    door = facts.front_door
    last = next((item for item in facts.alerts if facts.ended_ns and item.end_ns == facts.ended_ns), None)
    return KeyTimes(
        occurred_at=Moment(time=facts.onset, basis="estimate") if facts.onset else None,
        detected_at=Moment(time=alert.start, basis="actual", event_id=alert.event_id) if alert else None,
        aware_at=Moment(time=person.time, basis="actual", event_id=person.event_id) if person else None,
        service_restored_at=(
            Moment(time=door.last_failed, basis="estimate", event_id=door.last_failed_event_id)
            if door
            else None
        ),
        root_cause_fixed_at=(
            Moment(time=change.time, basis="estimate", event_id=change.event_id) if change else None
        ),
        resolved_at=(
            Moment(time=facts.ended, basis="actual", event_id=last.resolved_event_id)
            if facts.ended and last
            else None
        ),
    )
