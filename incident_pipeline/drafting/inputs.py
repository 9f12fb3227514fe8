"""Everything a drafter may read: validated results and sealed evidence, nothing else.

A drafter sees no raw text beyond what timeline, diagnosis and checks point at. Result files are known
by the digest of their canonical bytes, so that a sentence can name the number it states.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final

from incident_pipeline.drafting.citing import EventCiter
from incident_pipeline.drafting.facts import collect_facts
from incident_pipeline.evidence.reader import EvidenceReader, ReadsSealedBytes
from incident_pipeline.model.check import ValidatedChecks, ValidatedHypothesis
from incident_pipeline.model.citation import Derived
from incident_pipeline.model.coverage import Coverage
from incident_pipeline.model.hypothesis import Diagnosis, Hypotheses, Hypothesis
from incident_pipeline.model.report import ParseReport
from incident_pipeline.model.timeline import Timeline
from incident_pipeline.redaction import RedactionMap, read_redacted
from incident_pipeline.serialise import canonical_json, sha256_hex

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

    from incident_pipeline.model.artifact import SealedEvidence
    from incident_pipeline.model.facts import Facts
    from incident_pipeline.results import ResultsFolder
    from incident_pipeline.signals.tables import IncidentTables

FACTS: Final = "facts.json"
TIMELINE: Final = "timeline.json"
DIAGNOSIS: Final = "diagnosis.json"
HYPOTHESES: Final = "hypotheses.json"
CHECKS: Final = "validated_checks.json"
PARSE_REPORT: Final = "parse_report.json"
COVERAGE: Final = "coverage.json"


@dataclass(frozen=True)
class DraftInputs:
    """The results of the earlier stages for one incident, and the reader of its sealed evidence."""

    evidence: SealedEvidence
    tables: IncidentTables
    timeline: Timeline
    diagnosis: Diagnosis
    hypotheses: Hypotheses
    checks: ValidatedChecks
    parse_report: ParseReport
    reader: EvidenceReader
    coverage: Coverage | None = None
    """What the evidence covers; None in results that were made without it."""
    file_sha256: Mapping[str, str] = field(default_factory=dict)
    """Digests of the published result files; those not given are computed from the values."""

    @classmethod
    def read(cls, folder: ResultsFolder, evidence: SealedEvidence, vault: ReadsSealedBytes) -> DraftInputs:
        """Read what the earlier stages left in a results folder."""
        return cls(
            evidence=evidence,
            tables=read_redacted(folder, evidence),
            timeline=Timeline.model_validate_json(folder.timeline.read_bytes()),
            diagnosis=Diagnosis.model_validate_json(folder.diagnosis.read_bytes()),
            hypotheses=Hypotheses.model_validate_json(folder.hypotheses.read_bytes()),
            checks=ValidatedChecks.model_validate_json(folder.validated_checks.read_bytes()),
            parse_report=ParseReport.model_validate_json(folder.parse_report.read_bytes()),
            reader=EvidenceReader(vault, evidence.artifacts, RedactionMap.read(folder)),
            coverage=(
                Coverage.model_validate_json(folder.coverage.read_bytes())
                if folder.coverage.is_file()
                else None
            ),
        )

    @cached_property
    def facts(self) -> Facts:
        """The counts and times that sentences state (`facts.json`)."""
        return collect_facts(
            evidence=self.evidence,
            tables=self.tables,
            timeline=self.timeline,
            diagnosis=self.diagnosis,
            checks=self.checks,
            parse_report=self.parse_report,
        )

    @cached_property
    def citer(self) -> EventCiter:
        """Cites events of this incident."""
        return EventCiter(self.tables.events, self.reader)

    @cached_property
    def outcomes(self) -> dict[str, ValidatedHypothesis]:
        """The settled hypotheses by id."""
        return {hypothesis.id: hypothesis for hypothesis in self.checks.hypotheses}

    @cached_property
    def settled(self) -> tuple[tuple[Hypothesis, ValidatedHypothesis], ...]:
        """Proposal and outcome side by side: supported first, refuted last, then by settled confidence.

        A hypothesis without outcome is left out: it was never checked, so nothing may be said of it.
        """
        order = {"supported": 0, "inconclusive": 1, "refuted": 2}
        role = {"root_cause": 0, "contributing": 1, "ruled_out": 2}
        pairs = [
            (proposal, self.outcomes[proposal.id])
            for proposal in self.hypotheses.hypotheses
            if proposal.id in self.outcomes
        ]
        pairs.sort(
            key=lambda pair: (order[pair[1].status], role[pair[1].role], -pair[1].confidence, pair[0].rank)
        )
        return tuple(pairs)

    def documents(self) -> dict[str, BaseModel]:
        """Give the result files that sentences may point into, by file name."""
        documents: dict[str, BaseModel] = {
            FACTS: self.facts,
            TIMELINE: self.timeline,
            DIAGNOSIS: self.diagnosis,
            HYPOTHESES: self.hypotheses,
            CHECKS: self.checks,
            PARSE_REPORT: self.parse_report,
        }
        if self.coverage is not None:
            documents[COVERAGE] = self.coverage
        return documents

    @cached_property
    def _canonical(self) -> dict[str, bytes]:
        return {name: canonical_json(document) for name, document in self.documents().items()}

    @cached_property
    def digests(self) -> dict[str, str]:
        """SHA-256 of each result file as it is published."""
        return {
            name: self.file_sha256.get(name) or sha256_hex(data) for name, data in self._canonical.items()
        }

    @cached_property
    def values(self) -> dict[str, object]:
        """Each result file as plain JSON values."""
        return {name: json.loads(data) for name, data in self._canonical.items()}

    def derived(self, file: str, *pointers: str) -> tuple[Derived, ...]:
        """Name places in a result file."""
        return tuple(
            Derived(file=file, sha256=self.digests[file], json_pointer=pointer) for pointer in pointers
        )

    def fact(self, *pointers: str) -> tuple[Derived, ...]:
        """Name values in `facts.json`."""
        return self.derived(FACTS, *pointers)

    def proposal_index(self, hypothesis_id: str) -> int:
        """Give a hypothesis's index in `hypotheses.json`."""
        return next(i for i, h in enumerate(self.hypotheses.hypotheses) if h.id == hypothesis_id)

    def outcome_index(self, hypothesis_id: str) -> int:
        """Give a hypothesis's index in `validated_checks.json`."""
        return next(i for i, h in enumerate(self.checks.hypotheses) if h.id == hypothesis_id)
