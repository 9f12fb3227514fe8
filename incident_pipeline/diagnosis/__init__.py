"""Rank root causes from telemetry and propose hypotheses: onset, service graph, analyses, ranking.

The analyses follow one scheme: an observation during the incident against its calm baseline, with a
noise floor, as a strength between 0 and 1 and one plain sentence. `diagnose` puts them together;
`propose` turns the ranking into hypotheses with checks that could refute them.
"""

from __future__ import annotations

from typing import Final

from incident_pipeline.diagnosis.hypotheses import propose
from incident_pipeline.diagnosis.rank import diagnose

CODE_VERSION: Final = "1"

__all__ = ["CODE_VERSION", "diagnose", "propose"]
