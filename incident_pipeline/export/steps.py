"""What each stage reads and writes: the table that derivation statements are made from.

Names are those of the results folder; one that ends in `/` stands for the files in that folder. A file
that a stage writes and that stands in no row is reported by `verify` as covered by no derivation, so a new
output can't be forgotten here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from incident_pipeline import checks, diagnosis, evidence, parsers, postmortem, retrieval, timeline


@dataclass(frozen=True)
class Step:
    """One stage: version of its rules, result files it reads and writes, and whether it reads sealed bytes.

    A name that ends in `/` stands for all files of that folder.
    """

    code_version: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    reads_sealed: bool = False


_TABLES: Final = ("evidence.json", "events.parquet", "samples.parquet", "series.parquet")
_REDACTED: Final = ("evidence.json", "redacted/events.parquet", "samples.parquet", "redacted/series.parquet")
"""What all stages after `embeddings` read in the place of the tables."""

STEPS: Final = {
    "sealed_evidence": Step(evidence.CODE_VERSION, (), ("evidence.json",), reads_sealed=True),
    "parsed_events": Step(
        parsers.CODE_VERSION,
        ("evidence.json",),
        (
            "events.parquet", "samples.parquet", "series.parquet", "quarantine.parquet",
            "templates.parquet", "parse_report.json",
        ),
        reads_sealed=True,
    ),
    "embeddings": Step(
        retrieval.CODE_VERSION, _TABLES, ("chunks.parquet", "redaction.json", "redacted/"), reads_sealed=True
    ),
    "timeline": Step(
        timeline.CODE_VERSION,
        (*_REDACTED, "parse_report.json", "quarantine.parquet"),
        ("timeline.parquet", "timeline.json", "timeline.md", "coverage.json", "clocks.json"),
    ),
    "hypotheses": Step(
        diagnosis.CODE_VERSION, _REDACTED, ("diagnosis.json", "hypotheses.json"), reads_sealed=True
    ),
    "validated_checks": Step(
        checks.CODE_VERSION, (*_REDACTED, "hypotheses.json"), ("validated_checks.json",), reads_sealed=True
    ),
    "postmortem": Step(
        postmortem.CODE_VERSION,
        (
            *_REDACTED, "parse_report.json", "timeline.json", "coverage.json", "diagnosis.json",
            "hypotheses.json", "validated_checks.json",
        ),
        ("facts.json", "ledger.json", "postmortem.json", "postmortem.md", "report.html"),
        reads_sealed=True,
    ),
}  # fmt: skip
"""By asset key, in the order in which the stages run."""
