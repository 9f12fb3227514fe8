"""The parse report: what each artifact was read as and what came out (design section 4.2)."""

from __future__ import annotations

from typing import Literal

from incident_pipeline.model.artifact import Problem
from incident_pipeline.model.base import Frozen


class ArtifactReport(Frozen):
    """One artifact: the format chosen, the runner-up, counts, time range and assumptions made."""

    artifact_sha256: str
    artifact_uri: str
    type: str
    role: str
    format: str | None
    score: float
    runner_up: str | None
    runner_up_score: float
    pinned: bool
    bytes_decoded: int
    encoding: str
    """identity, gzip, ..."""
    lines: int
    events: int
    events_without_time: int
    samples: int
    series: int
    quarantined: int
    first_time: str | None
    last_time: str | None
    assumptions: tuple[str, ...] = ()


class ParseReport(Frozen):
    """All artifacts of a parse, in order of digest."""

    schema_version: Literal[1] = 1
    artifacts: tuple[ArtifactReport, ...]
    problems: tuple[Problem, ...] = ()
    """What could not be read as asked, beyond what the seal already names."""
