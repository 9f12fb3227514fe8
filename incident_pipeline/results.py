"""The results folder of one incident: which files there are (design section 4.3) and where.

Only names and paths. Compared files hold no user, host, run id, clock, duration, seal digest or
absolute path; those go to `audit.jsonl`.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class ResultsFolder:
    """The paths inside `OUT/<incident key>/`."""

    root: Path

    @property
    def manifest(self) -> Path:
        """The seal: DSSE in a Sigstore bundle."""
        return self.root / "manifest.sigstore.json"

    @property
    def derived(self) -> tuple[Path, ...]:
        """Everything that was computed from the sealed evidence, in the order of the stages."""
        return (
            self.events, self.samples, self.series, self.quarantine, self.parse_report, self.templates,
            self.index, self.chunks, self.timeline_table, self.timeline, self.narrative, self.coverage,
            self.clocks, self.diagnosis, self.hypotheses, self.validated_checks, self.facts, self.ledger,
            self.postmortem, self.postmortem_text, self.report, self.redaction, self.redacted,
            self.root / "derivations",
        )  # fmt: skip

    def discard_derived(self) -> None:
        """Remove what was derived from evidence that a seal supersedes: it must not pass for this one's."""
        for path in (*self.derived, self.evidence):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    @property
    def seal_log(self) -> Path:
        """The seal's place in the transparency log: inclusion proof and checkpoint."""
        return self.root / "seal.log.json"

    @property
    def evidence(self) -> Path:
        """What was sealed, as `model.artifact.SealedEvidence`: what later stages read."""
        return self.root / "evidence.json"

    @property
    def events(self) -> Path:
        """The event table."""
        return self.root / "events.parquet"

    @property
    def samples(self) -> Path:
        """Measurements."""
        return self.root / "samples.parquet"

    @property
    def series(self) -> Path:
        """Names and labels of the measurements."""
        return self.root / "series.parquet"

    @property
    def quarantine(self) -> Path:
        """What no parser took."""
        return self.root / "quarantine.parquet"

    @property
    def parse_report(self) -> Path:
        """What each artifact was read as."""
        return self.root / "parse_report.json"

    @property
    def templates(self) -> Path:
        """Log templates with counts and examples."""
        return self.root / "templates.parquet"

    @property
    def redaction(self) -> Path:
        """The card of the redacted view: digests, counts, ruleset."""
        return self.root / "redaction.json"

    @property
    def redacted(self) -> Path:
        """The redacted views of the artifacts with their span maps, and the redacted tables."""
        return self.root / "redacted"

    @property
    def redacted_events(self) -> Path:
        """The event table with tokens in its texts."""
        return self.redacted / "events.parquet"

    @property
    def redacted_series(self) -> Path:
        """The series with tokens in their labels."""
        return self.redacted / "series.parquet"

    @property
    def index(self) -> Path:
        """The LanceDB folder."""
        return self.root / "index.lance"

    @property
    def chunks(self) -> Path:
        """What was embedded: chunk ids, texts and places."""
        return self.root / "chunks.parquet"

    @property
    def timeline_table(self) -> Path:
        """The full order."""
        return self.root / "timeline.parquet"

    @property
    def timeline(self) -> Path:
        """The key entries."""
        return self.root / "timeline.json"

    @property
    def narrative(self) -> Path:
        """The key entries as text."""
        return self.root / "timeline.md"

    @property
    def coverage(self) -> Path:
        """The coverage statement: per source what was asked for, what is held, and how it falls short."""
        return self.root / "coverage.json"

    @property
    def clocks(self) -> Path:
        """How far the clocks are apart: the side table that the order reckons with."""
        return self.root / "clocks.json"

    @property
    def diagnosis(self) -> Path:
        """The ranking."""
        return self.root / "diagnosis.json"

    @property
    def hypotheses(self) -> Path:
        """The proposal."""
        return self.root / "hypotheses.json"

    @property
    def validated_checks(self) -> Path:
        """The outcomes."""
        return self.root / "validated_checks.json"

    @property
    def facts(self) -> Path:
        """The counts and times that sentences of the draft state."""
        return self.root / "facts.json"

    @property
    def postmortem(self) -> Path:
        """The postmortem as data."""
        return self.root / "postmortem.json"

    @property
    def postmortem_text(self) -> Path:
        """The postmortem as Markdown."""
        return self.root / "postmortem.md"

    @property
    def report(self) -> Path:
        """The postmortem as one HTML page."""
        return self.root / "report.html"

    @property
    def ledger(self) -> Path:
        """Every sentence with its citations."""
        return self.root / "ledger.json"
