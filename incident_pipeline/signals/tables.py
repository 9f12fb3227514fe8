"""The tables of one incident as the analyses read them, with the role of each artifact beside.

Roles are no columns of the event table: they come from the seal. `reference` artifacts show the calm
system; the timeline and the verdicts look at `incident` artifacts only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from incident_pipeline.parsers.table import read_table

if TYPE_CHECKING:
    from incident_pipeline.model.artifact import SealedEvidence
    from incident_pipeline.results import ResultsFolder


@dataclass(frozen=True)
class IncidentTables:
    """Events, samples and series (schemas in `parsers.table`), and what was sealed."""

    events: pa.Table
    samples: pa.Table
    series: pa.Table
    evidence: SealedEvidence

    @classmethod
    def read(cls, folder: ResultsFolder, evidence: SealedEvidence) -> IncidentTables:
        """Read the tables that the parse stage left in a results folder."""
        return cls(
            events=read_table(folder.events),
            samples=read_table(folder.samples),
            series=read_table(folder.series),
            evidence=evidence,
        )

    def events_of(self, role: str) -> pa.Table:
        """Give the events of the artifacts with this role, in table order."""
        return self.events.filter(pc.field("artifact_sha256").isin(self._digests(role)))

    def series_of(self, role: str) -> pa.Table:
        """Give the series of the artifacts with this role, in table order."""
        return self.series.filter(pc.field("artifact_sha256").isin(self._digests(role)))

    def _digests(self, role: str) -> pa.Array:
        digests = [artifact.sha256 for artifact in self.evidence.artifacts if artifact.role == role]
        return pa.array(digests, pa.string())
